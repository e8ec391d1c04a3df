"""Judging a setting: its checks in every scope and scenario, and the reasons against it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import msgspec

from detcost.choosing.across import CHANGES, Platform
from detcost.choosing.fleet import Fleet
from detcost.choosing.question import Question
from detcost.choosing.scope_checks import NOT_MEASURED, ScopeCheck, check_scope
from detcost.evidence.schema import ALL_SCOPES, DERIVED_SCOPES, Record

Cells = list[tuple[Platform, Record]]


def judge(
    fleet: Fleet[Record], setting: str, question: Question
) -> tuple[list[ScopeCheck], list[str]]:
    """Return the checks of a setting, and the reasons why it does not qualify."""
    checks: list[ScopeCheck] = []
    failures: list[str] = []
    for scenario in fleet.first.scenarios:
        usable: Cells = []
        for platform, record in _cells(fleet, scenario, setting):
            if record is None or record.status != "ok":
                failures.append(_reason(fleet, platform, scenario, unusable(record)))
            else:
                usable.append((platform, record))
        for scope in question.survive:
            checks += _checks(fleet, usable, scope, question.max_rate)
    # A divergence is a stronger reason than a bound that is too high, so it comes first.
    failed = sorted((c for c in checks if c.disqualifies), key=lambda check: not check.divergent)
    return checks, failures + [_against(check) for check in failed]


def also_survives(fleet: Fleet[Record], setting: str, question: Question) -> tuple[str, ...]:
    """Return the scopes beyond those of the question that a setting survives everywhere."""
    cells = [list(_cells(fleet, scenario, setting)) for scenario in fleet.first.scenarios]
    if any(record is None or record.status != "ok" for row in cells for _, record in row):
        return ()

    def survives(scope: str) -> bool:
        rows = ([(platform, r) for platform, r in row if r] for row in cells)
        checks = [c for row in rows for c in _checks(fleet, row, scope, question.max_rate)]
        return any(c.survives for c in checks) and not any(c.disqualifies for c in checks)

    return tuple(s for s in ALL_SCOPES if s not in question.survive and survives(s))


def unusable(record: Record | None) -> str:
    """Write why a cell has no figures."""
    if record is None:
        return NOT_MEASURED
    return f"{record.status.replace('_', ' ')} ({record.reason})"


def _cells(
    fleet: Fleet[Record], scenario: str, setting: str
) -> Iterator[tuple[Platform, Record | None]]:
    for platform, chosen in fleet.selections.items():
        yield platform, chosen.record(scenario, setting)


def _checks(
    fleet: Fleet[Record], cells: Cells, scope: str, max_rate: float | None
) -> Iterator[ScopeCheck]:
    """Yield a check for each platform, or one for all if the scope compares them."""
    across = scope in DERIVED_SCOPES and fleet.spans(scope)
    for platform, record in _references(cells, scope) if across else cells:
        where = fleet.name_without(scope, platform) if across else fleet.name(platform)
        check = check_scope(record, scope, max_rate)
        yield check if fleet.is_single else msgspec.structs.replace(check, where=where)


def _references(cells: Cells, scope: str) -> Iterator[tuple[Platform, Record]]:
    """Yield the cell that most others agree with. So the order of the platforms does not matter.

    It is one for all machines. If versions differ too, it is one for each version.
    """
    _, stays = CHANGES[scope]
    by_other = sorted(cells, key=lambda cell: (stays(cell[0]), cell[0]))
    for _, group in groupby(by_other, key=lambda cell: stays(cell[0])):
        yield min(group, key=lambda cell: _differing(cell[1], scope))


def _differing(record: Record, scope: str) -> tuple[bool, int]:
    comparison = record.divergence.get(scope)
    return record.races, comparison.divergent if comparison else 0


def _reason(fleet: Fleet[Record], platform: Platform, scenario: str, why: str) -> str:
    return f"{scenario}: {why}" if fleet.is_single else f"{fleet.name(platform)}, {scenario}: {why}"


def _against(check: ScopeCheck) -> str:
    where = f"{check.where}, " if check.where else ""
    return f"{where}{check.scenario}, {check.scope}: {check.why}"
