"""The file that keeps what ``locate`` found: ``<name>.located.json``, beside the evidence.

It is untrusted input: it is read by its schema, and never executed.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from detcost.atomic_file import replacing
from detcost.errors import UsageError
from detcost.evidence.reading import Problem
from detcost.locating.schema import SCHEMA, Location

SUFFIX = ".located.json"
#: The folder for them, beside an evidence file.
FOLDER = "located"
#: Bytes that a file may have. What one program gives has some thousand.
_LIMIT = 1 << 24
#: Characters of a scenario's name that the name of a file may have.
_LONGEST = 80

_decode = msgspec.json.Decoder(Location).decode


def name_of(*words: str) -> str:
    """Return a name for a file or a folder, without the characters that a path gives a meaning."""
    return re.sub(r"[^\w=+-]+", "-", "-".join(words)).strip("-")[:_LONGEST]


def path_of(location: Location, folder: Path) -> Path:
    """Return the file for a location: one for each cell and scope."""
    usual = ("", "default", "CPU:0", "medium", "float32", "")
    words = (*_cell(location), location.scope)
    shown = [word for word, left_out in zip(words, usual, strict=True) if word != left_out]
    return folder / f"{name_of(*shown)}{SUFFIX}"


def dated(location: Location) -> Location:
    """Return the location with the time of now, if it has none."""
    if location.located_at:
        return location
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return msgspec.structs.replace(location, located_at=now)


def write(location: Location, folder: Path) -> Path:
    """Write a location into a folder, as a whole or not at all, and return its file.

    Raises
    ------
    UsageError
        If the folder or the file cannot be written.
    """
    location = dated(location)
    path = path_of(location, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(msgspec.json.format(msgspec.json.encode(location)))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}); name another folder"
        ) from None
    return path


def read(folder: Path) -> tuple[list[Location], list[Problem]]:
    """Read every location under a folder. The newest of each cell, scope and machine is kept.

    Returns
    -------
    locations, problems
        Files that are damaged, of a newer schema, or reached by a link that leads out of the
        folder, are problems.
    """
    problems: list[Problem] = []
    found = sorted(_read(folder, problems), key=lambda location: location.located_at)
    newest = {
        (_cell(each), each.scope, str(each.machine), str(each.versions)): each for each in found
    }
    return list(newest.values()), problems


def _cell(location: Location) -> tuple[str, ...]:
    return location.scenario, location.setting, location.device, location.size, location.dtype


def _read(folder: Path, problems: list[Problem]) -> Iterator[Location]:
    root = folder.resolve()
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            if not path.resolve().is_relative_to(root):
                raise ValueError("leads out of the results folder")
            yield _parsed(path)
        except OSError as error:
            problems.append(Problem(str(path), None, error.strerror or str(error)))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            problems.append(Problem(str(path), None, str(error)))


def _parsed(path: Path) -> Location:
    if os.path.getsize(path) > _LIMIT:
        raise ValueError("larger than what locate writes")
    location = _decode(path.read_bytes())
    if location.schema > SCHEMA:
        raise ValueError(f"schema {location.schema} is newer than {SCHEMA}; upgrade detcost")
    return location
