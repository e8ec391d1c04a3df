"""Processes that keep the machine busy while trials run, and never outlive the run.

``busy_cores``        arithmetic in the cache, so that workers must share every core
``memory_bandwidth``  copies between buffers larger than caches, so that workers wait for memory

Each usable core gets one process, ``python -m detcost.host.noisy_neighbours KIND BYTES``, at
normal priority. Each process reads from a pipe. Only the run holds the other end, and it never
writes to that end. However the run ends, the kernel closes the pipe, and the process exits.
Linux's parent-death signal cannot do this: it is sent when the starting *thread* ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_MIB = 1 << 20
_RUNNING = "running"


class NeighbourLost(Exception):
    """A neighbour did not start or has died. So the trials beside it may have run alone."""


@contextmanager
def neighbour(kind: str) -> Iterator[None]:
    """Keep the machine busy inside the ``with`` block.

    The block starts once every process is busy, and ends once all processes have ended.
    Trials count only if the block ends without an error.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.

    Raises
    ------
    NeighbourLost
        If a process cannot start, or ends before the block does. An exception from the block
        itself takes precedence.
    """
    from detcost.host import machine  # here, because the neighbours do not need it

    assert kind in KINDS, kind
    cores = machine.usable_cores()
    size = _bytes_per_process(cores)
    with ExitStack() as stack:
        processes: list[subprocess.Popen[str]] = []
        try:
            for _ in range(cores):
                processes.append(stack.enter_context(_start(kind, size)))
            for process in processes:
                _wait_until_running(kind, process)
            yield
            for process in processes:
                if process.poll() is not None:
                    raise _lost(kind, process)
        finally:
            for process in processes:  # kill all at once; the stack then waits for each
                process.kill()


def _bytes_per_process(cores: int) -> int:
    """Return the bytes of a process's buffers: more than caches hold, and less than is free."""
    import psutil

    # Last-level caches hold a few MiB per core, or tens of MiB for few cores of a large chip.
    wanted = max(256 * _MIB // cores, 64 * _MIB)
    return min(wanted, int(psutil.virtual_memory().available) // 8 // cores)


def _start(kind: str, size: int) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "detcost.host.noisy_neighbours", kind, str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # the last line becomes part of the error message
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise NeighbourLost(f"a {kind} neighbour cannot be started: {error}") from None


def _wait_until_running(kind: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        last = line.strip()
        if last == _RUNNING:
            return
    raise _lost(kind, process, last)


def _lost(kind: str, process: subprocess.Popen[str], last_line: str = "") -> NeighbourLost:
    code = process.wait()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
    reason = f": {last_line[:300]}" if last_line else ""
    return NeighbourLost(f"a {kind} neighbour {how}{reason}")


# -- inside a neighbour's process -----------------------------------------------------


def main(kind: str, size: int) -> None:
    """Keep the machine busy until the run ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run handles Ctrl-C
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    work = _WORK[kind](size)
    work()  # the first time touches all memory
    print(_RUNNING, flush=True)
    while True:
        work()


def _end_with_the_run() -> None:
    os.read(0, 1)  # returns when the pipe is closed, since the run writes nothing
    os._exit(0)


def _arithmetic(_size: int) -> Callable[[], object]:
    return lambda: sum(range(10_000))


def _copies(size: int) -> Callable[[], object]:
    """Return a function that copies one half of ``size`` bytes over the other half.

    The source is written first, because untouched memory is a single page of zeros, which
    fits into a cache.
    """
    source = memoryview(bytearray(b"\1") * (size // 2))
    target = memoryview(bytearray(size // 2))

    def work() -> None:
        target[:] = source

    return work


_WORK: dict[str, Callable[[int], Callable[[], object]]] = {
    "busy_cores": _arithmetic,
    "memory_bandwidth": _copies,
}
#: The kinds of neighbours.
KINDS = tuple(_WORK)

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
