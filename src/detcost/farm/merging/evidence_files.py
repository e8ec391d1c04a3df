"""Writing a file of evidence from several: each cell of each run once, in a certain order."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import msgspec
import xxhash
from filelock import FileLock

from detcost.atomic_file import replacing
from detcost.farm.merging import evidence_lines
from detcost.farm.merging.evidence_lines import Key
from detcost.farm.merging.identities import Identity


class EvidencePart(msgspec.Struct, frozen=True):
    """The records of a file that go into another file.

    Attributes
    ----------
    machine
        Whose records they are; ``None`` for those of all.
    keeps_unreadable
        Whether lines that cannot be read go there too: they may be of a newer detcost.
    """

    path: str
    machine: Identity | None
    keeps_unreadable: bool


class EvidenceTarget(msgspec.Struct, frozen=True):
    """A file to write.

    Attributes
    ----------
    name
        The name of the machine in its records.
    finished
        Parts with the finished cells of the runs whose unfinished cells these are.
    records
        How many records the first part has, if its lines are those of the target. Else ``None``.
    renames
        Whether the name is another than in the parts.
    """

    path: str
    name: str
    parts: list[EvidencePart]
    finished: list[EvidencePart]
    records: int | None = None
    renames: bool = False


class _Place(NamedTuple):
    """Where a record is. The newest counts; of two of one time, one by its digest."""

    measured_at: str
    digest: bytes
    part: int
    offset: int
    length: int


def write(target: EvidenceTarget) -> int:
    """Write a file, or remove it if no record is for it. Return the number of records.

    Raises
    ------
    OSError
        If a part cannot be read, or the file cannot be written.
    """
    if target.records is not None:
        _copy(target)
        return target.records
    with _locked(target.path):
        records = _records(target)
        rest = [_unreadable(part) for part in target.parts if part.keeps_unreadable]
        if records or any(rest):
            with replacing(target.path) as file:
                _copy_lines(records, target, file)
                file.writelines(rest)
        else:  # it had unfinished cells alone, which are finished now
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target.path)
    return len(records)


def _copy(target: EvidenceTarget) -> None:
    source = target.parts[0].path
    with replacing(target.path) as file:
        if target.renames:
            with open(source, "rb", buffering=evidence_lines.CHUNK) as texts:
                file.writelines(evidence_lines.renamed(text, target.name) for text in texts)
        else:
            shutil.copyfile(source, file.name)  # inside the kernel, where it can


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Keep a measurement from appending to a file until it is replaced."""
    if os.path.exists(path):
        with FileLock(f"{path}.lock"):
            yield
    else:
        yield


def _records(target: EvidenceTarget) -> list[_Place]:
    """Return the records in the order of the parts, if all have the same, or else by time."""
    done = {key for part in target.finished for key in _collect(part, 0, target.name)}
    found = [
        {key: place for key, place in _collect(part, index, target.name).items() if key not in done}
        for index, part in enumerate(target.parts)
    ]
    found = [records for records in found if records]
    orders = [[(key, place.digest) for key, place in records.items()] for records in found]
    unfinished = bool(target.finished)
    if found and not unfinished and all(order == orders[0] for order in orders[1:]):
        return list(found[0].values())
    newest: dict[Key, _Place] = {}
    for records in found:
        for key, place in records.items():
            if key not in newest or place[:2] > newest[key][:2]:
                newest[key] = place
    return [newest[key] for key in sorted(newest, key=lambda key: (newest[key].measured_at, key))]


def _collect(part: EvidencePart, index: int, name: str) -> dict[Key, _Place]:
    """Return the records of a part. The last one of a cell counts, as for readers."""
    records: dict[Key, _Place] = {}
    for line in evidence_lines.read(part.path):
        if line.key and part.machine in (None, line.machine):
            digest = xxhash.xxh3_128(evidence_lines.renamed(line.text, name)).digest()
            records.pop(line.key, None)
            length = len(line.text)
            records[line.key] = _Place(line.measured_at, digest, index, line.offset, length)
    return records


def _copy_lines(records: Sequence[_Place], target: EvidenceTarget, file: BinaryIO) -> None:
    with contextlib.ExitStack() as stack:
        source, opened = None, -1
        for place in records:
            if place.part != opened:
                stack.close()
                source = stack.enter_context(open(target.parts[place.part].path, "rb"))
                opened = place.part
            assert source is not None
            source.seek(place.offset)
            file.write(evidence_lines.renamed(source.read(place.length), target.name))


def _unreadable(part: EvidencePart) -> bytes:
    """Return the lines of a part that cannot be read, with a line break at the end."""
    texts = b"".join(line.text for line in evidence_lines.read(part.path) if line.why)
    return texts + b"\n" if texts and not texts.endswith(b"\n") else texts
