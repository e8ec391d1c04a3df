"""Runs a job's command, and ends it with all of its processes when its worker ends.

``python -m detcost.farm.guardian SECONDS COMMAND…`` leads a session, in which the command starts
whatever it likes. Standard input is a pipe that only the worker holds. When the worker ends, in
whatever way, the pipe is closed, and the whole session is killed. So is it after SECONDS, which
count from when the machine is free, and when the command ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence

import psutil

from detcost.host import machine_lock

#: Exit codes: the limit was reached; the command could not be started.
TOOK_TOO_LONG, CANNOT_START = 124, 127


def kill_session(session: int, but: int = 0) -> None:
    """Kill every process of a session, until none is left."""
    while members := [pid for pid in psutil.pids() if pid != but and _session(pid) == session]:
        for pid in members:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([p for pid in members if (p := _process(pid))], timeout=1)


def _session(pid: int) -> int:
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return -1
        return os.getsid(pid)
    except (OSError, psutil.Error):
        return -1


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def main(seconds: float, command: Sequence[str]) -> int:
    """Run the command. Return its exit code."""
    temporary = tempfile.mkdtemp(prefix="detcost-")  # short: fork servers make sockets in it
    end = threading.Thread(target=_end_with_worker, args=(os.dup(0), temporary), daemon=True)
    end.start()
    try:
        with machine_lock.held("a farm's job", lambda text: print(text, flush=True)):
            return _run(seconds, command, {**os.environ, "TMPDIR": temporary})
    finally:
        _clear(temporary)


def _run(seconds: float, command: Sequence[str], env: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{command[0]}: cannot be started ({error.strerror})", flush=True)
        return CANNOT_START
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return TOOK_TOO_LONG


def _end_with_worker(pipe: int, temporary: str) -> None:
    os.read(pipe, 1)  # returns when the pipe is closed, since the worker writes nothing
    _clear(temporary)
    os._exit(1)


def _clear(temporary: str) -> None:
    """Leave no process and no temporary file behind."""
    kill_session(os.getsid(0), but=os.getpid())
    shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
