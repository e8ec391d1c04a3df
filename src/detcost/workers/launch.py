"""Where workers come from: forks of a process that imported TensorFlow, or fresh interpreters."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from multiprocessing import reduction
from pathlib import Path

from detcost.errors import UsageError
from detcost.host import noisy_neighbours
from detcost.settings.grammar import Setting
from detcost.workers.contract import UNPERTURBED, Cell, Conditions, WorkerLost
from detcost.workers.process import InspectionWorker, ProcessWorker, last_line
from detcost.workers.worker_main import worker_main

#: Bytes from which glibc hands freed memory back to the system. By its own choice a kernel's
#: scratch memory may go and be faulted in again at every step, or never, depending on how the heap
#: of a process happens to lie: a convolution took 9 ms in one process and 16 ms in the next.
_KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


#: The variable that fixes the order of Python's sets.
HASH_SEED = "PYTHONHASHSEED"


class ForkServer:
    """One :mod:`detcost.workers.forkserver` process.

    Parameters
    ----------
    environment
        Variables that the process adds to those of this one.
    log
        The file that receives what the process prints to stderr.
    """

    def __init__(self, environment: dict[str, str], log: Path):
        self._log = log
        self._control, theirs = multiprocessing.Pipe()
        # Of all TensorFlow says, one line tells that XLA compiled something.
        words = {"TF_CPP_MIN_LOG_LEVEL": "0"}
        with theirs, open(log, "wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "detcost.workers.forkserver", str(theirs.fileno())],
                env={**_KEEP_FREED_MEMORY, **os.environ, **words, **environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self._ready = False
        self._turn = threading.Lock()  # a request and its answer belong together

    def fork(self, cell: Cell | None, conditions: Conditions, log: Path) -> ProcessWorker:
        """Fork a worker for the cell, or one that answers questions without a cell.

        Raises
        ------
        EOFError, OSError
            If the process has died.
        UsageError
            If it could not import TensorFlow.
        """
        ours, theirs = multiprocessing.Pipe()
        with theirs, self._turn:
            self._wait_until_ready()
            self._control.send(("fork", cell, conditions, str(log)))
            reduction.send_handle(self._control, theirs.fileno(), self._process.pid)
            pid = self._control.recv()
        return ProcessWorker(
            ours, pid, log, exit_code=lambda: self._exit_code(pid), kill=lambda: self._kill(pid)
        )

    def alive(self) -> bool:
        """Return whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process and its workers."""
        self._control.close()
        self._process.terminate()
        self._process.wait()

    def _exit_code(self, pid: int) -> int | None:
        with self._turn:
            self._control.send(("exit_code", pid))
            code: int | None = self._control.recv()
            return code

    def _kill(self, pid: int) -> None:
        with self._turn:
            self._control.send(("kill", pid))

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        try:
            self._control.recv()
        except EOFError:
            self._process.wait()
            raise _import_failure(self._log) from None
        self._ready = True


class _WorkerFactory:
    """What the ways to start a worker share: a place for their logs, hash seeds, and surveys.

    Parameters
    ----------
    seed
        Decides the hash seed of each Python that workers are started from.
    """

    start_method: str

    def __init__(self, seed: int = 42) -> None:
        self._seed = seed
        self._directory = tempfile.TemporaryDirectory(prefix="detcost-")
        self._numbers = itertools.count()

    def start(
        self, cell: Cell | None, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> ProcessWorker:
        """Start a worker for the cell, or one that answers a inspection."""
        raise NotImplementedError

    def inspection(self) -> InspectionWorker:
        """Return a worker that answers questions and runs no cell."""
        return InspectionWorker(self.start(None))

    def prepare(self, settings: Iterable[Setting], pythons: int) -> None:
        """Start beforehand what workers of these settings need, where that is anything."""

    def neighbour(self, kind: str) -> AbstractContextManager[None]:
        """See :class:`~detcost.workers.contract.WorkerFactory`."""
        return noisy_neighbours.neighbour(kind)

    def close(self) -> None:
        """Remove the logs; workers end with their connections."""
        self._directory.cleanup()

    def _variables(self, cell: Cell | None, conditions: Conditions, python: int) -> dict[str, str]:
        """Return what must be set before the worker's Python starts.

        Every Python has a hash seed of its own, as each start of a program has. It is not left
        to chance, so that a Python that must be started again has the same. The user's own
        choice is kept.
        """
        chosen = random.Random(f"{self._seed}/{python}").randrange(1, 1 << 32)
        own = {} if HASH_SEED in os.environ else {HASH_SEED: str(chosen)}
        return {**own, **_variables(cell, conditions)}

    def _log(self, kind: str) -> Path:
        return Path(self._directory.name) / f"{kind}-{next(self._numbers)}"


class ForkWorkerFactory(_WorkerFactory):
    """WorkerFactory forked from a process that has imported TensorFlow and run nothing (Linux).

    One such process per set of environment variables, started when first needed.
    """

    start_method = "fork"

    def __init__(self, seed: int = 42) -> None:
        super().__init__(seed)
        self._fork_servers: dict[tuple[tuple[str, str], ...], ForkServer] = {}
        self._turn = threading.Lock()  # two threads must not start one fork_server twice

    def start(
        self, cell: Cell | None, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> ProcessWorker:
        """Fork a worker for the cell, or one that answers a inspection.

        Raises
        ------
        UsageError
            If TensorFlow is not installed or cannot be imported.
        """
        try:
            fork_server = self._fork_server(self._variables(cell, conditions, python))
            return fork_server.fork(cell, conditions, self._log("worker"))
        except (EOFError, OSError):
            raise WorkerLost("crashed", "the process that forks workers died") from None

    def prepare(self, settings: Iterable[Setting], pythons: int) -> None:
        """Start the Pythons that these settings will want; they import TensorFlow side by side."""
        for setting, python in itertools.product(settings, range(pythons)):
            self._fork_server(self._variables(Cell("", setting, ""), UNPERTURBED, python))

    def _fork_server(self, environment: dict[str, str]) -> ForkServer:
        """Return the process to fork for these variables, starting it where there is none."""
        key = tuple(sorted(environment.items()))
        with self._turn:
            fork_server = self._fork_servers.get(key)
            if fork_server is None or not fork_server.alive():
                fork_server = self._fork_servers[key] = ForkServer(
                    environment, self._log("fork_server")
                )
        return fork_server

    def close(self) -> None:
        """End every process."""
        for fork_server in self._fork_servers.values():
            fork_server.close()
        super().close()


class SpawnWorkerFactory(_WorkerFactory):
    """WorkerFactory in fresh interpreters, where forking is not safe (macOS, Windows)."""

    start_method = "spawn"

    def start(
        self, cell: Cell | None, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> ProcessWorker:
        """Spawn a worker for the cell, with its setting's variables, or one for a inspection."""
        ours, theirs = multiprocessing.Pipe()
        log = self._log("worker")
        process = multiprocessing.get_context("spawn").Process(
            target=worker_main, args=(theirs, cell, conditions, str(log)), daemon=True
        )
        with theirs, _environment(self._variables(cell, conditions, python)):
            process.start()
        assert process.pid is not None

        def exit_code() -> int | None:
            process.join()
            return process.exitcode

        return ProcessWorker(ours, process.pid, log, exit_code=exit_code, kill=process.kill)


def start_workers(seed: int = 42) -> ForkWorkerFactory | SpawnWorkerFactory:
    """Return the kind of workers this platform allows."""
    return ForkWorkerFactory(seed) if sys.platform == "linux" else SpawnWorkerFactory(seed)


def _variables(cell: Cell | None, conditions: Conditions) -> dict[str, str]:
    """Return what setting and conditions want set before the worker's Python starts."""
    setting = cell.setting.environment if cell else {}
    return {**setting, **dict(conditions.environment)}


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _import_failure(log: Path) -> UsageError:
    words = last_line(log).removeprefix(": ") or "no reason given"
    if "No module named 'tensorflow'" in words:
        words = 'TensorFlow is not installed; pip install "detcost[tensorflow]" or "detcost[cuda]"'
        return UsageError(words)
    return UsageError(f"TensorFlow cannot be imported: {words}")
