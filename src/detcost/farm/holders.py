"""The names under which runs hold leases. Each is a locked file, so that a death can be seen."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[str]:
    """Give a run a name for its leases, while this process lives."""
    holder = f"{os.getpid()}-{secrets.token_hex(4)}"
    path = folder / holder
    alive = FileLock(path)
    alive.acquire()
    try:
        yield holder
    finally:
        alive.release()
        path.unlink(missing_ok=True)


def is_dead(folder: Path, holder: str) -> bool:
    """Return whether a run has ended without a word."""
    path = folder / holder
    if not path.exists():
        return False  # perhaps it is on a machine whose locks are not seen here
    try:
        with FileLock(path, blocking=False):
            return True
    except (OSError, Timeout):
        return False
