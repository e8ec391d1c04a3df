"""Reading evidence: every valid line of a known schema, and a problem for every other line.

Evidence is untrusted input. It is never executed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import msgspec

from detcost.errors import UsageError, shortened
from detcost.evidence import places, upgrading
from detcost.evidence.schema import COMPARE, FOLKLORE, SCHEMA, Evidence, Record

R = TypeVar("R", bound=Record)
T = TypeVar("T")
#: Bytes read at once. A line of evidence has some thousand bytes.
_CHUNK = 1 << 17
#: Problems of one file that a message lists before it counts the rest.
_LISTED = 3


class Problem(msgspec.Struct, frozen=True):
    """A line, or a whole file, that could not be read."""

    file: str
    line: int | None
    why: str

    def __str__(self) -> str:
        return shortened(f"{self.file}{f':{self.line}' if self.line else ''}: {self.why}")


def read(results: Path | str, folklore: bool = False) -> tuple[list[Evidence], list[Problem]]:
    """Read every record under a folder, or of one file, oldest first.

    The cells that an interrupted run has not finished count too. They lie beside the file that
    the run writes to; :func:`unfinished` returns them.

    Parameters
    ----------
    results
        The folder or file.
    folklore
        Which files of a folder to read: those with evidence for claims, or the others.

    Returns
    -------
    records, problems
        If a run measured a cell twice, its last record counts. Lines that are cut off, of
        another form or of a newer schema are problems.

    Raises
    ------
    UsageError
        If there is no such file or folder.
    """
    paths, problems = files(results, folklore)
    records, unread = read_files(paths, Evidence)
    return records, problems + unread


def files(results: Path | str, folklore: bool = False) -> tuple[list[Path], list[Problem]]:
    """Return the evidence files under a folder, or the file itself after its unfinished cells.

    A link that leads out of the folder is a problem. ``folklore`` chooses between files with
    evidence for claims (:data:`FOLKLORE`) and the others. Files that compare two programs
    (:data:`COMPARE`) are left out. Raises what :func:`read` does, also for such a file.
    """
    root = Path(results)
    if root.name.endswith(COMPARE):
        raise UsageError(
            f"{root}: compares two programs; detcost compare --results {root} shows it"
        )
    if not os.path.isdir(root):
        found = [*places.companions(root), *([root] if os.path.exists(root) else [])]
        if not found:
            raise UsageError(f"{root}: no such file or folder; name one that detcost or asv wrote")
        return found if root.name.endswith(FOLKLORE) or not folklore else [], []
    inside, outside = [], []
    for file in sorted(root.rglob("*.jsonl")):
        if file.name.endswith(COMPARE) or file.name.endswith(FOLKLORE) != folklore:
            continue
        if file.resolve().is_relative_to(root.resolve()):
            inside.append(file)
        else:
            outside.append(Problem(str(file), None, "leads out of the results folder"))
    return inside, outside


def read_files(paths: Iterable[Path], kind: type[R]) -> tuple[list[R], list[Problem]]:
    """Read every record of some files into a struct, as :func:`read` does."""
    problems: list[Problem] = []
    records: dict[tuple[str, ...], R] = {}
    for path in paths:
        for record in _read_file(path, kind, problems):
            records[(record.run_id, *record.cell)] = record
    return sorted(records.values(), key=lambda record: record.measured_at), problems


def latest(records: Iterable[R]) -> list[R]:
    """Return the newest record of every cell, machine and version of TensorFlow, oldest first."""
    newest = {(record.machine_name, record.tensorflow, *record.cell): record for record in records}
    return sorted(newest.values(), key=lambda record: record.measured_at)


def unfinished(
    results: Path | str, records: Sequence[Evidence], folklore: bool = False
) -> list[Evidence]:
    """Return the newest records whose run has not finished them, of those that :func:`read` read.

    The run was interrupted, or it still measures.
    """
    paths, _ = files(results, folklore)
    kept, _ = read_files(filter(places.is_unfinished, paths), Evidence)
    newest = {(record.run_id, *record.cell): record for record in latest(records)}
    return [record for record in kept if newest.get((record.run_id, *record.cell)) == record]


def no_evidence(results: Path | str, problems: Sequence[Problem]) -> UsageError:
    """Return the error for results without a record, with the first problem that may be why."""
    why = f" that can be read ({problems[0]})" if problems else ""
    return UsageError(f"{results}: no evidence here{why}; run make bench, or detcost measure --out")


def listed(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield problems as lines of text: the first of each file, and the number of the others."""
    for file, group in groupby(problems, key=lambda problem: problem.file):
        first, others = (several := list(group))[:_LISTED], several[_LISTED:]
        yield from map(str, first)
        if others:
            yield shortened(f"{file}: {len(others)} more lines like these")


def _read_file(file: Path, kind: type[R], problems: list[Problem]) -> Iterator[R]:
    own: list[Problem] = []
    readable = False
    try:
        with open(file, "rb", buffering=_CHUNK) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield decode(line, kind)
                        readable = True
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                        own.append(Problem(str(file), number, str(error)))
    except OSError as error:
        own.append(Problem(str(file), None, f"cannot be read ({error.strerror})"))
    if own and not readable and (why := places.why_not_evidence(file)):
        own = [Problem(str(file), None, why)]
    problems += own


def decode(line: bytes, kind: type[R]) -> R:
    """Return the record in a line, in today's meaning.

    Raises
    ------
    msgspec.DecodeError
        If the line is cut off, of another form or of a newer schema.
    UnicodeDecodeError, RecursionError
        If it is no text, or nested too deeply.
    """
    try:
        record: R = _decoder(kind).decode(line)
    except msgspec.ValidationError:  # the line is damaged, or a newer schema has another form
        _refuse_newer(_decoder(_Schema).decode(line).schema)
        raise
    _refuse_newer(record.schema)
    return _upgraded(line, kind) if upgrading.is_needed(record) else record


def _upgraded(line: bytes, kind: type[R]) -> R:
    """Read a line of an older schema. Upgrading needs all fields, which few kinds have."""
    whole = upgrading.upgraded(_decoder(Evidence).decode(line))
    record: R = _decoder(kind).decode(msgspec.json.encode(whole))
    return record


def _refuse_newer(schema: int) -> None:
    if schema > SCHEMA:
        raise msgspec.ValidationError(
            f"schema {schema} is newer than {SCHEMA}, the newest this detcost reads; "
            "upgrade detcost"
        )


class _Schema(msgspec.Struct):
    schema: int


@cache
def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind)
