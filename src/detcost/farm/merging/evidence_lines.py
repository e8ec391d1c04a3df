"""The lines of evidence files: which cell of which run and machine each is of.

Lines are kept as they are, byte for byte. Only the machine's name is replaced where it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import xxhash

from detcost.evidence import places, reading
from detcost.evidence.reading import Problem
from detcost.evidence.schema import COMPARE, Evidence
from detcost.farm.merging.identities import Identity
from detcost.farm.merging.sources import SourceFile
from detcost.host import words

#: Bytes that a line may have. Lines of evidence have some thousand.
LONGEST = 64 << 20
#: Problems of one file that are listed.
_MOST_PROBLEMS = 1000
#: Bytes read at once.
CHUNK = 1 << 18
#: The newest schema of files that compare two programs. It equals
#: ``detcost.pairing.schema.PAIR_SCHEMA``, which this package cannot import.
PAIR_SCHEMA = 1

Key = tuple[str, ...]


class EvidenceLine(NamedTuple):
    """A line of a file. ``why`` is set if it cannot be read; then nothing else is known of it."""

    number: int
    offset: int
    text: bytes
    why: str = ""
    key: Key = ()
    measured_at: str = ""
    machine: Identity = Identity("", "")


class FileSummary(msgspec.Struct):
    """What a file of evidence has.

    Attributes
    ----------
    digest
        Of all bytes.
    clean
        Whether a copy of the file is as good as its records, each written once.
    machines
        When the newest record of each machine was measured.
    """

    file: SourceFile
    digest: bytes
    size: int
    clean: bool
    records: int
    machines: dict[Identity, str]
    problems: list[Problem]


def summarise(file: SourceFile) -> FileSummary:
    """Read a file of evidence.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    hashed, seen = xxhash.xxh3_128(), set()
    summary = FileSummary(file, b"", 0, True, 0, {}, [])
    for line in read(file.path):
        hashed.update(line.text)
        summary.size += len(line.text)
        if line.why:
            summary.clean = False
            problem = file.problem(line.why, line.number)
            if len(summary.problems) < _MOST_PROBLEMS and problem not in summary.problems[-1:]:
                summary.problems.append(problem)
        elif not line.key:
            summary.clean = False
        else:
            summary.clean &= line.key not in seen and line.text.endswith(b"\n")
            seen.add(line.key)
            newest = summary.machines.get(line.machine, "")
            summary.machines[line.machine] = max(newest, line.measured_at)
    summary.digest, summary.records = hashed.digest(), len(seen)
    if summary.problems and not seen and (why := places.why_not_evidence(Path(file.path))):
        summary.problems = [file.problem(why)]
    return summary


def read(path: str) -> Iterator[EvidenceLine]:
    """Yield the lines of a file, those that cannot be read included.

    Blank lines have no key. A line that is too long comes in pieces.
    """
    parse = _pair if path.endswith(COMPARE) else _cell
    offset, number, piece = 0, 1, False
    with open(path, "rb", buffering=CHUNK) as file:
        while text := file.readline(LONGEST):
            ended = text.endswith(b"\n")
            if piece or not (ended or len(text) < LONGEST):
                yield EvidenceLine(number, offset, text, f"longer than {LONGEST >> 20} MiB")
            else:
                yield _parsed(number, offset, text, parse)
            offset, number, piece = offset + len(text), number + ended, not ended


def renamed(text: bytes, name: str) -> bytes:
    """Return a line with another name for its machine, and a line break at its end."""
    fields = _fields(text)
    if new := _machine_named(bytes(fields["machine"]), name):
        fields["machine"] = new
        text = _encode(fields)
    return text if text.endswith(b"\n") else text + b"\n"


def _parsed(number: int, offset: int, text: bytes, parse: Parser) -> EvidenceLine:
    if not text.strip():
        return EvidenceLine(number, offset, text)
    try:
        key, measured_at, described = parse(text)
        machine = identify(described)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        return EvidenceLine(number, offset, text, str(error))
    return EvidenceLine(number, offset, text, "", key, measured_at, machine)


def _cell(text: bytes) -> tuple[Key, str, dict[str, Any]]:
    record = reading.decode(text, Evidence)
    return (record.run_id, *record.cell), record.measured_at, record.machine


class _Program(msgspec.Struct):
    scenario: str
    dtype: str


class _Pair(msgspec.Struct):
    """What merging needs of :class:`detcost.pairing.schema.PairEvidence`."""

    schema: int
    run_id: str
    measured_at: str
    setting: str
    device: str
    size: str
    first: _Program
    second: _Program
    machine: dict[str, Any]


def _pair(text: bytes) -> tuple[Key, str, dict[str, Any]]:
    pair = _decode_pair(text)
    if pair.schema > PAIR_SCHEMA:
        raise ValueError(f"schema {pair.schema} is newer than {PAIR_SCHEMA}; upgrade detcost")
    programs = (pair.first.scenario, pair.first.dtype, pair.second.scenario, pair.second.dtype)
    key = (pair.run_id, *programs, pair.setting, pair.device, pair.size)
    return key, pair.measured_at, pair.machine


def identify(machine: dict[str, Any]) -> Identity:
    """Return the machine that a record describes.

    Raises
    ------
    ValueError
        If its name cannot be the name of a folder.
    """
    return _identified(_encode(machine))


@lru_cache(maxsize=1 << 12)
def _identified(described: bytes) -> Identity:
    machine = _machine(described)
    found = Identity(str(machine.get("name")), words.identity(machine))
    if not found.is_safe:
        raise ValueError(f'its machine has the name "{found.name}", which can name no folder')
    return found


@lru_cache(maxsize=1 << 8)
def _machine_named(described: bytes, name: str) -> msgspec.Raw | None:
    """Return a description with another name; ``None`` if it has this one."""
    machine = _machine(described)
    if machine.get("name") == name:
        return None
    return msgspec.Raw(_encode({**machine, "name": name}))


Parser = Callable[[bytes], tuple[Key, str, dict[str, Any]]]
_decode_pair = msgspec.json.Decoder(_Pair).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_machine = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
