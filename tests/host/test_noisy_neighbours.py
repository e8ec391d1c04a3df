"""Real neighbours keep the machine busy, and end with the run, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from detcost.host import machine, noisy_neighbours
from detcost.host.noisy_neighbours import KINDS, NeighbourLost, neighbour

#: A run that is killed inside the block, while another of its processes runs.
RUN = """
import subprocess, sys, time
from detcost.host.noisy_neighbours import neighbour
quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
try:
    with neighbour(sys.argv[1]):
        beside = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], **quiet)
        print("inside", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""
posix = pytest.mark.skipif(not hasattr(os, "waitid"), reason="POSIX signals")
each_kind = pytest.mark.parametrize("kind", KINDS)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def neighbours_of(pid: int) -> list[psutil.Process]:
    """Return the neighbours among a process's children. Dead children do not count."""
    return [child for child in psutil.Process(pid).children() if is_neighbour(child)]


def is_neighbour(child: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "detcost.host.noisy_neighbours" in child.cmdline()
    return False


def ours() -> list[psutil.Process]:
    return neighbours_of(os.getpid())


def cpu_seconds(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def wait_until_at_work(processes: list[psutil.Process]) -> None:
    before = [cpu_seconds(process) for process in processes]
    wait_until(
        lambda: all(
            cpu_seconds(process) > seconds + 0.05
            for process, seconds in zip(processes, before, strict=True)
        )
    )


def gone(process: psutil.Process) -> bool:
    """Return whether the process has ended. A zombie has ended."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill(process: psutil.Process) -> None:
    """Kill a child and wait for its exit code, but do not collect the code."""
    process.kill()  # a zombie has no exit code until its threads have ended
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def wait_until_gone(processes: list[psutil.Process]) -> None:
    wait_until(lambda: all(map(gone, processes)), seconds=10)


@contextmanager
def run_inside(kind: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Start a run in its own process group; yield it and its busy neighbours."""
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with run:
        family: list[psutil.Process] = []
        try:
            assert run.stdout.readline() == "inside\n"
            family = psutil.Process(run.pid).children()
            processes = neighbours_of(run.pid)
            assert len(processes) == machine.usable_cores() == len(family) - 1
            yield run, processes
        finally:
            run.kill()
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


@each_kind
def test_every_core_has_a_busy_neighbour_until_the_block_ends(kind):
    with neighbour(kind):
        processes = ours()
        assert len(processes) == machine.usable_cores()
        wait_until_at_work(processes)
    assert not any(process.is_running() for process in processes)


def test_neighbours_have_the_priority_of_the_trials():
    with neighbour("busy_cores"):
        assert {process.nice() for process in ours()} == {psutil.Process().nice()}


def test_a_memory_neighbour_has_touched_its_memory():
    with neighbour("memory_bandwidth"):
        share = noisy_neighbours._bytes_per_process(machine.usable_cores())
        assert all(process.memory_info().rss > 0.9 * share for process in ours())


@pytest.mark.parametrize(
    ("cores", "free_mib", "process_mib"),
    [(1, 64 << 10, 256), (2, 64 << 10, 128), (64, 512 << 10, 64), (8, 2 << 10, 32)],
)
def test_buffers_exceed_caches_but_not_an_eighth_of_free_memory(
    monkeypatch, cores, free_mib, process_mib
):
    memory = type("Memory", (), {"available": free_mib << 20})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert noisy_neighbours._bytes_per_process(cores) == process_mib << 20


def test_an_error_in_the_block_takes_precedence_and_ends_all():
    processes = []

    def fail() -> None:
        with neighbour("memory_bandwidth"):
            processes.extend(ours())
            kill(processes[0])  # would raise NeighbourLost otherwise
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(processes) == machine.usable_cores()
    assert not any(process.is_running() for process in processes)


@posix
@pytest.mark.parametrize(
    ("kind", "end"),
    [("busy_cores", "SIGTERM"), ("busy_cores", "SIGKILL"), ("memory_bandwidth", "SIGKILL")],
)
def test_neighbours_of_a_killed_run_end_while_its_children_live(kind, end):
    with run_inside(kind) as (run, processes):
        (beside,) = set(psutil.Process(run.pid).children()) - set(processes)
        run.send_signal(signal.Signals[end])
        run.wait(timeout=10)
        wait_until_gone(processes)
        assert not gone(beside)


@posix
def test_neighbours_end_if_the_run_is_killed_as_they_start():
    code = RUN.replace("with neighbour", "print(0, flush=True)\n    with neighbour")
    run = subprocess.Popen([sys.executable, "-c", code, KINDS[0]], stdout=subprocess.PIPE)
    with run:
        run.stdout.readline()
        wait_until(lambda: len(neighbours_of(run.pid)) == machine.usable_cores())
        processes = neighbours_of(run.pid)
        run.kill()
    wait_until_gone(processes)


@posix
def test_ctrl_c_ends_all_neighbours_without_any_output():
    with run_inside("memory_bandwidth") as (run, processes):
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(timeout=10) == 130
        wait_until_gone(processes)
        assert (run.stdout.read(), run.stderr.read()) == ("", "")


@posix
def test_neighbours_ignore_ctrl_c_if_the_run_ignores_it():
    with neighbour("busy_cores"):
        processes = ours()
        for process in processes:
            process.send_signal(signal.SIGINT)
        wait_until_at_work(processes)


def test_neighbours_outlive_the_thread_that_started_them():
    block = neighbour("busy_cores")
    thread = threading.Thread(target=block.__enter__)
    thread.start()
    thread.join()
    processes = ours()
    assert len(processes) == machine.usable_cores()
    wait_until_at_work(processes)
    block.__exit__(None, None, None)
    assert not any(process.is_running() for process in processes)


@posix
def test_a_killed_neighbour_is_an_error_and_the_others_end():
    processes = []

    def lose_one() -> None:
        with neighbour("busy_cores"):
            processes.extend(ours())
            kill(processes[0])

    with pytest.raises(NeighbourLost, match=r"^a busy_cores neighbour was killed by SIGKILL$"):
        lose_one()
    assert not any(process.is_running() for process in processes)


def test_the_error_has_the_reason_if_a_neighbour_fails(monkeypatch):
    monkeypatch.setattr(noisy_neighbours, "_bytes_per_process", lambda cores: 1 << 60)
    with pytest.raises(NeighbourLost, match=r"^a memory_bandwidth .* code 1: MemoryError$"):
        neighbour("memory_bandwidth").__enter__()
    assert ours() == []


def test_the_error_has_the_reason_if_a_neighbour_cannot_start(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NeighbourLost, match=r"^a busy_cores neighbour cannot be started: .*"):
        neighbour("busy_cores").__enter__()


def test_a_neighbour_imports_nothing_heavy():
    code = "import sys, detcost.host.noisy_neighbours; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in run.stdout.split()}
    assert packages & {"tensorflow", "numpy", "psutil", "msgspec", "pandas"} == set()
