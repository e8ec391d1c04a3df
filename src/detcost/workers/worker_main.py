"""The main function of a worker process."""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from typing import Any

from detcost.workers.contract import Cell, Conditions
from detcost.workers.peers import die_with_parent
from detcost.workers.request_loop import request_loop


def worker_main(
    connection: Connection, cell: Cell | None, conditions: Conditions, log: str
) -> None:
    """Answer requests until the connection closes. Runs in a fresh process.

    With a cell, requests go to its :class:`~detcost.workers.in_worker.program.Program`.
    Without one, they go to an :class:`~detcost.workers.inspection.Inspection`.
    """
    die_with_parent()
    _redirect_output(log)
    _prefer_out_of_memory_kill()
    request_loop(connection, _make_handler(cell, conditions))


def _make_handler(cell: Cell | None, conditions: Conditions) -> Any:
    from detcost.workers.in_worker.program import Program
    from detcost.workers.inspection import Inspection

    return Inspection() if cell is None else Program(cell, conditions)


def _redirect_output(log: str) -> None:
    """Redirect the output of scenario and TensorFlow to files, whose end explains a crash."""
    for stream, path in ((sys.stdout, f"{log}.out"), (sys.stderr, f"{log}.err")):
        stream.flush()
        # Readable too, because TensorFlow prints there whether XLA has compiled.
        target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(target, 1 if stream is sys.stdout else 2)
        os.close(target)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - stays open until exit
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _prefer_out_of_memory_kill() -> None:
    """Make the kernel kill this process first when memory runs out, not the experiment."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:
        pass
