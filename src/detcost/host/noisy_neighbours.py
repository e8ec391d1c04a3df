"""Processes that make the machine busy while trials run, and never outlive the run.

``busy_cores``        arithmetic in the cache: workers have to share every core
``memory_bandwidth``  copies between buffers no cache holds: workers have to wait for memory

One process per usable core, each run as ``python -m detcost.host.noisy_neighbours KIND BYTES``,
at the priority of everything else. Each holds the reading end of a pipe whose other
end only the run holds and never writes to, so that the kernel closes it however the
run ends, and that is the neighbour's end too. Linux could also kill it on its
parent's death, but means the death of the *thread* that started it.
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
    """A neighbour did not start or did not last: what ran beside it may have run alone."""


@contextmanager
def neighbour(kind: str) -> Iterator[None]:
    """Keep the machine busy inside the ``with`` block.

    The block is entered once every process is at work, and left once all are gone.
    Trials count only when it was left without an error.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.

    Raises
    ------
    NeighbourLost
        If a process cannot start, or was gone before the block was left. An exception
        from the block itself is passed on instead.
    """
    from detcost.host import machine  # not above, since the neighbours need none of it

    assert kind in KINDS, kind
    cores = machine.usable_cores()
    size = _bytes_each(cores)
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
            for process in processes:  # all at once; the stack then awaits one after the other
                process.kill()


def _bytes_each(cores: int) -> int:
    """Return how much memory a process may go over: more than its caches, not what others need."""
    import psutil

    # The last caches hold a few MiB a core, and on few cores of a large chip tens of MiB.
    wanted = max(256 * _MIB // cores, 64 * _MIB)
    return min(wanted, int(psutil.virtual_memory().available) // 8 // cores)


def _start(kind: str, size: int) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "detcost.host.noisy_neighbours", kind, str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # its last words are ours to tell, not the terminal's
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise NeighbourLost(f"a {kind} neighbour cannot be started: {error}") from None


def _wait_until_running(kind: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    words = ""
    for line in process.stdout:
        words = line.strip()
        if words == _RUNNING:
            return
    raise _lost(kind, process, words)


def _lost(kind: str, process: subprocess.Popen[str], words: str = "") -> NeighbourLost:
    code = process.wait()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
    return NeighbourLost(f"a {kind} neighbour {how}" + (f": {words[:300]}" if words else ""))


# -- inside a neighbour's process -----------------------------------------------------


def main(kind: str, size: int) -> None:
    """Be a neighbour until the run is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the run's to handle
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    work = _WORK[kind](size)
    work()  # all memory has been touched after the first time
    print(_RUNNING, flush=True)
    while True:
        work()


def _end_with_the_run() -> None:
    os.read(0, 1)  # nothing is ever written there, so this returns when the other end is closed
    os._exit(0)


def _arithmetic(_size: int) -> Callable[[], object]:
    return lambda: sum(range(10_000))


def _copies(size: int) -> Callable[[], object]:
    """Return a function that copies one half of ``size`` bytes over the other.

    The source must have been written: untouched memory is one page of zeros, again
    and again, which a cache does hold.
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
