"""Real workers: fresh processes, kills and crashes, each with a status and a reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from detcost.settings.grammar import Setting, parse
from detcost.workers import limits
from detcost.workers.contract import Cell, CellError, WorkerLost
from detcost.workers.launch import ForkWorkerFactory, SpawnWorkerFactory
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow

USER = str(USER_SCENARIOS)


def cell(name: str, setting: str = "default", device: str = "CPU:0") -> Cell:
    return Cell(name, parse(setting), device, size="small")


def user(name: str, setting: str = "default") -> Cell:
    return cell(f"{USER}:{name}", setting)


def wait_until_gone(pid: int) -> None:
    """Wait until the process has ended. A zombie has ended."""
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "it still runs"
        time.sleep(0.01)


def test_every_trial_is_a_fresh_process(factory):
    first, second = factory.start(user("one_millisecond")), factory.start(user("one_millisecond"))
    assert first.pid != second.pid
    assert first.build().digest == second.build().digest
    first.close()
    second.close()
    wait_until_gone(first.pid)


@pytest.mark.parametrize(
    ("setting", "key", "answer"),
    [
        ("default", "op_determinism", False),
        ("op_determinism", "op_determinism", True),
        ("deterministic_ops_env", "op_determinism", True),
        ("threads=3", "intra", 3),
        ("threads=3", "inter", 3),
        ("intra=2", "intra", 2),
        ("inter=2", "inter", 2),
        ("onednn=off", "onednn", False),
        ("tf32=off", "tf32", False),
    ],
)
def test_tensorflow_reports_that_the_lever_took_effect(factory, setting, key, answer):
    worker = factory.start(cell("control_stable", setting))
    assert worker.build().applied[key] == answer
    worker.close()


def test_variables_of_a_setting_do_not_reach_other_workers(factory):
    for setting, on in (("deterministic_ops_env", True), ("default", False)):
        worker = factory.start(cell("control_stable", setting))
        assert worker.build().applied["op_determinism"] is on
        worker.close()


def test_a_lever_without_effect_fails_the_cell(factory, monkeypatch):
    """The user's TF_ENABLE_ONEDNN_OPTS=1 cannot override the lever, so break its value."""
    broken = property(lambda setting: {"TF_ENABLE_ONEDNN_OPTS": "1"})
    monkeypatch.setattr(Setting, "environment", broken)
    worker = factory.start(cell("control_stable", "onednn=off"))
    reason = "onednn=off did not take effect: TensorFlow reports onednn as True"
    with pytest.raises(CellError, match=reason):
        worker.build()
    worker.close()


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("raises", "failed", "ValueError: a wrong shape somewhere"),
        ("returns_no_step", "failed", "returned no step"),
        ("returns_nothing", "failed", "step() returned nothing"),
        ("prints", "failed", "step() prints"),
        ("forks", "failed", "forked"),
        ("exits", "crashed", "exited with code 3 during build"),
        ("aborts", "crashed", "killed by SIGABRT during build"),
        ("eats_memory", "out_of_memory", "Unable to allocate"),
    ],
)
def test_a_faulty_scenario_has_a_status_with_a_reason(factory, name, status, reason):
    worker = factory.start(user(name))
    with pytest.raises(CellError) as caught:
        worker.build()
    worker.close()
    assert caught.value.status == status
    assert reason in caught.value.reason
    assert "\n" not in caught.value.reason


def test_a_step_that_changes_its_shape_is_a_failure(factory):
    worker = factory.start(user("changes_shape"))
    worker.build()
    with pytest.raises(CellError, match=r"float32\[1\] and then float32\[2\]"):
        worker.repeat(1)
    worker.close()


def test_an_absent_device_does_not_apply(factory):
    worker = factory.start(cell("control_stable", device="GPU:7"))
    with pytest.raises(CellError, match="no device GPU:7; TensorFlow reports CPU:0") as caught:
        worker.build()
    worker.close()
    assert caught.value.status == "not_applicable"


def test_a_worker_that_hangs_is_killed_and_timed_out(factory, monkeypatch):
    monkeypatch.setattr(limits, "FIRST_CALL", 2.0)
    worker = factory.start(user("hangs"))
    with pytest.raises(WorkerLost) as caught:
        worker.build()
    assert caught.value.status == "timed_out"
    wait_until_gone(worker.pid)


def test_the_reason_of_a_killed_worker_names_the_signal(factory):
    worker = factory.start(user("slow"))
    worker.build()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerLost, match="killed by SIGKILL during repeat") as caught:
        worker.repeat(1)
    assert caught.value.status == "crashed"


def test_a_killed_fork_server_is_replaced_for_the_next_worker():
    own = ForkWorkerFactory()
    try:
        worker = own.start(user("slow"))
        worker.build()
        psutil.Process(worker.pid).parent().kill()
        wait_until_gone(worker.pid)
        with pytest.raises(WorkerLost):
            worker.repeat(1)
        another = own.start(user("slow"))
        assert another.build().digest
    finally:
        own.close()


def test_no_process_outlives_a_killed_experiment():
    code = (
        "import sys, time; from detcost.workers.launch import ForkWorkerFactory;"
        "from detcost.workers.contract import Cell; from detcost.settings.grammar import DEFAULT;"
        f"worker = ForkWorkerFactory().start(Cell({f'{USER}:hangs'!r}, DEFAULT, 'CPU:0'));"
        "print(worker.pid, flush=True); worker.build()"
    )
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    worker = psutil.Process(int(run.stdout.readline()))
    fork_server = worker.parent()
    time.sleep(0.5)  # until the step hangs
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs([worker, fork_server], timeout=10)
    assert alive == []


def test_spawned_workers_give_the_same_bits_as_forked_ones(factory):
    spawned = SpawnWorkerFactory()
    try:
        digests = []
        for workers in (factory, spawned):
            worker = workers.start(cell("matmul_square", "threads=1"))
            digests.append(worker.build().digest)
            assert worker.repeat(1) == digests[-1:]
            worker.close()
    finally:
        spawned.close()
    assert digests[0] == digests[1]
