"""The list of built-in scenarios. ``test_every_scenario.py`` runs each of them."""

import subprocess
import sys
from itertools import product

import pytest

from detcost.scenarios import registry
from detcost.settings.grammar import LEVERS
from paths import ROOT

#: Families of the core set: kernels, pipelines and whole models.
CORE = {"matmul", "conv", "rnn", "tf_function", "tf_data", "irregular", "models"}
#: Families about advice to users, which ``detcost folklore`` measures.
PRACTICES = {"random", "session", "replicas", "training", "augmentation"}
#: All scenarios except the controls.
SCENARIOS = {k: v for k, v in registry.built_in().items() if v.family != "control"}


def test_names_are_unique():
    modules = [m for name, m in sys.modules.items() if name.startswith("detcost.scenarios.")]
    names = [name for module in modules for name in registry.in_module(module)]
    assert sorted(names) == sorted(registry.built_in())


@pytest.mark.parametrize("entry", SCENARIOS.values(), ids=SCENARIOS)
def test_a_summary_has_the_computation_and_the_source(entry):
    computation, semicolon, source = entry.summary.partition("; ")
    assert semicolon, "a summary has the form: computation; source of nondeterminism."
    assert len(computation.split()) >= 2
    assert len(source.split()) >= 5
    assert source.endswith(".")


def test_every_family_exists():
    assert {entry.family for entry in SCENARIOS.values()} == CORE | PRACTICES


def test_the_core_set_is_small_and_has_kernels_of_every_kind_and_models():
    core = [entry for entry in SCENARIOS.values() if entry.core]
    assert 9 <= len(core) <= 12
    assert {entry.family for entry in core} == CORE


def test_ignored_levers_exist():
    names = {lever.name for lever in LEVERS}
    assert all(entry.ignores <= names for entry in SCENARIOS.values())


def test_every_pipeline_ignores_xla():
    pipelines = [entry for entry in SCENARIOS.values() if entry.family == "tf_data"]
    assert all("xla" in entry.ignores for entry in pipelines)


def test_every_model_names_kernels_that_exist():
    models = [entry for entry in SCENARIOS.values() if entry.family == "models"]
    assert all(entry.contains and set(entry.contains) <= set(SCENARIOS) for entry in models)
    assert not any(SCENARIOS[name].contains for entry in models for name in entry.contains)


def test_the_description_of_a_model_ends_with_its_kernels():
    unet = SCENARIOS["unet"]
    assert unet.description == f"{unet.summary} Contains {', '.join(unet.contains)}."


def test_the_documents_have_a_row_for_every_model():
    text = (ROOT / "docs/scenarios.md").read_text()
    for name, entry in SCENARIOS.items():
        if entry.family == "models":
            computation, _, _ = entry.summary.partition(";")
            kernels = ", ".join(f"`{kernel}`" for kernel in entry.contains)
            assert f"| `{name}` | {computation} | {kernels} |" in text


def test_the_weights_of_every_model_follow_the_seed():
    assert all(entry.draws for entry in SCENARIOS.values() if entry.family == "models")


def test_scenarios_that_draw_are_marked():
    names = {name for name, entry in SCENARIOS.items() if entry.draws}
    assert {name for name, entry in SCENARIOS.items() if entry.family == "random"} <= names
    assert {"graph_random_ops", "map_random_parallel", "shuffle_unseeded"} <= names
    assert not any(SCENARIOS[name].family in ("matmul", "conv", "irregular") for name in names)


def test_first_type_is_float32():
    assert all(entry.dtypes[0] == "float32" for entry in SCENARIOS.values())


def test_matmul_is_measured_in_bfloat16_too():
    products = [entry for entry in SCENARIOS.values() if entry.family == "matmul"]
    assert all("bfloat16" in entry.dtypes for entry in products)


def test_arithmetic_has_a_float64_reference_but_not_pipelines():
    referenced = {name for name, entry in SCENARIOS.items() if entry.float64_reference}
    for part in ("matmul", "conv2d", "reduce", "segment_sum", "softmax", "scatter_add", "mlp"):
        named = {name for name, entry in SCENARIOS.items() if part in name and not entry.draws}
        assert named <= referenced
    assert not any(SCENARIOS[name].family == "tf_data" for name in referenced)


def test_every_model_has_every_loop_and_every_optimiser():
    models, loops = ("dense", "cnn"), ("fit", "loop")
    optimisers = ("sgd", "momentum", "adam", "rmsprop")
    assert {"_".join(parts) for parts in product(models, loops, optimisers)} <= set(SCENARIOS)


def test_exactly_the_trainings_have_a_trajectory():
    assert all(entry.trajectory == (entry.family == "training") for entry in SCENARIOS.values())


@pytest.mark.parametrize("kind", ["scatter_add", "embedding_gradient"])
def test_duplicate_shares_come_in_three(kind):
    assert {f"{kind}_dup{share}" for share in (0, 10, 100)} <= set(SCENARIOS)


def test_listing_imports_no_tensorflow():
    code = (
        "import sys; from detcost.scenarios import registry; registry.built_in();"
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
