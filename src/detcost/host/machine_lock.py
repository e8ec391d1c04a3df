"""One measurement at a time on a machine: a lock that ends with its holder.

This module imports only the standard library, because asv's plugin uses it, and asv may have no
other packages beside it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: Names another file. Empty where the process that started this one holds the lock.
VARIABLE = "DETCOST_MACHINE_LOCK"
#: Seconds between two looks at a lock that another process holds.
_PAUSE = 0.5


def path() -> Path | None:
    """Return the lock's file, one for all users; ``None`` if a parent holds the lock."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    # Not the temporary folder of the environment, which differs between users and sessions.
    folder = tempfile.gettempdir() if sys.platform == "win32" else "/tmp"
    return Path(folder, "detcost-machine.lock")


@contextlib.contextmanager
def held(owner: str, on_wait: Callable[[str], object]) -> Iterator[None]:
    """Hold the machine inside the block. Wait as long as another process holds it.

    Processes that are started inside the block do not wait.

    Parameters
    ----------
    owner
        What this process does, in a word or two, for those who wait.
    on_wait
        Is told once, in a line, who holds the machine.
    """
    file = path()
    if file is None:
        yield
        return
    lock = _open(file)
    try:
        _wait_for(lock, on_wait)
        _note(lock, f"{owner}, process {os.getpid()}")
        os.environ[VARIABLE] = ""
        yield
    finally:
        if os.environ.get(VARIABLE) == "":
            os.environ[VARIABLE] = str(file)
        os.close(lock)


def _open(file: Path) -> int:
    # Linux refuses to create what another user owns in a shared folder, but not to open it.
    try:
        return os.open(file, os.O_RDWR)
    except FileNotFoundError:
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        with contextlib.suppress(OSError):
            os.chmod(file, 0o666)  # whatever the umask
        return lock


def _wait_for(lock: int, on_wait: Callable[[str], object]) -> None:
    told = False
    while not _take(lock):
        if not told:
            text = os.pread(lock, 200, 0).decode(errors="replace").strip() if _PREAD else ""
            holder = "".join(c if c.isprintable() else " " for c in text) or "another process"
            on_wait(f"waiting: {holder} measures on this machine")
            told = True
        time.sleep(_PAUSE)


_PREAD = hasattr(os, "pread")  # Windows has none, and lets nobody read a locked file


def _note(lock: int, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the note is a courtesy
        os.ftruncate(lock, 0)
        os.lseek(lock, 0, os.SEEK_SET)
        os.write(lock, text.encode())


if sys.platform == "win32":
    import msvcrt

    def _take(lock: int) -> bool:
        try:
            os.lseek(lock, 1 << 20, os.SEEK_SET)  # beyond the note, which others read
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
