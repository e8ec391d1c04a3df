"""The files that a job brings: read on its machine, checked and stored where the ledger is.

What arrives is untrusted: names are checked, sizes are limited, and nothing is executed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from detcost.errors import UsageError

#: The largest files of one job together, in bytes, and the most files.
LARGEST, MOST = 256 << 20, 1000
#: Names such as ``box/9d5af35c-virtualenv.trials.jsonl``: no hidden file, no way out of a folder.
_NAME = re.compile(r"(?:[A-Za-z0-9_][\w.+-]{0,199}/){0,2}[A-Za-z0-9_][\w.+-]{0,199}", re.ASCII)
_SUFFIXES = (".json", ".jsonl")


class Refused(Exception):
    """What a job brought cannot be taken. The message is the reason."""


def collect(folder: Path) -> dict[str, bytes]:
    """Return the results in a folder, by their names relative to it.

    Raises
    ------
    Refused
        If there are too many.
    """
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in _SUFFIXES and path.is_file() and not path.is_symlink()
    }
    check(files)
    return files


def check(files: Mapping[str, bytes]) -> None:
    """Raise :class:`Refused` if a name or a size is not as it should be, or nothing is there."""
    if not files:
        raise Refused("it brought no results")
    if len(files) > MOST or sum(map(len, files.values())) > LARGEST:
        raise Refused(f"it brought more than {MOST} files or {LARGEST >> 20} MiB")
    for name in files:
        if not _NAME.fullmatch(name) or not name.endswith(_SUFFIXES):
            raise Refused(f'it brought a file named "{name}"')


def digest(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of names and contents."""
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def store(files: Mapping[str, bytes], folder: Path) -> str:
    """Write files into a folder that appears as a whole. Return their digest.

    A folder that is there already, of the same job sent twice, is replaced.

    Raises
    ------
    Refused
        If a name or a size is not as it should be.
    OSError
        If the disk is full. No part of the folder is left.
    """
    check(files)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        for name, content in files.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return digest(files)


def stored(folder: Path) -> str | None:
    """Return the digest of a stored folder; ``None`` if it is not there or not as it should be."""
    try:
        return digest(collect(folder))
    except (OSError, Refused):
        return None


def cannot_write(folder: Path, error: OSError) -> UsageError:
    """Return the error for a ledger that cannot be written, as on a full disk."""
    return UsageError(
        f"{folder}: cannot be written ({error.strerror}); free some space, then run the same "
        "command again: finished jobs are kept"
    )
