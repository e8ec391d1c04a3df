"""What ``locate`` finds in a program that a guard has seen to differ."""

from __future__ import annotations

from typing import Any

from detcost.choosing import to_locate
from detcost.errors import UsageError
from detcost.evidence.schema import Evidence
from detcost.tables import locate_tables
from detcost.testing import engine


def located(reference: str, record: Evidence, scope: str) -> list[str]:
    """Look for the operation to blame for a short time.

    Parameters
    ----------
    reference
        The program, as :func:`detcost.locate` takes it.
    record
        What the guard measured.
    scope
        The scope in which it differed.

    Returns
    -------
    list of str
        What was found. The first line is the headline.
    """
    try:
        return locate_tables.lines(engine.shared().locate(reference, scope, **_cell(record)))
    except UsageError as error:  # the counts of the guard hold all the same
        return [f"not located: {error}"]


def command(reference: str, record: Evidence, scope: str) -> str:
    """Return the command that locates for longer, with proof and remedies."""
    return to_locate.command(reference, scope, **_cell(record))


def _cell(record: Evidence) -> dict[str, Any]:
    return {name: getattr(record, name) for name in ("setting", "device", "size", "dtype", "seed")}
