"""The experiment's side of a worker process: requests, time limits and reasons of crashes."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from detcost.errors import UsageError
from detcost.host.devices import Device
from detcost.workers.contract import (
    Built,
    Burst,
    Cell,
    CellError,
    ProgramRaised,
    ScenarioInfo,
    Traits,
    Usage,
    Watched,
    WorkerLost,
)
from detcost.workers.limits import FIRST_CALL, FirstCalls, limit

#: What a worker does for a request, in the reason for which it was lost.
_DOING = {"build": "the first call", "repeat": "a call", "burst": "a burst of calls"}
#: The beginning of TensorFlow's log lines below warnings: a level, and a date or a time.
_INFORMATION = re.compile(
    r"(\d{4}-\d\d-\d\d \S+: )?I(\d{4})? |WARNING: All log messages before absl"
)


class ProcessWorker:
    """A worker in another process, connected by a pipe.

    Parameters
    ----------
    connection, pid, log
        The pipe to the process, the process, and the files of its output without their suffixes.
    cell, first_calls
        What the process runs, and what its time limit follows from.
    exit_code, kill
        Functions that return the exit code of the process, and that end it.
    """

    def __init__(
        self,
        connection: Connection,
        pid: int,
        log: Path,
        cell: Cell | None,
        first_calls: FirstCalls,
        *,
        exit_code: Callable[[], int | None],
        kill: Callable[[], None],
    ):
        self.pid = pid
        self._connection = connection
        self._exit_code = exit_code
        self._kill = kill
        self._log = log
        self._cell = cell
        self._first_calls = first_calls
        self._build_seconds = 0.0
        self._call_seconds = 0.0

    def build(self) -> Built:
        """See :class:`~detcost.workers.contract.Worker`."""
        built: Built = self._first_call("build")
        self._call_seconds = built.seconds
        return built

    def survey(self) -> Traits:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: Traits = self._first_call("survey")
        return answer

    def record(self, path: str, calls: int, watched: Watched) -> list[str]:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: list[str] = self.request(FIRST_CALL, "record", path, calls, watched)
        return answer

    def _first_call(self, method: str) -> Any:
        """Send the request that builds the program, and record how long it took."""
        assert self._cell is not None
        began = time.monotonic()
        try:
            answer = self.request(self._first_calls.limit(self._cell), method)
        except WorkerLost as error:
            if error.status == "timed_out":
                self._first_calls.timed_out(self._cell)
            raise
        self._build_seconds = time.monotonic() - began
        self._first_calls.done(self._cell, self._build_seconds)
        return answer

    def repeat(self, times: int) -> list[str]:
        """See :class:`~detcost.workers.contract.Worker`. Each call has a limit of its own."""
        return [self._repeat_once() for _ in range(times)]

    def _repeat_once(self) -> str:
        began = time.monotonic()
        digest: str
        [digest] = self.request(limit(self._call_seconds), "repeat", 1)
        self._call_seconds = time.monotonic() - began
        return digest

    def burst(self, settle: float, seconds: float) -> Burst:
        """See :class:`~detcost.workers.contract.Worker`."""
        expected = settle + seconds + 2 * self._call_seconds
        answer: Burst = self.request(limit(expected), "burst", settle, seconds)
        self._call_seconds = answer.step
        return answer

    def save_outputs(self, path: str) -> None:
        """See :class:`~detcost.workers.contract.Worker`."""
        self.request(limit(self._build_seconds), "save_outputs", path)

    def severity(self, path: str) -> Any:
        """See :class:`~detcost.workers.contract.Worker`."""
        return self.request(limit(self._build_seconds), "severity", path)

    def accuracy(self, path: str) -> float | None:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: float | None = self.request(limit(self._build_seconds), "accuracy", path)
        return answer

    def usage(self) -> Usage:
        """See :class:`~detcost.workers.contract.Worker`."""
        answer: Usage = self.request(limit(0), "usage")
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

    def request(self, seconds: float, method: str, *arguments: Any) -> Any:
        """Send a request and return its result, within some seconds.

        Raises
        ------
        CellError
            If the worker's answer is a failure.
        WorkerLost
            If the worker died or took too long. It has ended then.
        """
        try:
            self._connection.send((method, arguments))
            if not self._connection.poll(seconds):
                self.close()
                doing = _DOING.get(method, method)
                raise WorkerLost("timed_out", f"{doing} took more than {seconds:.0f} s")
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

    def describe(self, reference: str) -> list[ScenarioInfo]:
        """Return the properties of the scenarios that a reference names, each with its own.

        Raises
        ------
        UsageError
            If the file or the scenario does not exist, or the file cannot be loaded.
        """
        try:
            answer: list[ScenarioInfo] = self._worker.request(FIRST_CALL, "describe", reference)
        except WorkerLost as error:
            raise UsageError(f"{reference}: cannot be loaded ({error.reason})") from None
        except CellError as error:
            raise UsageError(error.reason) from None
        return answer

    def devices(self) -> list[Device]:
        """Return every physical device that TensorFlow reports, the CPU first."""
        answer: list[Device] = self._worker.request(FIRST_CALL, "devices")
        return answer

    def versions(self) -> dict[str, str]:
        """Return the versions of Python and of packages that affect bits or speed."""
        answer: dict[str, str] = self._worker.request(FIRST_CALL, "versions")
        return answer

    def read_back(self) -> dict[str, Any]:
        """Return TensorFlow's default configuration."""
        answer: dict[str, Any] = self._worker.request(FIRST_CALL, "read_back")
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
