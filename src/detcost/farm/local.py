"""A farm of one machine, this one: a worker in a process of its own, started again if it dies."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from detcost.errors import UsageError
from detcost.farm import processes

#: Seconds before a worker that died is started again, and the times before that is given up.
_PAUSE, _TIMES = 2.0, 5


class LocalWorker:
    """``detcost farm join`` for a scheduler in this process, with which it ends.

    Parameters
    ----------
    address
        The scheduler's.
    words
        More words of the command, such as ``--environment existing``.
    log
        The file for what it prints.
    """

    def __init__(self, address: str, words: list[str], log: Path) -> None:
        self._command = [sys.executable, "-m", "detcost", "farm", "join", address, "--once", *words]
        self._log = log
        self._starts = 0
        self._process = self._start()
        self._died: float | None = None

    def look_after(self) -> None:
        """Start the worker again if it died.

        Raises
        ------
        UsageError
            If it dies again and again, or says that it cannot join.
        """
        if self._process.poll() is None:
            return
        self._died = self._died or time.monotonic()
        if self._process.returncode == 2 or self._starts > _TIMES:
            reason = processes.last_line(processes.end_of(self._log)).removeprefix("detcost: ")
            raise UsageError(f"this machine cannot join its own farm: {reason}")
        if time.monotonic() - self._died > _PAUSE:
            self._process, self._died = self._start(), None

    def close(self) -> None:
        """End the worker, and the job that it runs."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        self._starts += 1
        with open(self._log, "ab") as printed:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
