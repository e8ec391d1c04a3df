"""The experiment's side of a worker process: requests, time limits and reasons of crashes."""

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
    Traits,
    Usage,
    WorkerLost,
)

#: Maximum seconds for a first request, which builds, traces, compiles and autotunes.
BUILD_LIMIT = 300.0
#: Maximum seconds for any other request, in addition to the expected duration of steps.
REQUEST_LIMIT = 60.0
#: Factor by which a step may be slower than the last one, on a loaded machine.
LOADED = 100
#: The beginning of TensorFlow's log lines below warnings: a level, and a date or a time.
_INFORMATION = re.compile(
    r"(\d{4}-\d\d-\d\d \S+: )?I(\d{4})? |WARNING: All log messages before absl"
)


class ProcessWorker:
    """A worker in another process, connected by a pipe."""

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
        built: Built = self.request(BUILD_LIMIT, "build")
        self._step_seconds = built.seconds
        return built

    def survey(self) -> Traits:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: Traits = self.request(BUILD_LIMIT, "survey")
        return answer

    def repeat(self, times: int) -> list[str]:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: list[str] = self.request(self._limit(times), "repeat", times)
        return answer

    def burst(self, settle: float, seconds: float) -> Burst:
        """See :class:`~detcost.workers.contract.Worker`."""
        limit = self._limit(2) + LOADED * (settle + seconds)
        answer: Burst = self.request(limit, "burst", settle, seconds)
        self._step_seconds = answer.step
        return answer

    def save_outputs(self, path: str) -> None:
        """See :class:`~detcost.workers.contract.Worker`."""
        self.request(REQUEST_LIMIT, "save_outputs", path)

    def severity(self, path: str) -> Any:
        """See :class:`~detcost.workers.contract.Worker`."""
        return self.request(REQUEST_LIMIT, "severity", path)

    def accuracy(self, path: str) -> float | None:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: float | None = self.request(REQUEST_LIMIT, "accuracy", path)
        return answer

    def usage(self) -> Usage:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: Usage = self.request(REQUEST_LIMIT, "usage")
        return answer

    def close(self) -> None:
        """End the process without waiting, since freeing its memory takes 20 ms."""
        if self._connection.closed:
            return
        self._connection.close()
        with contextlib.suppress(OSError, EOFError):
            self._kill()
        for suffix in (".out", ".err"):
            self._log.with_suffix(suffix).unlink(missing_ok=True)

    def _limit(self, steps: int) -> float:
        return REQUEST_LIMIT + LOADED * steps * self._step_seconds

    def request(self, limit: float, method: str, *arguments: Any) -> Any:
        """Send a request and return its result, within ``limit`` seconds.

        Raises
        ------
        CellError
            If the worker's answer is a failure.
        WorkerLost
            If the worker died or took too long. It has ended then.
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
            return WorkerLost("crashed", f"the fork server died during {method}")
        tail = last_line(self._log.with_suffix(".err"))
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            if code == -9 and _kernel_ran_out_of_memory():
                return WorkerLost("out_of_memory", f"the kernel killed the worker during {method}")
            return WorkerLost("crashed", f"killed by {name} during {method}{tail}")
        return WorkerLost("crashed", f"the worker exited with code {code} during {method}{tail}")


class InspectionWorker:
    """A worker without a cell; see :class:`~detcost.workers.inspection.Inspection`."""

    def __init__(self, worker: ProcessWorker):
        self._worker = worker

    def describe(self, reference: str) -> ScenarioInfo:
        """Return the properties of a scenario.

        Raises
        ------
        UsageError
            If the file or the scenario does not exist, or the file cannot be loaded.
        """
        try:
            answer: ScenarioInfo = self._worker.request(BUILD_LIMIT, "describe", reference)
        except WorkerLost as error:
            raise UsageError(f"{reference}: cannot be loaded ({error.reason})") from None
        except CellError as error:
            raise UsageError(error.reason) from None
        return answer

    def devices(self) -> list[Device]:
        """Return every physical device that TensorFlow reports, the CPU first."""
        answer: list[Device] = self._worker.request(BUILD_LIMIT, "devices")
        return answer

    def versions(self) -> dict[str, str]:
        """Return the versions of Python and of packages that affect bits or speed."""
        answer: dict[str, str] = self._worker.request(BUILD_LIMIT, "versions")
        return answer

    def read_back(self) -> dict[str, Any]:
        """Return TensorFlow's default configuration."""
        answer: dict[str, Any] = self._worker.request(BUILD_LIMIT, "read_back")
        return answer

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def last_line(log: Path) -> str:
    """Return a colon and the last line of a log that is no information of TensorFlow, if any."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    messages = [line for line in lines if line.strip() and not _INFORMATION.match(line)]
    return f": {messages[-1][:300]}" if messages else ""


def _kernel_ran_out_of_memory() -> bool:
    """Return whether Linux has killed a process for lack of memory since the last call."""
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
