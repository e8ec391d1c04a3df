"""The conditions of a trial are in force in its process, and the setting takes precedence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from detcost.host import machine
from detcost.scenarios.bench import Bench
from detcost.settings import instruction_sets
from detcost.settings.grammar import DEFAULT, parse
from detcost.workers.contract import UNPERTURBED, Built, Cell, CellError, Conditions
from detcost.workers.launch import ForkWorkerFactory
from detcost.workers.process import ProcessWorker
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow

Build = Callable[..., tuple[ProcessWorker, Built]]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def build(factory: ForkWorkerFactory) -> Iterator[Build]:
    """Build a cell under conditions; return the worker and its answer."""
    workers = []

    def build(
        name: str, conditions: Conditions = UNPERTURBED, setting: str = "default", **cell: Any
    ) -> tuple[ProcessWorker, Built]:
        worker = factory.start(Cell(name, parse(setting), "CPU:0", **cell), conditions)
        workers.append(worker)
        return worker, worker.build()

    yield build
    for worker in workers:
        worker.close()


def threads_of(worker: ProcessWorker) -> list[Path]:
    return list(Path(f"/proc/{worker.pid}/task").iterdir())


def test_a_pool_size_applies_unless_the_setting_fixes_it(build):
    sizes = {
        setting: build("control_stable", Conditions("5", pool_size=5), setting)[1].applied
        for setting in ("default", "threads=1", "intra=2")
    }
    assert [(a["intra"], a["inter"]) for a in sizes.values()] == [(5, 5), (1, 1), (2, 5)]


def test_the_number_of_threads_follows_the_pool_size(build):
    counts = [
        len(threads_of(build("matmul_square", Conditions(str(n), pool_size=n), size="small")[0]))
        for n in (1, 16)
    ]
    assert counts[1] - counts[0] >= 15


@pytest.mark.parametrize(
    ("execution", "setting", "traces"),
    [("eager", "default", 0), ("graph", "default", 1), ("xla", "default", 1), ("eager", "xla", 1)],
)
def test_execution_applies_unless_the_setting_fixes_it(build, execution, setting, traces):
    conditions = Conditions(execution, execution=execution)
    worker, _ = build(f"{USER_SCENARIOS}:traced_function", conditions, setting)
    assert worker.usage().traces == traces


def test_execution_by_xla_gives_the_bits_of_the_setting_xla(build):
    by_trial = build("mlp_graph", Conditions("xla", execution="xla"), size="small")[1]
    by_setting = build("mlp_graph", setting="xla", size="small")[1]
    assert by_trial.digest == by_setting.digest


@linux
@pytest.mark.skipif(machine.usable_cores() < 2, reason="needs a core to exclude")
def test_an_affinity_moves_all_threads_but_keeps_the_pool_sizes(build):
    core = machine.usable_core_numbers()[-1]
    worker, _ = build("matmul_square", Conditions("here", cores=(core,)), size="small")
    unperturbed, _ = build("matmul_square", size="small")
    assert len(threads_of(worker)) == len(threads_of(unperturbed))
    assert {tuple(os.sched_getaffinity(int(t.name))) for t in threads_of(worker)} == {(core,)}


@linux
def test_variables_are_set_before_python_starts(build):
    seeded = Conditions("seed", environment=(("PYTHONHASHSEED", "7"),))
    worker, _ = build("control_stable", seeded)
    assert psutil.Process(worker.pid).environ()["PYTHONHASHSEED"] == "7"


@linux
def test_workers_keep_freed_memory_to_avoid_page_faults_in_steps(build):
    """With glibc's default, page faults depend on the layout of the heap of each process."""
    worker, _ = build("control_stable")
    environment = psutil.Process(worker.pid).environ()
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) > 1 << 30


@linux
def test_the_users_own_threshold_for_freed_memory_is_kept(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000")
    own = ForkWorkerFactory()
    try:
        worker = own.start(Cell("control_stable", DEFAULT, "CPU:0"))
        assert psutil.Process(worker.pid).environ()["MALLOC_TRIM_THRESHOLD_"] == "1000"
    finally:
        own.close()


@linux
def test_busy_threads_run_in_the_worker_beside_its_steps(build):
    worker, _ = build("matmul_square", Conditions("busy", busy_threads=4), size="small")
    unperturbed, _ = build("matmul_square", size="small")
    assert len(threads_of(worker)) - len(threads_of(unperturbed)) == 4
    assert len(worker.repeat(3)) == 3


def test_conditions_do_not_change_the_bits_without_races(build):
    """Matrix products do not race. If a condition changed a bit, detcost would be the cause."""
    perturbed = (
        UNPERTURBED,
        Conditions("offset", input_offset=3),
        Conditions("busy", busy_threads=2),
        Conditions("here", cores=tuple(machine.usable_core_numbers()[:1])),
    )
    digests = {build("matmul_square", c, size="small")[1].digest for c in perturbed}
    assert len(digests) == 1


@pytest.mark.parametrize("offset", [0, 1, 24, 63])
def test_inputs_begin_at_the_offset_of_the_trial(offset):
    bench = Bench(DEFAULT, seed=1, input_offset=offset)
    drawn = bench.integers((3, 5), high=100)
    if offset:
        assert drawn.ctypes.data % 64 == offset
    assert np.array_equal(drawn, Bench(DEFAULT, seed=1).integers((3, 5), high=100))


@pytest.mark.skipif(
    not instruction_sets.caps(machine.describe()["cpu_flags"]), reason="no caps on this CPU"
)
def test_a_cap_changes_the_bits_of_a_matrix_product(build):
    lowest = instruction_sets.caps(machine.describe()["cpu_flags"])[0]
    assert lowest.library == "oneDNN"
    capped = build("matmul_square", Conditions(lowest.label, cap=lowest))[1]
    assert build("matmul_square")[1].digest != capped.digest


def test_a_cap_without_effect_is_not_applicable(build):
    unknown = instruction_sets.Cap("oneDNN", "NO_SUCH_SET")
    with pytest.raises(CellError) as caught:
        build("matmul_square", Conditions("unknown", cap=unknown), size="small")
    assert caught.value.status == "not_applicable"


@pytest.mark.parametrize(
    ("dtype", "least", "most"), [("float32", 1e-9, 1e-6), ("bfloat16", 1e-4, 1e-2)]
)
def test_a_float64_program_gives_the_error_of_another_type(build, tmp_path, dtype, least, most):
    path = str(tmp_path / "float64")
    build("matmul_square", Conditions(float64=True), dtype=dtype)[0].save_outputs(path)
    assert least < build("matmul_square", dtype=dtype)[0].accuracy(path) < most
