"""The files to merge: found in folders that may be a stranger's, and sorted by their kinds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from detcost.evidence.reading import Problem

LOCATED_SUFFIX = ".located.json"
#: The folder beside evidence that has what ``locate`` found.
LOCATED = "located"
MACHINE, BENCHMARKS = "machine.json", "benchmarks.json"
#: Bytes that a file of JSON may have. It is read as a whole.
_LARGEST = 256 << 20

FileKind = Literal["evidence", "located", "result", "machine", "benchmarks"]


class SourceFile(msgspec.Struct, frozen=True):
    """A file to merge.

    Attributes
    ----------
    place
        The folder of the machine that the file is about.
    own
        Whether the file is in the folder that is merged into.
    """

    path: str
    kind: FileKind
    place: str
    own: bool

    @property
    def name(self) -> str:
        """The name without folders."""
        return os.path.basename(self.path)

    def problem(self, why: str, line: int | None = None) -> Problem:
        """Return why the file, or one of its lines, is left out."""
        return Problem(self.path, line, why)


def find(folders: Iterable[Path], into: Path) -> tuple[list[SourceFile], list[Problem]]:
    """Return the files of all kinds in some folders, and in the folder that is merged into.

    Every file is there once, even if folders contain each other. Hidden files and folders are
    left out. Links that lead out of a folder, and what is not a plain file, are problems.
    """
    found: list[SourceFile] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    target = os.path.realpath(into)
    for root in (into, *folders):
        for folder, inner, names in os.walk(root):
            real = os.path.realpath(folder)
            if real in seen:
                inner.clear()
                continue
            seen.add(real)
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            problems += _leading_out(root, folder, inner)
            own = _is_within(real, target)
            place = _place(folder, root)
            for name in sorted(names):
                if kind := _kind(name, names, folder):
                    file = SourceFile(os.path.join(folder, name), kind, place, own)
                    why = _why_not(file, root)
                    problems += [file.problem(why)] if why else []
                    found += [] if why else [file]
    return found, problems


def _kind(name: str, beside: Sequence[str], folder: str) -> FileKind | None:
    if name.startswith("."):
        return None
    if name.endswith(".jsonl"):
        return "evidence"
    if name.endswith(LOCATED_SUFFIX):
        return "located"
    if name in (MACHINE, BENCHMARKS):
        return "machine" if name == MACHINE else "benchmarks"
    return "result" if name.endswith(".json") and MACHINE in beside else None


def _place(folder: str, root: Path) -> str:
    """Return the nearest folder above a file that asv knows as a machine's, or else its own."""
    at = folder
    while len(at) >= len(str(root)):
        if os.path.lexists(os.path.join(at, MACHINE)):
            return at
        at = os.path.dirname(at)
    return os.path.dirname(folder) if os.path.basename(folder) == LOCATED else folder


def _why_not(file: SourceFile, root: Path) -> str | None:
    """Return why a file cannot be read; ``None`` if it can."""
    try:
        status = os.stat(file.path)
        file.path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not _is_within(os.path.realpath(file.path), os.path.realpath(root)):
        return "leads out of the folder"
    if not stat.S_ISREG(status.st_mode):
        return "not a file"
    if file.kind != "evidence" and status.st_size > _LARGEST:
        return f"larger than {_LARGEST >> 20} MiB"
    return None


def _leading_out(root: Path, folder: str, inner: Iterable[str]) -> Iterator[Problem]:
    for name in inner:
        path = os.path.join(folder, name)
        if os.path.islink(path) and not _is_within(os.path.realpath(path), os.path.realpath(root)):
            yield Problem(path, None, "leads out of the folder")


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
