"""Evidence: the record of one measured cell, and how it is read.

One JSON object a line, strict JSON, one line a cell; :mod:`detcost.journal` writes
them. A reader takes every whole line of a known schema and names the ones it
refuses; nothing in a record is ever executed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from detcost.errors import UsageError
from detcost.severity import Severity
from detcost.workers.contract import Status

SCHEMA = 2
#: Ends the names of files with evidence for claims: too little of it to choose a setting by.
FOLKLORE = ".folklore.jsonl"


class Cost(msgspec.Struct, frozen=True, gc=False):
    """Step time under the setting ÷ under ``default``; ``low`` and ``high`` are a 95 % interval.

    ``why`` says what makes an ambiguous verdict ambiguous.
    """

    ratio: float | None
    low: float | None
    high: float | None
    blocks: int
    block_ratios: list[float]
    verdict: Literal["free", "costs", "faster", "ambiguous"]
    why: str | None = None
    hodges_lehmann: float | None = None
    confidence: float = 0.95


class StepSeconds(msgspec.Struct, frozen=True, gc=False):
    """Seconds a step; ``samples`` are the blocks' medians, the unit of independence."""

    median: float
    low: float | None
    high: float | None
    samples: list[float]


class Variant(msgspec.Struct, frozen=True, gc=False):
    """The trials of a scope in one circumstance, such as one size of the thread pools.

    ``digest`` is that of their output where all gave the same, else ``None``.
    """

    label: str
    divergent: int
    trials: int
    distinct: int
    digest: str | None


class Divergence(msgspec.Struct, frozen=True, gc=False):
    """Of ``trials`` comparisons, how many differed; ``low`` and ``high`` are a 95 % interval.

    For a count of zero ``high`` is the one-sided 95 % bound. ``distinct`` counts the
    different outputs seen, the reference included.

    Attributes
    ----------
    variants
        What the scope varied, and how the trials came out under each.
    skipped
        The variants that could not be tried, with the reason.
    reason
        Why nothing was compared, where the scope means nothing to the cell.
    severity
        Against the reference, the worst seen in this scope.
    """

    divergent: int
    trials: int
    rate: float | None
    low: float | None
    high: float | None
    distinct: int
    variants: list[Variant] = []
    skipped: dict[str, str] = {}
    reason: str | None = None
    severity: Severity | None = None

    @property
    def partition(self) -> list[list[str]]:
        """Which variants gave the same bits: groups of labels, in the order tried.

        A variant whose own trials differ among themselves agrees with none.
        """
        groups: dict[str, list[str]] = {}
        for variant in self.variants:
            groups.setdefault(variant.digest or f"only {variant.label}", []).append(variant.label)
        return list(groups.values())


class Protocol(msgspec.Struct, frozen=True, gc=False):
    """How it was measured, enough to do it again. Seconds and counts."""

    profile: str
    rounds: int
    warm_up_steps: int
    target_half_width: float
    seconds_cap: float
    stopped_by: Literal["width", "time", "blocks"] | None
    two_at_a_time: bool
    workers_lost: int
    start_method: str


class Control(msgspec.Struct, frozen=True, gc=False):
    """A control scenario's repeats: how many of how many differed, and whether that is right."""

    divergent: int
    trials: int
    ok: bool


class Controls(msgspec.Struct, frozen=True, gc=False):
    """What shows that the run could see what it looked for.

    ``same_setting`` is the A/A arm, ``default`` against itself: its width is the
    noise floor. ``varies`` must be seen to vary, ``stable`` must not.
    """

    same_setting: Cost | None
    varies: Control | None
    stable: Control | None

    @property
    def failures(self) -> list[str]:
        """What is wrong, in words; empty when the run can be trusted."""
        found = []
        if self.same_setting and self.same_setting.verdict in ("costs", "faster"):
            ratio = self.same_setting.ratio or math.nan
            found.append(f"default against itself came out {ratio:.3f}")
        if self.varies and not self.varies.ok:
            found.append("the scenario known to vary was not seen to")
        if self.stable and not self.stable.ok:
            found.append("the scenario known to be stable was seen to vary")
        return found


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One measured cell. Unknown is ``None``, never a zero."""

    schema: int = SCHEMA
    run_id: str
    measured_at: str
    scenario: str
    family: str
    setting: str
    device: str
    size: str
    dtype: str
    seed: int
    status: Status
    reason: str | None = None
    cost: Cost | None = None
    step_seconds: StepSeconds | None = None
    first_call_seconds: float | None = None
    peak_memory_bytes: int | None = None
    device_memory_bytes: int | None = None
    divergence: dict[str, Divergence] = {}
    severity: Severity | None = None
    accuracy: float | None = None
    digest: str | None = None
    traces: int | None = None
    applied: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    versions: dict[str, str] = {}
    protocol: Protocol | None = None
    controls: Controls | None = None
    commit: str | None = None
    environment: str | None = None

    @property
    def cell(self) -> tuple[str, ...]:
        """What was measured: scenario, setting, device, size and dtype."""
        return (self.scenario, self.setting, self.device, self.size, self.dtype)

    @property
    def machine_name(self) -> str:
        """What the machine is called."""
        return str(self.machine.get("name"))

    @property
    def tensorflow(self) -> str:
        """TensorFlow's version."""
        return self.versions.get("tensorflow", "unknown")

    @property
    def release(self) -> list[int]:
        """TensorFlow's version as numbers, of which the newer is the greater."""
        return [int(number) for number in re.findall(r"\d{1,9}", self.tensorflow)]


class Problem(msgspec.Struct, frozen=True):
    """A line, or a whole file, that could not be read."""

    file: str
    line: int | None
    why: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''}: {self.why}"


def read(results: Path | str, folklore: bool = False) -> tuple[list[Evidence], list[Problem]]:
    """Read every record under a folder, or of one file, oldest first.

    Parameters
    ----------
    results
        The folder or file.
    folklore
        Whether to read, in a folder, what was measured for claims, and else only the rest.

    Returns
    -------
    records, problems
        A cell measured twice by one run counts once, its last record. Lines that
        are cut off, not of this form or of a newer schema become problems.

    Raises
    ------
    UsageError
        If there is no such file or folder.
    """
    found, problems = files(results, folklore)
    records, unread = read_files(found)
    return records, problems + unread


def files(results: Path | str, folklore: bool = False) -> tuple[list[Path], list[Problem]]:
    """Return the evidence files under a folder, or the one named.

    A link that leads out of the folder is no evidence of it, but a problem. What was measured
    for claims (:data:`FOLKLORE`) is left out, or nothing else is taken. Raises what
    :func:`read` does.
    """
    root = Path(results)
    if not root.exists():
        raise UsageError(f"{root}: no such file or folder; name one that detcost or asv wrote")
    if not root.is_dir():
        return [root] if root.name.endswith(FOLKLORE) or not folklore else [], []
    inside, outside = [], []
    for file in sorted(root.rglob("*.jsonl")):
        if file.name.endswith(FOLKLORE) != folklore:
            continue
        if file.resolve().is_relative_to(root.resolve()):
            inside.append(file)
        else:
            outside.append(Problem(str(file), None, "leads out of the results folder"))
    return inside, outside


def read_files(paths: Iterable[Path]) -> tuple[list[Evidence], list[Problem]]:
    """Read every record of some files, as :func:`read` does."""
    problems: list[Problem] = []
    records: dict[tuple[str, ...], Evidence] = {}
    for path in paths:
        for record in _read_file(path, problems):
            records[(record.run_id, *record.cell)] = record
    return sorted(records.values(), key=lambda record: record.measured_at), problems


def latest(records: Iterable[Evidence]) -> list[Evidence]:
    """Return the newest record of every cell, machine and version of TensorFlow, oldest first."""
    newest = {(record.machine_name, record.tensorflow, *record.cell): record for record in records}
    return sorted(newest.values(), key=lambda record: record.measured_at)


def _read_file(file: Path, problems: list[Problem]) -> Iterator[Evidence]:
    try:
        with open(file, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield _decode(line)
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                        problems.append(Problem(str(file), number, str(error)))
    except OSError as error:
        problems.append(Problem(str(file), None, f"cannot be read ({error.strerror})"))


def _decode(line: bytes) -> Evidence:
    try:
        record = _decode_evidence(line)
    except msgspec.ValidationError:  # of another form, or of a schema that has another form
        _refuse_newer(_decode_schema(line).schema)
        raise
    _refuse_newer(record.schema)
    return record


def _refuse_newer(schema: int) -> None:
    if schema > SCHEMA:
        raise msgspec.ValidationError(
            f"schema {schema} is newer than {SCHEMA}, the newest this detcost reads; "
            "upgrade detcost"
        )


class _Schema(msgspec.Struct):
    schema: int


_decode_evidence = msgspec.json.Decoder(Evidence).decode
_decode_schema = msgspec.json.Decoder(_Schema).decode
