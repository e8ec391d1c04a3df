"""Sections of documents that a command writes: each between two marks, checked by a test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from detcost.errors import UsageError
from detcost.evidence.schema import Evidence
from detcost.tables import evidence_tables
from detcost.tables.text import markdown_text


def marks(command: str) -> tuple[str, str]:
    """Return the two lines between which a command writes."""
    return f"<!-- detcost {command} --write: begin -->", f"<!-- detcost {command} --write: end -->"


def section(command: str, text: str) -> str:
    """Return the text that a command writes, with its marks."""
    begin, end = marks(command)
    return f"{begin}\n\n{text}\n\n{end}"


def overview(records: Sequence[Evidence]) -> str:
    """Return the table of results, with the notes needed to read it."""
    table = evidence_tables.markdown_overview(records)
    return (
        f"{table}\n\n{markdown_text(provenance(records))}. "
        "Cost is step time ÷ step time under `default`, with its 95 % interval. The row of "
        "`default` has the A/A comparison, a second `default` against the first: the noise floor, "
        f"at most {100 * noise_floor(records):.0f} % off here. "
        "A scope's column: of how many comparisons the bits differed when only that changed, and "
        "bold if any did. "
        "Under `threads`: which sizes of the thread pools agree."
    )


def replace_section(path: Path, command: str, text: str) -> None:
    """Write a text between a command's marks.

    Raises
    ------
    UsageError
        If the file cannot be read or written, or has no marks.
    """
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', 'not UTF-8 text')}") from None
    begin, end = marks(command)
    # A document may also quote the marks, as code.
    pattern = re.compile(f"(?<!`){re.escape(begin)}.*?(?<!`){re.escape(end)}", re.DOTALL)
    if not pattern.search(before):
        raise UsageError(f'{path}: no line "{begin}" followed by "{end}"; add both')
    after = pattern.sub(lambda _: section(command, text), before)
    try:
        path.write_text(after, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None


def provenance(records: Sequence[Evidence]) -> str:
    """Write where figures come from: machines, versions, profiles, the last day."""
    machines = {_machine(record) for record in records}
    versions = {f"TensorFlow {record.versions.get('tensorflow', 'unknown')}" for record in records}
    profiles = {f"profile {record.protocol.profile}" for record in records if record.protocol}
    days = sorted({record.measured_at[:10] for record in records})
    return "; ".join([*sorted(machines), *sorted(versions), *sorted(profiles), days[-1]])


def noise_floor(records: Sequence[Evidence]) -> float:
    """Return the largest distance of an A/A comparison from 1, or 0 if there is none."""
    comparisons = [
        record.controls.same_setting
        for record in records
        if record.setting == "default" and record.controls and record.controls.same_setting
    ]
    return max((abs(cost.ratio - 1) for cost in comparisons if cost.ratio), default=0.0)


def _machine(record: Evidence) -> str:
    cores = record.machine.get("usable_cores") or "?"
    virtualisation = record.machine.get("virtualisation")
    return f"{record.processor}, {cores} cores" + (f", {virtualisation}" if virtualisation else "")
