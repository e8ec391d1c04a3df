"""Factories that start workers: as forks of a fork server, or in fresh interpreters."""

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
from detcost.workers.limits import FirstCalls
from detcost.workers.process import InspectionWorker, ProcessWorker, last_line
from detcost.workers.worker_main import worker_main

#: Thresholds in bytes above which glibc returns freed memory to the system. With its default, a
#: kernel's scratch memory may be returned and faulted in again at every step, or never. That
#: depends on the layout of the heap: a convolution took 9 ms in one process and 16 ms in another.
_KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


#: The variable that fixes Python's hash seed, and so the order of sets.
HASH_SEED = "PYTHONHASHSEED"


class ForkServer:
    """One :mod:`detcost.workers.forkserver` process.

    Parameters
    ----------
    environment
        Environment variables in addition to those of this process.
    log
        The file for the standard error of the process.
    """

    def __init__(self, environment: dict[str, str], log: Path):
        self._log = log
        self._control, theirs = multiprocessing.Pipe()
        # One of TensorFlow's log lines shows that XLA has compiled.
        log_level = {"TF_CPP_MIN_LOG_LEVEL": "0"}
        with theirs, open(log, "wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "detcost.workers.forkserver", str(theirs.fileno())],
                env={**_KEEP_FREED_MEMORY, **os.environ, **log_level, **environment},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self._ready = False
        self._lock = threading.Lock()  # keeps a request and its answer together

    def fork(
        self, cell: Cell | None, conditions: Conditions, log: Path, first_calls: FirstCalls
    ) -> ProcessWorker:
        """Fork a worker for the cell, or one for an inspection, in this process's current folder.

        Raises
        ------
        EOFError, OSError
            If the process has died.
        UsageError
            If the process could not import TensorFlow.
        """
        ours, theirs = multiprocessing.Pipe()
        with theirs, self._lock:
            self._wait_until_ready()
            self._control.send(("fork", os.getcwd(), cell, conditions, str(log)))
            reduction.send_handle(self._control, theirs.fileno(), self._process.pid)
            pid = self._control.recv()
        return ProcessWorker(
            *(ours, pid, log, cell, first_calls),
            exit_code=lambda: self._exit_code(pid),
            kill=lambda: self._kill(pid),
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
        with self._lock:
            self._control.send(("exit_code", pid))
            code: int | None = self._control.recv()
            return code

    def _kill(self, pid: int) -> None:
        with self._lock:
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
    """The common part of the factories: a directory for logs, hash seeds, and inspections.

    Parameters
    ----------
    seed
        Determines the hash seed of each Python process that starts workers.
    """

    start_method: str

    def __init__(self, seed: int = 42) -> None:
        self._seed = seed
        self._directory = tempfile.TemporaryDirectory(prefix="detcost-")
        self._numbers = itertools.count()
        self._first_calls = FirstCalls()

    def start(
        self, cell: Cell | None, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> ProcessWorker:
        """Start a worker for the cell, or one for an inspection."""
        raise NotImplementedError

    def inspection(self) -> InspectionWorker:
        """Start a worker that runs no cell and answers an inspection."""
        return InspectionWorker(self.start(None))

    def prepare(self, settings: Iterable[Setting], pythons: int) -> None:
        """Start processes that workers of these settings need, if any."""

    def neighbour(self, kind: str) -> AbstractContextManager[None]:
        """See :class:`~detcost.workers.contract.WorkerFactory`."""
        return noisy_neighbours.neighbour(kind)

    def close(self) -> None:
        """Remove the logs. Workers end when their connections close."""
        self._directory.cleanup()

    def _variables(self, cell: Cell | None, conditions: Conditions, python: int) -> dict[str, str]:
        """Return the variables to set before the worker's Python starts.

        Each Python process has its own hash seed, as each start of a program has. The seed is
        derived, so that a restarted Python has the same one. The user's own choice is kept.
        """
        chosen = random.Random(f"{self._seed}/{python}").randrange(1, 1 << 32)
        hash_seed = {} if HASH_SEED in os.environ else {HASH_SEED: str(chosen)}
        # AutoGraph leaves its generated files if a worker is killed.
        temporary = {"TMPDIR": self._directory.name}
        return {**hash_seed, **temporary, **_variables(cell, conditions)}

    def _log(self, kind: str) -> Path:
        return Path(self._directory.name) / f"{kind}-{next(self._numbers)}"


class ForkWorkerFactory(_WorkerFactory):
    """Starts workers as forks of a fork server (Linux).

    Each set of environment variables has a fork server, started when first needed.
    """

    start_method = "fork"

    def __init__(self, seed: int = 42) -> None:
        super().__init__(seed)
        self._fork_servers: dict[tuple[tuple[str, str], ...], ForkServer] = {}
        self._lock = threading.Lock()  # else two threads may start the same fork server

    def start(
        self, cell: Cell | None, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> ProcessWorker:
        """Fork a worker for the cell, or one for an inspection.

        Raises
        ------
        UsageError
            If TensorFlow is not installed or cannot be imported.
        """
        try:
            fork_server = self._fork_server(self._variables(cell, conditions, python))
            return fork_server.fork(cell, conditions, self._log("worker"), self._first_calls)
        except (EOFError, OSError):
            raise WorkerLost("crashed", "the fork server died") from None

    def prepare(self, settings: Iterable[Setting], pythons: int) -> None:
        """Start the fork servers of these settings, which import TensorFlow in parallel."""
        for setting, python in itertools.product(settings, range(pythons)):
            self._fork_server(self._variables(Cell("", setting, ""), UNPERTURBED, python))

    def _fork_server(self, environment: dict[str, str]) -> ForkServer:
        """Return the fork server for these variables; start one if none is alive."""
        key = tuple(sorted(environment.items()))
        with self._lock:
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
    """Starts workers in fresh interpreters, where forking is not safe (macOS, Windows)."""

    start_method = "spawn"

    def start(
        self, cell: Cell | None, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> ProcessWorker:
        """Spawn a worker for the cell with its setting's variables, or one for an inspection."""
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

        return ProcessWorker(
            *(ours, process.pid, log, cell, self._first_calls),
            exit_code=exit_code,
            kill=process.kill,
        )


def start_workers(seed: int = 42) -> ForkWorkerFactory | SpawnWorkerFactory:
    """Return the factory for this platform."""
    return ForkWorkerFactory(seed) if sys.platform == "linux" else SpawnWorkerFactory(seed)


def _variables(cell: Cell | None, conditions: Conditions) -> dict[str, str]:
    """Return the environment variables of setting and conditions."""
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
    reason = last_line(log).removeprefix(": ") or "no reason given"
    if "No module named 'tensorflow'" in reason:
        return UsageError(
            'TensorFlow is not installed; pip install "detcost[tensorflow]" or "detcost[cuda]"'
        )
    return UsageError(f"TensorFlow cannot be imported: {reason}")
