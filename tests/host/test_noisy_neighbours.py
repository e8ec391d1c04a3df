"""Real neighbours: they keep the machine busy, and no end of the run leaves one behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from detcost.host import machine, noisy_neighbours
from detcost.host.noisy_neighbours import KINDS, NeighbourLost, neighbour

#: A run that is inside the block when it is killed, with another process of its own beside.
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


def wait_until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def neighbours_of(pid: int) -> list[psutil.Process]:
    """The neighbours among a process's children; what another test left dead is none."""
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
    """Whether it runs no more; a zombie that awaits its burial is gone."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill(process: psutil.Process) -> None:
    """Kill a child of ours until its exit code can be asked for, and do not ask."""
    process.kill()  # a zombie may still have threads, and no exit code before they are gone
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def wait_until_gone(processes: list[psutil.Process]) -> None:
    wait_until(lambda: all(map(gone, processes)), seconds=10)


@contextmanager
def run_inside(kind: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Start a run in a process group of its own; give it and its neighbours, all at work."""
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
def test_every_core_has_a_neighbour_at_work_until_the_end_of_the_block(kind):
    with neighbour(kind):
        processes = ours()
        assert len(processes) == machine.usable_cores()
        wait_until_at_work(processes)
    assert not any(process.is_running() for process in processes)


def test_neighbours_are_as_important_as_the_trials():
    with neighbour("busy_cores"):
        assert {process.nice() for process in ours()} == {psutil.Process().nice()}


def test_a_neighbour_for_memory_really_has_the_memory():
    with neighbour("memory_bandwidth"):
        share = noisy_neighbours._bytes_each(machine.usable_cores())
        assert all(process.memory_info().rss > 0.9 * share for process in ours())


@pytest.mark.parametrize(
    ("cores", "free_mib", "each_mib"),
    [(1, 64 << 10, 256), (2, 64 << 10, 128), (64, 512 << 10, 64), (8, 2 << 10, 32)],
)
def test_memory_exceeds_any_cache_and_is_an_eighth_of_the_free_at_most(
    monkeypatch, cores, free_mib, each_mib
):
    memory = type("Memory", (), {"available": free_mib << 20})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert noisy_neighbours._bytes_each(cores) == each_mib << 20


def test_an_error_in_the_block_is_passed_on_and_leaves_none():
    processes = []

    def fail():
        with neighbour("memory_bandwidth"):
            processes.extend(ours())
            kill(processes[0])  # which would else be told
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
def test_a_killed_run_leaves_none_though_another_process_of_it_lives_on(kind, end):
    with run_inside(kind) as (run, processes):
        (beside,) = set(psutil.Process(run.pid).children()) - set(processes)
        run.send_signal(signal.Signals[end])
        run.wait(timeout=10)
        wait_until_gone(processes)
        assert not gone(beside)


@posix
def test_a_run_killed_while_its_neighbours_start_leaves_none():
    code = RUN.replace("with neighbour", "print(0, flush=True)\n    with neighbour")
    run = subprocess.Popen([sys.executable, "-c", code, KINDS[0]], stdout=subprocess.PIPE)
    with run:
        run.stdout.readline()
        wait_until(lambda: len(neighbours_of(run.pid)) == machine.usable_cores())
        processes = neighbours_of(run.pid)
        run.kill()
    wait_until_gone(processes)


@posix
def test_ctrl_c_leaves_none_and_no_neighbour_speaks_on_the_terminal():
    with run_inside("memory_bandwidth") as (run, processes):
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(timeout=10) == 130
        wait_until_gone(processes)
        assert (run.stdout.read(), run.stderr.read()) == ("", "")


@posix
def test_ctrl_c_that_the_run_ignores_is_ignored_by_its_neighbours():
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
def test_a_neighbour_that_was_killed_is_told_and_the_others_end():
    processes = []

    def lose_one():
        with neighbour("busy_cores"):
            processes.extend(ours())
            kill(processes[0])

    with pytest.raises(NeighbourLost, match=r"^a busy_cores neighbour was killed by SIGKILL$"):
        lose_one()
    assert not any(process.is_running() for process in processes)


def test_a_neighbour_that_cannot_work_says_why(monkeypatch):
    monkeypatch.setattr(noisy_neighbours, "_bytes_each", lambda cores: 1 << 60)
    with pytest.raises(NeighbourLost, match=r"^a memory_bandwidth .* code 1: MemoryError$"):
        neighbour("memory_bandwidth").__enter__()
    assert ours() == []


def test_a_neighbour_that_cannot_start_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NeighbourLost, match=r"^a busy_cores neighbour cannot be started: .*"):
        neighbour("busy_cores").__enter__()


def test_a_neighbour_imports_nothing_heavy():
    code = "import sys, detcost.host.noisy_neighbours; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in run.stdout.split()}
    assert packages & {"tensorflow", "numpy", "psutil", "msgspec", "pandas"} == set()
