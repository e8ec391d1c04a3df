"""Where evidence lies: the names of its files, and the places that hold something else."""

from __future__ import annotations

import codecs
import glob
import os
import re
from pathlib import Path

from detcost.errors import UsageError
from detcost.evidence.schema import COMPARE, FOLKLORE

SUFFIX = ".trials.jsonl"
#: The kinds of evidence files, by the ends of their names.
_KINDS = (SUFFIX, FOLKLORE, COMPARE, ".jsonl")
_UNFINISHED = ".unfinished"
#: How evidence of every kind and version begins.
_RECORD = re.compile(rb'\s*(\{\s*"schema"\s*:\s*\d|$)')
#: The first bytes of a file that gzip has compressed.
_GZIP = b"\x1f\x8b"


def unfinished(path: Path, run_id: str) -> Path:
    """Return the file beside an evidence file that keeps the unfinished cells of a run."""
    stem, kind = _split(path.name)
    return path.with_name(f"{stem}.{run_id}{_UNFINISHED}{kind}")


def companions(path: Path) -> list[Path]:
    """Return the files beside an evidence file that keep unfinished cells, of any run."""
    stem, kind = _split(path.name)
    found = path.parent.glob(f"{glob.escape(stem)}.*{_UNFINISHED}{kind}")
    # The name of a run has no dot. Otherwise the file is the companion of a file of another stem.
    return sorted(file for file in found if file.name.count(".") == path.name.count(".") + 2)


def is_unfinished(path: Path) -> bool:
    """Return whether a file keeps the unfinished cells of a run."""
    return _split(path.name)[0].endswith(_UNFINISHED)


def finished(path: Path) -> Path:
    """Return the evidence file that will have the cells of a file of unfinished ones."""
    stem, kind = _split(path.name)
    return path.with_name(f"{stem.removesuffix(_UNFINISHED).rpartition('.')[0]}{kind}")


def check(path: Path) -> None:
    """Refuse a place that is not for evidence.

    Raises
    ------
    UsageError
        If the path is a folder, has a name that is not for evidence, or holds something else.
    """
    if os.path.isdir(path):
        raise UsageError(
            f"{path}: a folder; name a file for evidence, such as {path / f'mine{SUFFIX}'}"
        )
    if path.suffix != ".jsonl":
        raise UsageError(
            f"{path}: evidence is kept in files ….jsonl; name one, such as {path.stem}{SUFFIX}"
        )
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"{path}: not a file; name another for evidence")
    if not _RECORD.match(_beginning(path)):
        raise UsageError(f"{path}: holds something else than evidence; name another file")


def check_name(path: Path, kind: str = SUFFIX) -> None:
    """Refuse a file whose name says that it holds another kind of evidence.

    Readers would leave it out. ``kind`` is :data:`SUFFIX`, ``FOLKLORE`` or ``COMPARE``.

    Raises
    ------
    UsageError
        If the name ends as those of another kind.
    """
    stem, own = _split(path.name)
    if own != kind and {own, kind} & {FOLKLORE, COMPARE}:
        raise UsageError(f"{path}: the name of another kind of evidence; name it {stem}{kind}")


def why_not_evidence(path: Path) -> str | None:
    """Return why no line of a file can be evidence: it is compressed, or is no text.

    ``None`` if the file is text, or cannot be read.
    """
    beginning = _beginning(path)
    if beginning.startswith(_GZIP):
        return "compressed; gunzip it"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)  # which may end in a character
    except UnicodeDecodeError:
        return "not UTF-8 text"
    return None


def _split(name: str) -> tuple[str, str]:
    """Return the name of a file without its kind, and its kind."""
    kind = next((kind for kind in _KINDS if name.endswith(kind)), "")
    return name.removesuffix(kind), kind


def _beginning(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 12)
    except OSError:
        return b""
