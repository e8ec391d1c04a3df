"""What a trial changes around its cell holds in its process, and stays beneath the setting."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from detcost.host import machine
from detcost.scenarios.bench import Bench
from detcost.settings import instruction_sets
from detcost.settings.grammar import DEFAULT, parse
from detcost.workers.contract import UNPERTURBED, Cell, CellError, Conditions
from detcost.workers.launch import ForkWorkerFactory
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def build(factory):
    """Build a cell in some conditions; return the worker and what it answered."""
    workers = []

    def build(name: str, conditions: Conditions = UNPERTURBED, setting: str = "default", **cell):
        worker = factory.start(Cell(name, parse(setting), "CPU:0", **cell), conditions)
        workers.append(worker)
        return worker, worker.build()

    yield build
    for worker in workers:
        worker.close()


def threads_of(worker) -> list[Path]:
    return list(Path(f"/proc/{worker.pid}/task").iterdir())


def test_a_pool_size_holds_for_what_the_setting_leaves_free(build):
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
def test_execution_changes_how_a_function_runs_unless_the_setting_says(
    build, execution, setting, traces
):
    conditions = Conditions(execution, execution=execution)
    worker, _ = build(f"{USER_SCENARIOS}:tells_how_it_runs", conditions, setting)
    assert worker.usage().traces == traces


def test_executing_by_xla_gives_the_bits_of_the_setting_xla(build):
    by_trial = build("mlp_graph", Conditions("xla", execution="xla"), size="small")[1]
    by_setting = build("mlp_graph", setting="xla", size="small")[1]
    assert by_trial.digest == by_setting.digest


@linux
@pytest.mark.skipif(machine.usable_cores() < 2, reason="needs a core to leave out")
def test_an_affinity_moves_every_thread_and_leaves_the_pools_their_size(build):
    core = machine.usable_core_numbers()[-1]
    worker, _ = build("matmul_square", Conditions("here", cores=(core,)), size="small")
    quiet, _ = build("matmul_square", size="small")
    assert len(threads_of(worker)) == len(threads_of(quiet))
    assert {tuple(os.sched_getaffinity(int(t.name))) for t in threads_of(worker)} == {(core,)}


@linux
def test_an_environment_is_there_before_python_starts(build):
    marked = Conditions("seed", environment=(("PYTHONHASHSEED", "7"),))
    worker, _ = build("control_stable", marked)
    assert psutil.Process(worker.pid).environ()["PYTHONHASHSEED"] == "7"


@linux
def test_freed_memory_is_kept_so_that_no_step_pays_for_faulting_it_in_again(build):
    """It would by chance, process by process: glibc goes by where the heap happens to end."""
    worker, _ = build("control_stable")
    environment = psutil.Process(worker.pid).environ()
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) > 1 << 30


@linux
def test_the_user_s_own_choice_about_memory_stands(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000")
    own = ForkWorkerFactory()
    try:
        worker = own.start(Cell("control_stable", DEFAULT, "CPU:0"))
        assert psutil.Process(worker.pid).environ()["MALLOC_TRIM_THRESHOLD_"] == "1000"
    finally:
        own.close()


@linux
def test_busy_threads_run_in_the_worker_and_let_it_work(build):
    worker, _ = build("matmul_square", Conditions("busy", busy_threads=4), size="small")
    quiet, _ = build("matmul_square", size="small")
    assert len(threads_of(worker)) - len(threads_of(quiet)) == 4
    assert len(worker.repeat(3)) == 3


def test_circumstances_leave_the_bits_alone_where_nothing_races(build):
    """Matrix products do not race: any disturbance that changed a bit would be our own fault."""
    disturbed = (
        UNPERTURBED,
        Conditions("offset", input_offset=3),
        Conditions("busy", busy_threads=2),
        Conditions("here", cores=tuple(machine.usable_core_numbers()[:1])),
    )
    digests = {build("matmul_square", each, size="small")[1].digest for each in disturbed}
    assert len(digests) == 1


@pytest.mark.parametrize("offset", [0, 1, 24, 63])
def test_inputs_begin_where_the_trial_wants_them(offset):
    bench = Bench(DEFAULT, seed=1, input_offset=offset)
    drawn = bench.integers((3, 5), high=100)
    if offset:
        assert drawn.ctypes.data % 64 == offset
    assert np.array_equal(drawn, Bench(DEFAULT, seed=1).integers((3, 5), high=100))


@pytest.mark.skipif(
    not instruction_sets.caps(machine.describe()["cpu_flags"]), reason="nothing to cap here"
)
def test_matmul_does_not_survive_a_cap(build):
    lowest = instruction_sets.caps(machine.describe()["cpu_flags"])[0]
    assert lowest.library == "oneDNN"
    capped = build("matmul_square", Conditions(lowest.label, cap=lowest))[1]
    assert build("matmul_square")[1].digest != capped.digest


def test_a_cap_that_does_not_take_is_said_and_not_counted(build):
    nonsense = instruction_sets.Cap("oneDNN", "NO_SUCH_SET")
    with pytest.raises(CellError) as caught:
        build("matmul_square", Conditions("nonsense", cap=nonsense), size="small")
    assert caught.value.status == "not_applicable"


@pytest.mark.parametrize(
    ("dtype", "least", "most"), [("float32", 1e-9, 1e-6), ("bfloat16", 1e-4, 1e-2)]
)
def test_a_float64_program_tells_how_far_off_another_is(build, tmp_path, dtype, least, most):
    path = str(tmp_path / "float64")
    build("matmul_square", Conditions(float64=True), dtype=dtype)[0].save_outputs(path)
    assert least < build("matmul_square", dtype=dtype)[0].accuracy(path) < most
