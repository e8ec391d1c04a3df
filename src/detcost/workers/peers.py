"""Peers: further processes that run a worker's cell with it, for ``tf.distribute``.

A peer is forked from the worker, and runs the same program under the same setting and
conditions. Each request goes to the peers first. The collective operations of the program wait
for every process, and so keep them in step. A peer that fails ends, and TensorFlow then aborts
the collective operations of the others.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from detcost.workers.contract import CellError
from detcost.workers.request_loop import request_loop

#: Seconds to wait for a peer after this process has finished.
LIMIT = 60.0
#: The same after this process has failed.
GRACE = 1.0


class Peers:
    """The other processes of a cell, which :func:`start_peers` starts. There may be none."""

    def __init__(self, connections: list[Connection] | None = None):
        self._connections = connections or []

    @contextmanager
    def broadcast(self, method: str, *arguments: Any) -> Iterator[None]:
        """Send a request to every peer, which answers it while the block runs.

        Raises
        ------
        CellError
            If a peer failed, with its reason. A failure in the block is then a consequence.
        """
        try:
            for connection in self._connections:
                connection.send((method, arguments))
            yield
        except Exception:
            self._answered(method, GRACE)
            raise
        if not self._answered(method, LIMIT):
            raise CellError("timed_out", f"a peer did not answer {method} in {LIMIT:.0f} s")

    def _answered(self, method: str, limit: float) -> bool:
        """Return whether every peer has answered in time. Raise the reason of a failed peer."""
        for connection in self._connections:
            try:
                if not connection.poll(limit):
                    return False
                status, value = connection.recv()
            except (EOFError, OSError):
                raise CellError("crashed", f"a peer died during {method}") from None
            if status != "ok":
                raise CellError(status, value)
        return True


def start_peers(count: int, make_program: Callable[[], Any]) -> Peers:
    """Fork ``count`` peers, and describe the cluster to every process in ``TF_CONFIG``.

    TensorFlow must be imported but must not have run an op. Each peer calls ``make_program``,
    and answers requests by calling methods of the returned program.

    Raises
    ------
    CellError
        ``not_applicable`` on platforms where the process cannot be forked.
    """
    if count and sys.platform != "linux":
        raise CellError("not_applicable", "programs of several processes run on Linux only")
    addresses = _free_addresses(count + 1) if count else []
    connections = [_fork(addresses, task, make_program) for task in range(1, count + 1)]
    if count:
        _join(addresses, task=0)
    return Peers(connections)


def _fork(addresses: list[str], task: int, make_program: Callable[[], Any]) -> Connection:
    ours, theirs = Pipe()
    if os.fork():
        theirs.close()
        return ours
    try:
        ours.close()
        die_with_parent()
        _join(addresses, task)
        request_loop(theirs, make_program(), until_failure=True)
    finally:
        os._exit(1)


def die_with_parent() -> None:
    """Make Linux kill this process when its parent dies, even during a step."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


def _join(addresses: list[str], task: int) -> None:
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": task}}
    )


def _free_addresses(count: int) -> list[str]:
    """Return addresses on the loopback interface. All are open at once, so all are different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{listener.getsockname()[1]}" for listener in sockets]
