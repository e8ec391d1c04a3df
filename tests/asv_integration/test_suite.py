"""asv discovers all benchmarks, and stores the measured figures unchanged."""

from __future__ import annotations

import importlib
import io
import json
import math
import pkgutil
import sys
from typing import Any

import pytest
from asv_runner.discovery import get_benchmark_from_name, list_benchmarks

from detcost.asv_integration.suite import DEVICES, SETTINGS, ScenarioSuite
from detcost.evidence.schema import SCOPES, Cost, Divergence, StepSeconds
from detcost.scenarios.registry import built_in
from factories import record
from paths import RESULTS, ROOT


def classes(package: str) -> list[type[ScenarioSuite]]:
    """Return the suites that the modules of a package define."""
    folder = importlib.import_module(package).__path__
    modules = [
        importlib.import_module(f"{package}.{info.name}")
        for info in pkgutil.iter_modules(folder)
        if not info.ispkg
    ]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ScenarioSuite)
        if value.__module__ == module.__name__
    ]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def test_every_scenario_and_type_has_one_class_of_its_own():
    scenarios = [entry for entry in built_in().values() if entry.family != "control"]
    wanted_core = sorted((entry.name, None) for entry in scenarios if entry.core)
    wanted_more = sorted(
        [(entry.name, "") for entry in scenarios if not entry.core]
        + [(entry.name, dtype) for entry in scenarios for dtype in entry.dtypes[1:]]
    )
    assert sorted((c.scenario, c.dtype) for c in classes("benchmarks")) == wanted_core
    assert sorted((c.scenario, c.dtype or "") for c in classes("benchmarks.more")) == wanted_more


def test_classes_and_modules_are_named_by_scenario_and_family():
    for suite in classes("benchmarks") + classes("benchmarks.more"):
        assert suite.__module__.rpartition(".")[2] == built_in()[suite.scenario].family
        spelled = (suite.scenario + (f"_{suite.dtype}" if suite.dtype else "")).split("_")
        assert suite.__name__ == "".join(word[:1].upper() + word[1:] for word in spelled)


@pytest.fixture(autouse=True)
def _finders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop the finders of modules that asv leaves behind: pytest cannot ask them."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])


def discovered() -> list[dict[str, Any]]:
    """Return what asv discovers in the benchmarks."""
    with io.StringIO() as file:
        list_benchmarks(str(ROOT / "benchmarks"), file)
        benchmarks: list[dict[str, Any]] = json.loads(file.getvalue())
    return benchmarks


def test_committed_results_go_on_as_the_same_series():
    """asv starts a series anew where a name, a version or a parameter changes."""
    series = {entry["name"]: (entry["version"], entry["params"]) for entry in discovered()}
    committed = json.loads((RESULTS / "benchmarks.json").read_text())
    del committed["version"]
    assert {name: (e["version"], e["params"]) for name, e in committed.items()} == series


def test_asv_discovers_every_class_with_static_parameters():
    benchmarks = discovered()
    suites = len(classes("benchmarks") + classes("benchmarks.more"))
    times = [entry for entry in benchmarks if entry["name"].endswith("time_step")]
    assert len(times) == suites
    assert not any("ScenarioSuite" in entry["name"] for entry in benchmarks)
    keys = {entry["setup_cache_key"] for entry in times}
    assert len(keys) == suites, "two classes share a setup_cache"
    for entry in times:
        assert entry["param_names"] == ["device", "setting"]
        assert entry["params"] == [[repr(d) for d in DEVICES], [repr(s) for s in SETTINGS]]
        assert entry["version"].isdigit()
        assert entry["timeout"] >= 900


def run_benchmark(name: str, cell: tuple[str, str], evidence: object, **extra: object) -> object:
    """Run one benchmark as asv's runner does, with given evidence."""
    index = DEVICES.index(cell[0]) * len(SETTINGS) + SETTINGS.index(cell[1])
    benchmark = get_benchmark_from_name(
        str(ROOT / "benchmarks"), f"matmul.MatmulSquare.{name}-{index}", extra_params=extra
    )
    benchmark.set_cache({cell: evidence} if evidence else {})
    if benchmark.do_setup():
        return math.nan
    return benchmark.do_run()


CELL = ("CPU:0", "op_determinism")
#: A different rate for every scope.
RATES = {scope: number / 10 for number, scope in enumerate(SCOPES)}


def test_asv_gets_the_medians_of_the_blocks_in_order():
    samples = [0.0031, 0.0029, 0.0035, 0.0030, 0.0032]
    measured = record(step_seconds=StepSeconds(0.0031, None, None, samples))
    result = run_benchmark("time_step", CELL, measured)
    assert result["samples"] == pytest.approx(samples, abs=1e-12)
    assert result["number"] == 1


def test_asv_quick_takes_one_median():
    measured = record(step_seconds=StepSeconds(0.2, None, None, [0.2, 0.3]))
    quick = {"number": 1, "repeat": 1, "warmup_time": 0, "rounds": 1}
    assert run_benchmark("time_step", CELL, measured, **quick)["samples"] == pytest.approx([0.2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("track_cost", 1.25),
        *((f"track_divergence_{scope}", rate) for scope, rate in RATES.items()),
        ("track_accuracy", 1e-7),
        ("track_first_call", 0.25),
        ("track_peak_memory", 3e8),
    ],
)
def test_each_track_carries_its_figure_of_the_evidence(name, value):
    scope = name.removeprefix("track_divergence_")
    measured = record(
        cost=Cost(1.25, 1.2, 1.3, 5, [1.25] * 5, "costs"),
        divergence={scope: Divergence(1, 10, RATES.get(scope), 0.0, 1.0, 2)},
        accuracy=1e-7,
        first_call_seconds=0.25,
        peak_memory_bytes=300_000_000,
    )
    assert run_benchmark(name, CELL, measured) == value


def test_a_cell_that_races_has_no_rate_in_other_scopes():
    races = {s: Divergence(10, 10, 1.0, 0.7, 1.0, 11) for s in ("repeat", "threads")}
    measured = record(divergence=races)
    assert run_benchmark("track_divergence_repeat", CELL, measured) == 1.0
    assert math.isnan(run_benchmark("track_divergence_threads", CELL, measured))


def test_a_scope_that_does_not_apply_is_skipped():
    nothing = Divergence(0, 0, None, None, None, 0, reason="the scenario itself says")
    measured = record(divergence={"execution": nothing})
    assert math.isnan(run_benchmark("track_divergence_execution", CELL, measured))


@pytest.mark.parametrize("status", ["not_applicable", "unimplemented"])
def test_a_cell_that_does_not_apply_is_skipped(status):
    assert math.isnan(run_benchmark("track_cost", CELL, record(status=status, reason="no XLA")))


def test_an_absent_device_is_skipped():
    assert math.isnan(run_benchmark("track_cost", ("GPU:0", "default"), None))


@pytest.mark.parametrize("status", ["failed", "crashed", "timed_out", "out_of_memory"])
def test_a_failed_cell_fails_in_asv_with_the_reason(status):
    with pytest.raises(RuntimeError, match=f"{status}: killed by SIGKILL"):
        run_benchmark("track_cost", CELL, record(status=status, reason="killed by SIGKILL"))
