"""The fork server: a process that has imported TensorFlow, and is forked for every worker.

It runs as ``python -m detcost.workers.forkserver FD``, with the environment variables of a
setting. A fork takes milliseconds, whereas importing TensorFlow takes seconds. The fork server
never runs an op, since a process that has run one cannot be forked. As a separate program it
also keeps the user's ``__main__`` out of the workers.
"""

from __future__ import annotations

import gc
import multiprocessing
import multiprocessing.context
import os
import signal
import sys
import warnings
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from detcost.scenarios import registry
from detcost.workers.worker_main import worker_main


def main(control: Connection) -> None:
    """Fork workers on request until the experiment closes the connection; then end them all.

    The requests are:

    * ``("fork", folder, cell, conditions, log)``, followed by the handle of the worker's
      connection. The worker runs in the folder. The answer is the worker's pid.
    * ``("exit_code", pid)``. The answer comes once the worker has ended.
    * ``("kill", pid)``, without an answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the experiment handles Ctrl-C
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
                multiprocessing.active_children()  # reaps workers that have ended
    except (EOFError, OSError):
        for child in children.values():
            child.kill()


def _preload() -> None:
    """Import what every worker needs, without starting a thread pool."""
    import tensorflow as tf

    # Saves 40 ms per worker, and 40 ms more if it runs a built-in scenario.
    from detcost.workers import inspection  # noqa: F401
    from detcost.workers.in_worker import program  # noqa: F401

    registry.built_in()
    tf.keras.layers  # TensorFlow loads Keras at first use  # noqa: B018
    tf.autograph.to_graph(lambda: None)  # initialises the converter: saves 40 ms per worker
    gc.collect()
    gc.freeze()  # else garbage collection in a worker copies every inherited page


def _fork(control: Connection, *arguments: Any) -> multiprocessing.context.ForkProcess:
    """Fork a worker that calls :func:`~.worker_main.worker_main` with these arguments."""
    with Connection(reduction.recv_handle(control)) as connection:
        child = multiprocessing.get_context("fork").Process(
            target=_in_child, args=(control, connection, *arguments), daemon=False
        )
        with warnings.catch_warnings():
            # Importing TensorFlow leaves an idle thread, which holds no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
    return child


def _in_child(control: Connection, connection: Connection, folder: str, *arguments: Any) -> None:
    control.close()  # else the fork server does not notice the end of the experiment
    os.chdir(folder)  # programs are named by relative paths
    # Else all workers draw the same numbers. Python's own generator reseeds itself after a fork.
    np.random.seed()
    worker_main(connection, *arguments)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
