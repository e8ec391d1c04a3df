"""The table that fills while a program is measured: setting × cost, verdict and scopes so far."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from detcost.choosing.scope_checks import count_text, is_unexpected
from detcost.evidence.schema import SCOPES, Evidence
from detcost.tables.evidence_tables import cost_text
from detcost.tables.text import plain

WAITING = "…"


def live_table(
    records: Sequence[Evidence], settings: Sequence[str], scopes: Sequence[str]
) -> Table:
    """Return one row for each planned setting, with what its record has so far.

    Parameters
    ----------
    records
        The records so far of one scenario on one device.
    settings, scopes
        What is measured, in the order to show.
    """
    by_setting = {record.setting: record for record in records}
    shown = [scope for scope in SCOPES if scope in scopes]
    table = Table("setting", "cost so far [95 %]", "verdict so far", *shown)
    for setting in settings:
        table.add_row(plain(setting), *_cells(by_setting.get(setting), shown))
    return table


def _cells(record: Evidence | None, scopes: Sequence[str]) -> list[str | Text]:
    if record is None:
        return [WAITING] * (len(scopes) + 2)
    if record.status != "ok":
        return ["–", record.status.replace("_", " "), *["–"] * len(scopes)]
    cost = record.cost
    verdict = "(A/A)" if record.setting == "default" else cost.verdict if cost else WAITING
    return [cost_text(cost) if cost else WAITING, verdict, *(_count(record, s) for s in scopes)]


def _count(record: Evidence, scope: str) -> str | Text:
    comparison = record.divergence.get(scope)
    if comparison is None or not comparison.trials:
        return "n/a" if comparison and comparison.reason else WAITING
    return Text(count_text(record, scope), "red" if is_unexpected(record, scope) else "")
