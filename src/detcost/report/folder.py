"""The folder of a report: no stranger's, cleared of an earlier report, and on a disk with room."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from detcost.errors import UsageError
from detcost.report.page import NAME

#: What a report consists of beside its page: folders, and the names of their files.
_PARTS = {"data": re.compile(r".+-[0-9a-f]{16}\.js"), "plots": re.compile(r".+\.svg")}
#: What the page of every report contains.
_MARK = b'detcost.receive("index"'


def check(out: Path) -> None:
    """Refuse a folder that holds something else than a report.

    Raises
    ------
    UsageError
        If it is a file, or has files but is no report of detcost.
    """
    if not os.path.exists(out):
        return
    if not os.path.isdir(out):
        raise UsageError(f"{out}: a file; name a folder for the report")
    page = out / NAME
    if page.exists():
        own = _MARK in page.read_bytes()
    else:  # a report may have been interrupted before its page was written
        own = all(_is_part(path) for path in out.iterdir())
    if not own:
        raise UsageError(f"{out}: holds other files, and no report; name a new folder")


def prepare(out: Path) -> Path:
    """Make the folders, remove the data and plots of an earlier report; return that of data."""
    for part, name in _PARTS.items():
        (out / part).mkdir(parents=True, exist_ok=True)
        for file in (out / part).iterdir():
            if name.fullmatch(file.name):
                file.unlink()
    return out / "data"


@contextlib.contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn errors of the system into one line, such as those of a full disk."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{out}: cannot be written ({error.strerror}); free some space, or name another folder"
        ) from None


def _is_part(path: Path) -> bool:
    name = _PARTS.get(path.name)
    return bool(
        name and path.is_dir() and all(name.fullmatch(file.name) for file in path.iterdir())
    )
