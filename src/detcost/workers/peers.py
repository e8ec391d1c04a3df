"""Further processes that run a worker's cell with it, as ``tf.distribute`` wants several of them.

A peer is forked from the worker, and runs the same program under the same setting
and conditions. Each request goes to the peers first; what then holds the processes
in step is the program itself, whose collective operations wait for every one. A peer
that fails ends, whereupon TensorFlow gives up the collective operations of the others.
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

#: Seconds to wait for a peer once this process is done, and once it has failed.
LIMIT = 60.0
GRACE = 1.0


class Peers:
    """The other processes of a cell; none unless :func:`start_peers` made them."""

    def __init__(self, connections: list[Connection] | None = None):
        self._connections = connections or []

    @contextmanager
    def broadcast(self, method: str, *arguments: Any) -> Iterator[None]:
        """Have every peer do as this process does inside the block.

        Raises
        ------
        CellError
            A peer's own reason if it failed, of which a failure here is the consequence.
        """
        try:
            for connection in self._connections:
                connection.send((method, arguments))
            yield
        except Exception:
            self._answered(method, GRACE)
            raise
        if not self._answered(method, LIMIT):
            raise CellError("timed_out", f"a peer gave no answer to {method} in {LIMIT:.0f} s")

    def _answered(self, method: str, limit: float) -> bool:
        """Whether every peer did as asked; raises the reason of one that could not."""
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
    """Fork ``count`` peers, and tell every process of the others in ``TF_CONFIG``.

    TensorFlow must have been imported and have run nothing. Each peer calls ``make_program``,
    and answers requests by the methods of what it returns.

    Raises
    ------
    CellError
        ``not_applicable`` where such a process cannot be forked.
    """
    if count and sys.platform != "linux":
        raise CellError("not_applicable", "programs of several processes are run on Linux only")
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
    """Ask Linux to kill this process when its parent dies, even in the middle of a step."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


def _join(addresses: list[str], task: int) -> None:
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": task}}
    )


def _free_addresses(count: int) -> list[str]:
    """Return addresses of this machine alone, all open at once and so all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
