"""The record of two programs that were compared under one setting, and the file that keeps it.

Such a record is no :class:`~detcost.evidence.schema.Evidence`: its cost compares two programs, and
not two settings. So it has a file of its own kind, which readers of evidence leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from detcost.errors import UsageError
from detcost.evidence.reading import Problem
from detcost.evidence.schema import (
    COMPARE,
    Controls,
    Cost,
    Divergence,
    Protocol,
    Status,
    StepSeconds,
)
from detcost.outputs.severity import Severity

PAIR_SCHEMA = 1

Bits = Literal["equal", "different", "varies"]


class ProgramResult(msgspec.Struct, frozen=True, kw_only=True):
    """One of two programs that were compared. ``None`` is unknown, and never zero.

    Attributes
    ----------
    scenario
        The program's name.
    dtype
        The type that the program was built with.
    status
        What became of the program under the setting.
    reason
        Why the status is not ``ok``.
    outputs
        The path, type and shape of every output, such as ``step()[0] float32[8,32]``.
    sequence
        The digests of the outputs of the first calls, of the run beside the other program.
    carries_state
        Whether outputs change from call to call, and the same outputs come in every process.
    divergence
        The comparisons of the program with itself, in the scopes ``repeat`` and ``process``.
    severity
        The greatest difference of the program from itself.
    step_seconds
        The seconds of one step, in a loop of steps.
    first_call_seconds
        The seconds of the first call, which traces and compiles.
    peak_memory_bytes
        The peak memory of the worst worker. It includes TensorFlow itself.
    device_memory_bytes
        The peak device memory of the worst worker.
    overridden
        What the program sets itself against the setting, with the line. detcost ignores these
        calls.
    traces
        How often TensorFlow traced a function.
    """

    scenario: str
    dtype: str
    status: Status
    reason: str | None = None
    outputs: list[str] = []
    sequence: list[str] = []
    carries_state: bool | None = None
    divergence: dict[str, Divergence] = {}
    severity: Severity | None = None
    step_seconds: StepSeconds | None = None
    first_call_seconds: float | None = None
    peak_memory_bytes: int | None = None
    device_memory_bytes: int | None = None
    overridden: list[str] = []
    traces: int | None = None

    @property
    def varies(self) -> bool:
        """Whether the program differs from itself with nothing changed."""
        return any(comparison.divergent for comparison in self.divergence.values())


class PairEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Two programs under one setting on one device. ``None`` is unknown, and never zero.

    Attributes
    ----------
    schema
        The version of the schema.
    run_id
        The identifier of the run.
    measured_at
        When the record was made, in UTC.
    setting, device, size, seed
        What both programs ran under.
    first, second
        The two programs.
    bits
        What was seen of the outputs, call by call. ``varies``: a program differs from itself, so
        it has no bits to compare. ``None`` if a program could not be measured.
    first_call
        The first call, counted from 1, whose outputs differ between the programs. ``None`` if
        no call's outputs differ.
    severity_at_first
        The distance of the second program's outputs from the first program's, at that call.
    severity_at_last
        The same at the last call. ``None`` if the outputs of that call are equal.
    cost
        Step time of the second program ÷ step time of the first program.
    same_program
        The A/A comparison: the first program against itself. Its interval is the noise floor.
    machine
        Properties of the machine, such as its name and its processor.
    versions
        The versions of TensorFlow, of Python and of the libraries.
    protocol
        How the programs were measured.
    controls
        The results of the run's controls.
    """

    schema: int = PAIR_SCHEMA
    run_id: str
    measured_at: str
    setting: str
    device: str
    size: str
    seed: int
    first: ProgramResult
    second: ProgramResult
    bits: Bits | None = None
    first_call: int | None = None
    severity_at_first: Severity | None = None
    severity_at_last: Severity | None = None
    cost: Cost | None = None
    same_program: Cost | None = None
    machine: dict[str, Any] = {}
    versions: dict[str, str] = {}
    protocol: Protocol | None = None
    controls: Controls | None = None

    @property
    def programs(self) -> tuple[ProgramResult, ProgramResult]:
        """The first and the second program."""
        return self.first, self.second


def check_name(path: Path) -> None:
    """Refuse a file whose name does not say that it holds comparisons.

    Raises
    ------
    UsageError
        If the name does not end with ``.compare.jsonl``.
    """
    if not path.name.endswith(COMPARE):
        raise UsageError(
            f"{path}: comparisons of programs are no evidence of one program; "
            f"name a file ….{COMPARE.lstrip('.')}"
        )


def read(path: Path) -> tuple[list[PairEvidence], list[Problem]]:
    """Read every record of a file, in its order.

    Returns
    -------
    records, problems
        Lines that are cut off, of another form or of a newer schema are problems.

    Raises
    ------
    UsageError
        If the file does not exist, or its name does not end with ``.compare.jsonl``.
    """
    check_name(path)
    problems: list[Problem] = []
    return list(_read(path, problems)), problems


def _read(path: Path, problems: list[Problem]) -> Iterator[PairEvidence]:
    decoder = msgspec.json.Decoder(PairEvidence)
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name another file") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = decoder.decode(line)
            if record.schema > PAIR_SCHEMA:
                raise msgspec.ValidationError(
                    f"schema {record.schema} is newer than {PAIR_SCHEMA}; upgrade detcost"
                )
            yield record
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problems.append(Problem(str(path), number, str(error)))
