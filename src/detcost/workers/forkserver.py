"""A process that has imported TensorFlow and run nothing, and is forked for every trial.

Run as ``python -m detcost.workers.forkserver FD``, with the environment variables
of the settings it serves: a fork of it costs milliseconds where importing
TensorFlow costs seconds. It never runs an op, since a process that has cannot
be forked. Being a program of its own, it also keeps the user's ``__main__`` out
of the workers.
"""

from __future__ import annotations

import gc
import multiprocessing
import multiprocessing.context
import signal
import sys
import warnings
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from detcost.workers.worker_main import worker_main


def main(control: Connection) -> None:
    """Fork workers on request until the experiment closes its end; then end them all.

    Requests are ``("fork", cell, conditions, log)``, followed by the handle of the
    worker's connection and answered with its pid; ``("exit_code", pid)``, answered once it is
    dead; and ``("kill", pid)``, which has no answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the experiment's to handle
    _preload()
    control.send("ready")
    children: dict[int, multiprocessing.context.ForkProcess] = {}
    try:
        while True:
            method, *arguments = control.recv()
            if method == "fork":
                child = _fork(control, *arguments)
                assert child.pid is not None
                children[child.pid] = child
                control.send(child.pid)
            elif method == "exit_code":
                child = children.pop(arguments[0])
                child.join()
                control.send(child.exitcode)
            else:
                children.pop(arguments[0]).kill()
                multiprocessing.active_children()  # buries those that died since
    except (EOFError, OSError):
        for child in children.values():
            child.kill()


def _preload() -> None:
    """Import what every worker needs, and touch nothing that starts a thread pool."""
    import tensorflow as tf

    import detcost.workers.inspection
    import detcost.workers.program.program  # noqa: F401

    tf.keras.layers  # TensorFlow loads Keras at first use  # noqa: B018
    tf.autograph.to_graph(lambda: None)  # warms the converter: 40 ms less in every worker
    gc.collect()
    gc.freeze()  # a collection in a worker must not copy every inherited page


def _fork(control: Connection, *arguments: Any) -> multiprocessing.context.ForkProcess:
    """Fork a worker that calls :func:`~.worker_main.worker_main` with these arguments."""
    with Connection(reduction.recv_handle(control)) as connection:
        child = multiprocessing.get_context("fork").Process(
            target=_in_child, args=(control, connection, *arguments), daemon=False
        )
        with warnings.catch_warnings():
            # TensorFlow's import leaves one idle thread behind; no lock of it is held.
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
    return child


def _in_child(control: Connection, connection: Connection, *arguments: Any) -> None:
    control.close()  # else a worker would keep the fork_server from seeing the experiment's end
    # Else all would draw the fork_server's numbers; Python's own generator sees to it by itself.
    np.random.seed()
    worker_main(connection, *arguments)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
