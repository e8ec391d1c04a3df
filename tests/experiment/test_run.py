"""Whole runs with real TensorFlow: their results, killed runs and killed workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import detcost
from detcost.evidence import reading, schema
from detcost.evidence.schema import SCOPES, partition
from detcost.experiment.scopes import POOL_SIZES
from detcost.host import machine
from detcost.settings import instruction_sets
from detcost.workers.launch import HASH_SEED
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow
#: What differs, and what is recorded, does not depend on how much is measured.
brief_and_shared = pytest.mark.usefixtures("brief", "shared_workers")


def start_run(out: Path, *scenarios: str) -> subprocess.Popen[bytes]:
    command = "import sys; from detcost.cli.main import main; main()"
    options = ["measure", *scenarios, "-s", "default,op_determinism", "-d", "CPU:0"]
    return subprocess.Popen(
        [sys.executable, "-c", command, *options, "--profile", "quick", "--out", str(out)],
        env={**os.environ, HASH_SEED: "0"},  # one fork server instead of two
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_until(condition, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not hold in time"
        time.sleep(0.05)


def workers(run: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the forked processes that are alive, without the fork servers."""
    fork_servers = psutil.Process(run.pid).children()
    forked = [worker for fork_server in fork_servers for worker in fork_server.children()]
    return [worker for worker in forked if worker.status() != psutil.STATUS_ZOMBIE]


def measured(folder: Path) -> dict[tuple[str, str], schema.Evidence]:
    records, problems = reading.read(folder)
    assert problems == []
    return {(record.scenario, record.setting): record for record in records}


def test_kill_9_of_the_whole_run_keeps_all_finished_blocks(tmp_path):
    """The first scenario is done, and the second has some blocks: both are kept."""
    out = tmp_path / "run.trials.jsonl"
    slow = f"{USER_SCENARIOS}:slow"
    run = start_run(out, "control_stable", slow)
    try:
        wait_until(lambda: any(key[0] == "user_scenarios.py:slow" for key in measured(tmp_path)))
        family = [run_process := psutil.Process(run.pid), *run_process.children(recursive=True)]
        run.send_signal(signal.SIGKILL)
    finally:
        run.kill()
        run.wait()
    kept = measured(tmp_path)
    for setting in ("default", "op_determinism"):
        assert kept["control_stable", setting].divergence["process"].trials == 6
        unfinished = kept["user_scenarios.py:slow", setting]
        assert unfinished.step_seconds is not None
        assert len(unfinished.step_seconds.samples) >= 1
        assert unfinished.divergence["repeat"].trials >= 9
    assert psutil.wait_procs(family, timeout=10)[1] == [], "processes were left behind"


def test_kill_9_of_a_worker_loses_nothing_and_is_recorded(tmp_path):
    out = tmp_path / "run.trials.jsonl"
    run = start_run(out, f"{USER_SCENARIOS}:slow")
    try:
        wait_until(lambda: measured(tmp_path))
        wait_until(lambda: len(workers(run)) == 3)  # of a block: default twice, and the setting
        os.kill(max(workers(run), key=lambda p: p.create_time()).pid, signal.SIGKILL)
        assert run.wait(timeout=120) == 0
    finally:
        run.kill()
    kept = measured(tmp_path)
    records = list(kept.values())
    assert [record.status for record in records] == ["ok", "ok"]
    assert {record.divergence["process"].trials for record in records} == {6}
    assert records[0].protocol is not None
    assert records[0].protocol.workers_lost == 1


def test_an_interrupt_keeps_what_was_measured_and_exits_with_130(tmp_path):
    out = tmp_path / "run.trials.jsonl"
    run = start_run(out, f"{USER_SCENARIOS}:slow")
    try:
        wait_until(lambda: measured(tmp_path))
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=30) == 130
    finally:
        run.kill()
    assert measured(tmp_path)


@brief_and_shared
def test_a_run_finds_what_varies_and_what_cures_it():
    """Two gradients vary by default, but not under op determinism or with one thread.

    A ``tf.data`` pipeline with random ops varies with one thread too.
    """
    records = detcost.measure(
        ["embedding_gradient_dup100", "crop_and_resize_gradient", "map_random_parallel"],
        ["op_determinism", "single_thread"],
        ["CPU:0"],
        profile="quick",
    )
    divergent = {
        (record.scenario, record.setting): max(d.divergent for d in record.divergence.values())
        for record in records
    }
    for gradient in ("embedding_gradient_dup100", "crop_and_resize_gradient"):
        assert divergent[gradient, "default"] > 0
        assert divergent[gradient, "op_determinism"] == 0
        assert divergent[gradient, "threads=1"] == 0
    assert divergent["map_random_parallel", "default"] > 0
    assert divergent["map_random_parallel", "threads=1"] > 0
    assert divergent["map_random_parallel", "op_determinism"] == 0


@brief_and_shared
def test_one_thread_survives_pool_sizes_op_determinism_does_not():
    """Op determinism is stable from run to run, but the bits depend on the number of threads."""
    scenarios = ("conv2d_backward", "bias_gradient", "reduce_sum_large")
    records = detcost.measure(
        scenarios,
        ["op_determinism", "op_determinism+threads=1"],
        ["CPU:0"],
        scopes=["repeat", "process", "threads"],
        profile="quick",
    )
    threads = {}
    for record in records:
        assert record.divergence["repeat"].divergent == 0
        assert record.divergence["process"].divergent == 0
        threads[record.scenario, record.setting] = record.divergence["threads"]
    for scenario in scenarios:
        free = threads[scenario, "op_determinism"]
        assert [int(variant.label) for variant in free.variants] == list(POOL_SIZES)
        assert free.divergent > 0
        assert len(partition(free.variants)) > 1
        fixed = threads[scenario, "op_determinism+threads=1"]
        assert (fixed.divergent, len(partition(fixed.variants))) == (0, 1)


@brief_and_shared
def test_every_scope_is_measured_and_the_error_of_every_setting():
    records = detcost.measure(
        "matmul_square", ["op_determinism", "xla"], ["CPU:0"], scopes=SCOPES, profile="quick"
    )
    caps = instruction_sets.caps(machine.describe()["cpu_flags"])
    for record in records:
        assert list(record.divergence) == list(SCOPES)
        assert 1e-9 < record.accuracy < 1e-6
        assert record.divergence["isa"].skipped == {}
    default, _, compiled = (record.divergence for record in records)
    capped = [cap.label for cap in caps if cap.library == "oneDNN"]
    assert [v.label for v in default["isa"].variants] == capped
    assert [v.label for v in compiled["isa"].variants] == [cap.label for cap in caps]
    if capped:
        assert default["isa"].divergent > 0
    assert default["load"].divergent == 0
    assert {v.label for v in default["execution"].variants} == {"eager", "graph", "xla"}


def test_a_run_killed_beside_a_busy_neighbour_leaves_none_behind(tmp_path):
    command = (
        "import detcost; detcost.measure('matmul_square', ['default'], ['CPU:0'], "
        "scopes=['load'], profile='quick', size='small')"
    )
    run = subprocess.Popen([sys.executable, "-c", command], env={**os.environ, HASH_SEED: "0"})
    try:
        parent = psutil.Process(run.pid)

        def beside() -> bool:
            with suppress(psutil.Error):  # workers start and end meanwhile
                return any(
                    "detcost.host.noisy_neighbours" in p.cmdline() for p in parent.children()
                )
            return False

        wait_until(beside)
        family = [parent, *parent.children(recursive=True)]
        run.send_signal(signal.SIGKILL)
    finally:
        run.kill()
        run.wait()
    assert psutil.wait_procs(family, timeout=10)[1] == []


@brief_and_shared
def test_a_lever_that_does_not_apply_is_not_measured():
    evidence = detcost.measure("batch_unordered", ["threads=1+xla"], ["CPU:0"], profile="quick")
    measured, excused = evidence.records
    assert measured.status == "ok"
    assert (excused.status, excused.reason) == (
        "not_applicable",
        "xla means nothing to batch_unordered",
    )
    assert excused.cost is None


@brief_and_shared
def test_the_controls_are_as_expected():
    record = detcost.measure("control_stable", ["default"], ["CPU:0"], profile="quick").records[0]
    assert record.controls.varies == schema.Control(20, 20, ok=True)
    assert record.controls.stable == schema.Control(0, 20, ok=True)
    assert record.controls.same_setting == record.cost


@brief_and_shared
def test_evidence_turns_into_a_pandas_frame():
    evidence = detcost.measure("control_stable", ["op_determinism"], ["CPU:0"], profile="quick")
    assert evidence.factors()[0].levers == ("op_determinism",)
    frame = evidence.to_frame()
    assert list(frame["setting"]) == ["default", "op_determinism"]
    assert (frame["divergence.process.trials"] == 2).all()
    assert frame["cost.ratio"].between(0.2, 5).all()
