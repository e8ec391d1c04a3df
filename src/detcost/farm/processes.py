"""A job's process on its machine: a guardian with the command in a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from detcost.farm import guardian

#: The most bytes of a log that are kept and sent: its end.
_LOG = 256 << 10


class Process:
    """A command that ends with this process, with its limit, or when it is stopped.

    Parameters
    ----------
    command, env
        What to run. There is no shell.
    folder
        Where to run it.
    log
        The file for all that it prints.
    seconds
        Its limit, from when the machine is free.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        folder: Path,
        log: Path,
        seconds: float,
    ) -> None:
        self._stopped = threading.Event()
        with open(log, "wb") as printed:
            self._guardian = subprocess.Popen(
                [sys.executable, "-m", guardian.__name__, str(seconds), *command],
                cwd=folder,
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> int:
        """Return the exit code. Afterwards no process of the session is left."""
        code = self._guardian.wait()
        if code < 0:  # the guardian was killed, and could not end the others
            guardian.kill_session(self._guardian.pid)
        if self._guardian.stdin:
            self._guardian.stdin.close()
        return code

    def stop(self) -> None:
        """End the command and all that it started."""
        self._stopped.set()
        if self._guardian.stdin:
            self._guardian.stdin.close()

    @property
    def was_stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped.is_set()


def end_of(log: Path) -> bytes:
    """Return the end of a log."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG))
            return file.read()
    except OSError:
        return b""


def last_line(log: bytes) -> str:
    """Return the last line of a log that says something, at most 300 characters of it."""
    lines = log.decode(errors="replace").splitlines()
    said = ("".join(c for c in line if c.isprintable()).strip(" ·") for line in reversed(lines))
    return next((line[:300] for line in said if line), "nothing was printed")


def why(code: int, log: bytes, seconds: float) -> str:
    """Return why a command failed."""
    if code == guardian.TOOK_TOO_LONG:
        return f"took longer than its limit of {seconds:g} s"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}: {last_line(log)}"
