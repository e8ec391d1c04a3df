"""The experiment's end of a worker process: ask it, time it out, explain its death."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from detcost.errors import UsageError
from detcost.host.devices import Device
from detcost.workers.contract import (
    Built,
    Burst,
    CellError,
    ProgramRaised,
    ScenarioInfo,
    Usage,
    WorkerLost,
)

#: Seconds a request may take: the first builds, traces, compiles and autotunes.
BUILD_LIMIT = 300.0
REQUEST_LIMIT = 60.0
#: How many times slower than last seen a loaded machine may run a step.
LOADED = 100
#: How TensorFlow begins a line that is no warning: with its level, and then the date or time.
_CHATTER = re.compile(r"(\d{4}-\d\d-\d\d \S+: )?I(\d{4})? |WARNING: All log messages before absl")


class ProcessWorker:
    """A worker in a process of its own, at the other end of a pipe."""

    def __init__(
        self,
        connection: Connection,
        pid: int,
        log: Path,
        *,
        exit_code: Callable[[], int | None],
        kill: Callable[[], None],
    ):
        self.pid = pid
        self._connection = connection
        self._exit_code = exit_code
        self._kill = kill
        self._log = log
        self._step_seconds = 0.0

    def build(self) -> Built:
        """See :class:`~detcost.workers.contract.Worker`."""
        built: Built = self.ask(BUILD_LIMIT, "build")
        self._step_seconds = built.seconds
        return built

    def repeat(self, times: int) -> list[str]:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: list[str] = self.ask(self._limit(times), "repeat", times)
        return answer

    def burst(self, settle: float, seconds: float) -> Burst:
        """See :class:`~detcost.workers.contract.Worker`."""
        limit = self._limit(2) + LOADED * (settle + seconds)
        answer: Burst = self.ask(limit, "burst", settle, seconds)
        self._step_seconds = answer.step
        return answer

    def save_outputs(self, path: str) -> None:
        """See :class:`~detcost.workers.contract.Worker`."""
        self.ask(REQUEST_LIMIT, "save_outputs", path)

    def severity(self, path: str) -> Any:
        """See :class:`~detcost.workers.contract.Worker`."""
        return self.ask(REQUEST_LIMIT, "severity", path)

    def accuracy(self, path: str) -> float | None:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: float | None = self.ask(REQUEST_LIMIT, "accuracy", path)
        return answer

    def usage(self) -> Usage:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: Usage = self.ask(REQUEST_LIMIT, "usage")
        return answer

    def close(self) -> None:
        """End the process and do not wait: it takes 20 ms to give its memory back."""
        if self._connection.closed:
            return
        self._connection.close()
        with contextlib.suppress(OSError, EOFError):
            self._kill()
        for suffix in (".out", ".err"):
            self._log.with_suffix(suffix).unlink(missing_ok=True)

    def _limit(self, steps: int) -> float:
        return REQUEST_LIMIT + LOADED * steps * self._step_seconds

    def ask(self, limit: float, method: str, *arguments: Any) -> Any:
        """Send a request and return its result, within ``limit`` seconds.

        Raises
        ------
        CellError
            What the worker answered instead of a result.
        WorkerLost
            If it died or took too long; it is gone then.
        """
        try:
            self._connection.send((method, arguments))
            if not self._connection.poll(limit):
                self.close()
                raise WorkerLost("timed_out", f"{method} took more than {limit:.0f} s")
            status, value = self._connection.recv()
        except (EOFError, OSError):
            raise self._explain_death(method) from None
        if status == "raised":
            raise ProgramRaised("failed", value)
        if status != "ok":
            raise CellError(status, value)
        return value

    def _explain_death(self, method: str) -> WorkerLost:
        with contextlib.suppress(OSError):
            self._connection.close()
        try:
            code = self._exit_code()
        except (OSError, EOFError):
            return WorkerLost("crashed", f"the process that forks workers died during {method}")
        tail = last_line(self._log.with_suffix(".err"))
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            if code == -9 and _kernel_ran_out_of_memory():
                return WorkerLost("out_of_memory", f"the kernel killed the worker during {method}")
            return WorkerLost("crashed", f"killed by {name} during {method}{tail}")
        return WorkerLost("crashed", f"the worker exited with code {code} during {method}{tail}")


class InspectionWorker:
    """Asks a process that runs no cell; see :class:`~detcost.workers.inspection.Inspection`."""

    def __init__(self, worker: ProcessWorker):
        self._worker = worker

    def describe(self, reference: str) -> ScenarioInfo:
        """Return what a scenario says of itself.

        Raises
        ------
        UsageError
            If there is no such file or scenario, or the file cannot be loaded.
        """
        try:
            answer: ScenarioInfo = self._worker.ask(BUILD_LIMIT, "describe", reference)
        except WorkerLost as error:
            raise UsageError(f"{reference}: cannot be loaded ({error.reason})") from None
        except CellError as error:
            raise UsageError(error.reason) from None
        return answer

    def devices(self) -> list[Device]:
        """Return every physical device TensorFlow reports, the CPU first."""
        answer: list[Device] = self._worker.ask(BUILD_LIMIT, "devices")
        return answer

    def versions(self) -> dict[str, str]:
        """Return the versions of everything that decides bits or speed."""
        answer: dict[str, str] = self._worker.ask(BUILD_LIMIT, "versions")
        return answer

    def read_back(self) -> dict[str, Any]:
        """Return TensorFlow's settings when nothing is set."""
        answer: dict[str, Any] = self._worker.ask(BUILD_LIMIT, "read_back")
        return answer

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def last_line(log: Path) -> str:
    """Return a log's last line after a colon, or nothing; TensorFlow's chatter is no last word."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    said = [line for line in lines if line.strip() and not _CHATTER.match(line)]
    return f": {said[-1][:300]}" if said else ""


def _kernel_ran_out_of_memory() -> bool:
    """Whether Linux has killed a process for want of memory since last asked."""
    global _out_of_memory_kills
    before, _out_of_memory_kills = _out_of_memory_kills, _count_out_of_memory_kills()
    return _out_of_memory_kills > before


def _count_out_of_memory_kills() -> int:
    try:
        fields = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(fields.get("oom_kill", 0))


_out_of_memory_kills = _count_out_of_memory_kills()
