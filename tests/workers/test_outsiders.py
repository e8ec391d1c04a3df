"""Programs that were not written for detcost, and the measured properties of each."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from detcost.evidence.schema import Evidence
from detcost.experiment.profiles import Profile
from detcost.experiment.request import Request
from detcost.experiment.run import Run
from detcost.workers.launch import HASH_SEED, ForkWorkerFactory
from paths import PROGRAMS

pytestmark = pytest.mark.tensorflow

REPORTS, OWN = PROGRAMS / "state_and_races.py", PROGRAMS / "functions.py"
SWITCHES, HIDDEN = PROGRAMS / "switches.py", PROGRAMS / "hidden_switch.py"
DEVICES = PROGRAMS / "devices.py"
#: Enough processes to see each kind of divergence. No test here depends on timings.
BRIEF = Profile(
    *("brief", (1,), 1.0, 0),
    rounds=1,
    calls=5,
    pythons=2,
    processes=2,
    perturbed=0,
    trials=1,
    quiet_builds=0,
    settle_seconds=0.0,
    burst_seconds=1e-4,
)


def measure(
    factory: ForkWorkerFactory,
    reference: str,
    settings: Sequence[str] = (),
    scopes: Sequence[str] = ("repeat", "process"),
) -> dict[str, Evidence]:
    request = Request.parse(
        [reference],
        settings,
        ["CPU:0"],
        scopes=scopes,
        profile=BRIEF,
        size="medium",
        dtype=None,
        seed=42,
    )
    return {record.setting: record for record in Run(request, factory=factory)}


def default(factory: ForkWorkerFactory, reference: str, *scopes: str) -> Evidence:
    return measure(factory, reference, scopes=("repeat", "process", *scopes))["default"]


def divergent(record: Evidence, scope: str) -> int:
    assert record.divergence[scope].trials > 0
    return record.divergence[scope].divergent


# -- a program started twice --------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["vocabulary_from_a_set", "features_in_the_order_of_addresses", "address_of_an_object"],
)
def test_hash_seeds_and_addresses_repeat_but_differ_by_process(factory, name):
    records = measure(factory, f"{REPORTS}:{name}", ["op_determinism+threads=1"])
    for record in records.values():
        assert divergent(record, "repeat") == 0
        assert divergent(record, "process") > 0


def test_the_users_own_hash_seed_is_kept_and_recorded(monkeypatch):
    monkeypatch.setenv(HASH_SEED, "7")
    workers = ForkWorkerFactory()
    try:
        record = default(workers, f"{REPORTS}:vocabulary_from_a_set")
    finally:
        workers.close()
    assert divergent(record, "process") == 0
    assert record.protocol.hash_seed == "7"


@pytest.mark.parametrize(
    "name",
    [
        "unseeded_numpy",
        "unseeded_numpy_generator",
        "unseeded_python",
        "unseeded_eager_op",
        "unseeded_graph_op",
        "unseeded_generator",
        "unseeded_keras",
        "unseeded_shuffle",
        "seeded_by_the_clock",
        "temporary_name",
        "unique_identifier",
    ],
)
def test_forked_workers_inherit_no_random_state(factory, name):
    record = measure(factory, f"{REPORTS}:{name}", ["unseeded"])["unseeded"]
    assert divergent(record, "process") == record.divergence["process"].trials
    assert divergent(record, "repeat") == 0


# -- state and races ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["dropout_that_goes_on", "training_that_goes_on", "pipeline_that_goes_on"]
)
def test_state_kept_between_calls_is_no_divergence(factory, name):
    record = default(factory, f"{REPORTS}:{name}")
    assert record.carries_state
    assert record.severity is None
    assert len(set(record.sequence)) == BRIEF.calls
    assert (divergent(record, "repeat"), divergent(record, "process")) == (0, 0)


def test_keras_fit_carries_state_under_every_setting(factory):
    records = measure(factory, f"{OWN}:keras_fit", ["op_determinism", "xla", "op_determinism+xla"])
    for record in records.values():
        assert (record.status, record.carries_state) == ("ok", True)
        assert (divergent(record, "repeat"), divergent(record, "process")) == (0, 0)
        assert record.applied["xla_compiled"] == ("xla" in record.setting)
    assert records["xla"].same_bits_as_default == "no"
    assert records["op_determinism+xla"].digest == records["xla"].digest


def test_state_that_entropy_seeds_diverges(factory):
    record = default(factory, f"{REPORTS}:dropout_seeded_by_entropy")
    assert not record.carries_state
    assert divergent(record, "repeat") == record.divergence["repeat"].trials
    assert divergent(record, "process") == record.divergence["process"].trials


def test_a_trained_vocabulary_repeats_only_within_a_python(factory):
    record = default(factory, f"{REPORTS}:vocabulary_that_is_trained")
    assert record.carries_state
    assert divergent(record, "repeat") == 0
    assert divergent(record, "process") > 0


def test_a_race_after_the_first_loss_diverges_by_process_too(factory):
    record = default(factory, f"{REPORTS}:training_that_races")
    assert record.divergence["process"].first_call == 2
    assert divergent(record, "process") == record.divergence["process"].trials


def test_a_training_repeats_under_other_numbers_of_threads(factory):
    """Threads share no sum here, so the whole sequence stays the same."""
    record = default(factory, f"{REPORTS}:training_that_goes_on", "threads")
    assert divergent(record, "threads") == 0


# -- execution ---------------------------------------------------------------------------


def test_the_setting_xla_has_no_divergence_by_execution(factory):
    records = measure(factory, f"{OWN}:plain_function", ["xla"], ["repeat", "process", "execution"])
    assert divergent(records["xla"], "execution") == 0
    assert records["xla"].same_bits_as_default == "no"
    assert divergent(records["default"], "execution") >= 1


@pytest.mark.parametrize(
    ("name", "alone"), [("argmin_behind_relu", "eager"), ("stateless_philox_under_xla", "xla")]
)
def test_the_execution_with_other_bits_is_named(factory, name, alone):
    record = default(factory, f"{REPORTS}:{name}", "execution")
    differ = {v.label for v in record.divergence["execution"].variants if v.divergent}
    assert alone in differ


def test_an_execution_without_effect_is_skipped(factory):
    record = default(factory, f"{OWN}:eager_only", "execution")
    skipped = record.divergence["execution"].skipped
    assert set(skipped) == {"eager", "graph", "xla"}
    assert "no tf.function" in skipped["graph"]
    assert "XLA compiled nothing" in skipped["xla"]


def test_the_reason_names_a_program_that_cannot_run_eagerly(factory):
    record = default(factory, f"{OWN}:saved_model", "execution")
    assert "cannot be run eagerly" in record.divergence["execution"].skipped["eager"]


# -- XLA ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "plain_function",
        "method",
        "concrete_function",
        "keras_predict",
        "saved_model",
        "saved_signature",
    ],
)
def test_xla_applies_to_programs_not_written_for_it(factory, name):
    records = measure(factory, f"{OWN}:{name}", ["xla"])
    assert not records["default"].applied["xla_compiled"]
    assert records["xla"].applied["xla_compiled"]
    assert records["xla"].digest != records["default"].digest


def test_only_the_setting_decides_whether_xla_compiles(factory):
    records = measure(factory, f"{OWN}:compiled_by_its_author", ["xla"])
    assert [record.applied["xla_compiled"] for record in records.values()] == [False, True]


def test_requests_against_the_setting_are_recorded(factory):
    record = default(factory, f"{OWN}:compiled_by_its_author")
    assert any("jit_compile=True" in c and "functions.py:" in c for c in record.overridden)
    record = default(factory, f"{OWN}:keras_model_compiled_by_its_author")
    assert not record.applied["xla_compiled"]
    assert record.overridden == ["jit_compile of a Keras model"]


def test_a_signature_is_compiled_once_and_not_at_every_call(factory):
    """Each compilation gives the function another name, which would change the outputs."""
    record = measure(factory, f"{OWN}:signature_and_what_runs_it", ["xla"])["xla"]
    assert record.applied["xla_compiled"]
    assert (record.carries_state, divergent(record, "repeat")) == (False, 0)


def test_functions_that_keras_compiles_by_itself_stay_compiled(factory):
    """Without oneDNN the kernel refuses this convolution, unless Keras compiles it."""
    records = measure(factory, f"{OWN}:grouped_convolution", ["onednn=off", "xla"])
    assert [record.status for record in records.values()] == ["ok"] * 3
    assert records["default"].overridden == []


def test_a_scenario_that_ignores_xla_is_not_changed(factory):
    record = default(factory, f"{PROGRAMS / 'compiled_at_the_top.py'}:chooses_its_execution")
    assert record.applied["xla_compiled"]


def test_xla_compiles_the_step_but_not_the_pipeline(factory):
    records = measure(factory, f"{OWN}:step_behind_a_pipeline", ["xla"])
    assert (records["xla"].status, records["xla"].applied["xla_compiled"]) == ("ok", True)


def test_a_cell_in_which_xla_compiles_nothing_is_not_applicable(factory):
    record = measure(factory, f"{OWN}:eager_only", ["xla"])["xla"]
    assert record.status == "not_applicable"
    assert "XLA compiled nothing" in record.reason


# -- what the program sets by itself -----------------------------------------------------


def test_calls_of_the_program_are_ignored_and_recorded_by_line(factory):
    record = default(factory, f"{SWITCHES}:draws")
    assert record.applied["op_determinism"] is False
    assert record.applied["tf32"] is True
    assert (record.applied["intra"], record.applied["inter"]) == (0, 0)
    assert not record.applied["eagerly"]
    assert not record.applied["xla_compiled"]
    lines = SWITCHES.read_text().splitlines()
    for entry in record.overridden:
        call, _, location = entry.partition(" at ")
        name = call.removesuffix("()").rpartition(".")[2].removeprefix("environ['").rstrip("']")
        assert name in lines[int(location.partition(":")[2]) - 1]
    assert len(record.overridden) == 8
    assert "XLA_FLAGS" not in os.environ


def test_pools_and_devices_configured_at_the_top_of_a_file_are_ignored_and_recorded(factory):
    """TensorFlow would refuse these calls, as it already runs. The file could not be loaded."""
    record = default(factory, f"{DEVICES}:product")
    assert record.status == "ok"
    lines = DEVICES.read_text().splitlines()
    for entry in record.overridden:
        call, _, location = entry.partition(" at ")
        assert call.removesuffix("()").removeprefix("tf") in lines[int(location.split(":")[1]) - 1]
    assert len(record.overridden) == 5


def test_calls_that_the_setting_decides_are_not_recorded(factory):
    settings = ["op_determinism", "threads=1"]
    records = measure(factory, f"{SWITCHES}:draws", settings)
    for setting, call in zip(settings, ("enable_op_determinism", "parallelism"), strict=True):
        assert not any(call in entry for entry in records[setting].overridden)
        assert any(call in entry for entry in records["default"].overridden)


def test_the_programs_own_seeds_stay_unless_the_setting_seeds(factory):
    records = measure(factory, f"{SWITCHES}:draws", ["unseeded"])
    assert divergent(records["default"], "process") == 0
    assert divergent(records["unseeded"], "process") > 0
    assert any("set_random_seed" in entry for entry in records["unseeded"].overridden)


def test_a_change_that_cannot_be_ignored_fails_by_name(factory):
    records = measure(factory, f"{HIDDEN}:steady", ["op_determinism"])
    assert records["default"].status == "failed"
    assert "op_determinism to True" in records["default"].reason
    assert records["op_determinism"].status == "ok"


# -- refusals ----------------------------------------------------------------------------


def test_a_refusal_of_xla_is_unimplemented_with_its_message(factory):
    record = measure(factory, f"{REPORTS}:loop_iterations_draw_at_once", ["xla"])["xla"]
    assert record.status == "unimplemented"
    assert "compile-time constant" in record.reason


def test_a_refusal_of_a_setting_is_unimplemented(factory):
    records = measure(factory, f"{OWN}:refuses_under_a_setting", ["op_determinism"])
    assert records["default"].status == "ok"
    assert records["op_determinism"].status == "unimplemented"
    records = measure(factory, f"{OWN}:builds_badly_with_one_thread", ["threads=1"])
    assert records["threads=1"].status == "unimplemented"
    assert "needs two threads" in records["threads=1"].reason


def test_a_refusal_at_the_top_of_the_file_is_unimplemented(factory):
    records = measure(factory, f"{PROGRAMS / 'loads_badly.py'}:steady", ["op_determinism"])
    assert records["default"].status == "ok"
    assert records["op_determinism"].status == "unimplemented"


def test_a_crash_stays_a_crash(factory):
    record = measure(factory, f"{OWN}:dies_with_one_thread", ["threads=1"])["threads=1"]
    assert record.status == "crashed"


def test_the_reason_states_the_error_and_not_its_location(factory):
    record = default(factory, f"{OWN}:keras_step_that_fails")
    assert record.status == "failed"
    assert "broken" in record.reason
    assert "Graph execution error" not in record.reason


# -- pipelines ---------------------------------------------------------------------------


def test_strict_order_applies_to_a_pipeline_not_written_for_it(factory):
    records = measure(factory, f"{OWN}:unordered_pipeline", ["data_order=strict"])
    assert records["data_order=strict"].status == "ok"
    assert divergent(records["data_order=strict"], "repeat") == 0


def test_strict_order_is_not_applicable_against_an_argument(factory):
    records = measure(factory, f"{OWN}:explicitly_unordered_pipeline", ["data_order=strict"])
    assert records["data_order=strict"].status == "not_applicable"
    assert "deterministic=False" in records["data_order=strict"].reason


def test_strict_order_is_not_applicable_without_a_pipeline(factory):
    record = measure(factory, f"{OWN}:eager_only", ["data_order=strict"])["data_order=strict"]
    assert record.status == "not_applicable"
    assert "no tf.data pipeline" in record.reason
