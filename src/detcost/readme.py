"""The README's table: made from results, put between two marks, and checked by a test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from detcost import tables
from detcost.errors import UsageError
from detcost.evidence import Evidence

BEGIN = "<!-- detcost show --write: begin -->"
END = "<!-- detcost show --write: end -->"


def section(records: Sequence[Evidence]) -> str:
    """Return the marked section: the overview, and what it was measured on."""
    return "\n".join([BEGIN, "", tables.markdown_overview(records), "", _source(records), "", END])


def replace_table(path: Path, records: Sequence[Evidence]) -> None:
    """Put the section in place of the marked one.

    Raises
    ------
    UsageError
        If the file is not there or has no marks.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', 'not UTF-8 text')}") from None
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    if not re.search(pattern, text, re.DOTALL):
        raise UsageError(f'{path}: no line "{BEGIN}" followed by "{END}"; add both')
    text = re.sub(pattern, lambda _: section(records), text, flags=re.DOTALL)
    try:
        path.write_text(text, encoding="utf-8")
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
        f"{tables.markdown_text('; '.join(words))}. "
        "Cost is step time ÷ that of `default`, with its 95 % interval; beside `default` stands a "
        f"second `default` against the first, the noise floor (at most {100 * width:.0f} % off "
        "here). A column a scope: of how many comparisons the bits differed when only that was "
        "changed; under `threads`, which sizes of the thread pools agree."
    )
