"""README's figures: made from results, put between two marks each, and checked by a test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from detcost.errors import UsageError
from detcost.evidence.schema import Evidence
from detcost.tables import evidence_tables


def marks(command: str) -> tuple[str, str]:
    """Return the lines between which a command writes."""
    return f"<!-- detcost {command} --write: begin -->", f"<!-- detcost {command} --write: end -->"


def section(command: str, text: str) -> str:
    """Return what a command writes, with its marks."""
    begin, end = marks(command)
    return f"{begin}\n\n{text}\n\n{end}"


def overview(records: Sequence[Evidence]) -> str:
    """Return the table of results, and what it was measured on."""
    return f"{evidence_tables.markdown_overview(records)}\n\n{_source(records)}"


def replace_section(path: Path, command: str, text: str) -> None:
    """Put a text between a command's marks.

    Raises
    ------
    UsageError
        If the file is not there or has no marks.
    """
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', 'not UTF-8 text')}") from None
    begin, end = marks(command)
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    if not re.search(pattern, before, re.DOTALL):
        raise UsageError(f'{path}: no line "{begin}" followed by "{end}"; add both')
    after = re.sub(pattern, lambda _: section(command, text), before, flags=re.DOTALL)
    try:
        path.write_text(after, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None


def _source(records: Sequence[Evidence]) -> str:
    """Say what the figures come from: machines, versions, profiles, dates."""
    machines = {
        f"{record.machine.get('cpu') or 'unknown CPU'}, "
        f"{record.machine.get('usable_cores') or '?'} cores"
        + (f", {record.machine['virtualisation']}" if record.machine.get("virtualisation") else "")
        for record in records
    }
    versions = {f"TensorFlow {record.versions.get('tensorflow', 'unknown')}" for record in records}
    profiles = {f"profile {record.protocol.profile}" for record in records if record.protocol}
    days = sorted({record.measured_at[:10] for record in records})
    floor = [
        record.controls.same_setting
        for record in records
        if record.setting == "default" and record.controls and record.controls.same_setting
    ]
    width = max((abs(cost.ratio - 1) for cost in floor if cost.ratio), default=0.0)
    words = [*sorted(machines), *sorted(versions), *sorted(profiles), days[-1]]
    return (
        f"{evidence_tables.markdown_text('; '.join(words))}. "
        "Cost is step time ÷ that of `default`, with its 95 % interval; beside `default` stands a "
        f"second `default` against the first, the noise floor (at most {100 * width:.0f} % off "
        "here). A column a scope: of how many comparisons the bits differed when only that was "
        "changed; under `threads`, which sizes of the thread pools agree."
    )
