"""Scope checks for the page: the decision on each count, and the text that states it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from detcost.choosing.scope_checks import (
    ANYWAY,
    PLURAL,
    ScopeCheck,
    bound_text,
    check_scope,
    count_text,
    first_call_text,
    lowest_rate,
    not_measured,
    percent,
)
from detcost.evidence.schema import ALL_SCOPES, DERIVED_SCOPES, OWN_SCOPES
from detcost.report.projection import Count, Projection
from detcost.tables.choice_tables import extent
from detcost.tables.evidence_tables import divergence_text

#: Stands for infinity, which JSON does not have. No question asks for a rate above 1.
ABOVE_EVERY_RATE = 2.0


class CheckView(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A count of one scope, with the decision on it. Many cells share a check.

    Attributes
    ----------
    lowest
        As :func:`detcost.choosing.scope_checks.lowest_rate` returns it.
    why
        Why the setting does not qualify, or why the scope means nothing. For a clean count, the
        bound, which a question may find too high.
    note, anyway
        As in :class:`detcost.choosing.scope_checks.ScopeCheck`.
    count, rate
        The two parts of a text: ``0/315`` and ``≤ 1.0 %``.
    seen
        The count as a sentence.
    details
        Everything known about the count, in one line.
    partition, remark
        Which variants agree, and a sentence about that.
    """

    lowest: float | None
    why: str | None
    note: str | None
    anyway: bool
    count: str
    rate: str
    seen: str
    details: str
    divergent: int
    trials: int
    low: float | None
    high: float | None
    distinct: int
    first_call: int | None
    partition: str
    remark: str


def unchecked(scope: str) -> CheckView:
    """Return the check of a scope that a cell has no count of."""
    return CheckView(
        lowest=None,
        why=not_measured(scope),
        note=None,
        anyway=False,
        count="–",
        rate="",
        seen="–",
        details=not_measured(scope),
        divergent=0,
        trials=0,
        low=None,
        high=None,
        distinct=0,
        first_call=None,
        partition="",
        remark="",
    )


class CheckSets:
    """Collects the checks of cells. A cell has a set of them, which many cells share.

    Attributes
    ----------
    rates
        The lowest tolerable rates of each set, in the order of the scopes.
    """

    def __init__(self) -> None:
        """Start without sets."""
        self.rates: list[tuple[float | None, ...]] = []
        self._sets: list[list[int | None]] = []
        self._places: dict[tuple[Any, ...], int] = {}
        self._checks: dict[CheckView, int] = {}
        self._ranks: list[tuple[float, ...]] = []
        self._kept: list[object] = []

    def place(self, record: Projection) -> int:
        """Return the place of a record's set, and add a new one."""
        counts = record.divergence
        expects = (record.carries_state, record.expect, record.draws_anew)
        key = (*counts, *map(id, counts.values()), *expects)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._sets)
            self._kept.append(counts)  # an id is unique only while its object lives
            self._sets.append([self._check(record, scope) for scope in ALL_SCOPES])
            self.rates.append(tuple(_rate(record, scope) for scope in ALL_SCOPES))
        return place

    def _check(self, record: Projection, scope: str) -> int | None:
        if scope not in record.divergence:
            return None
        check = check_scope(record, scope, None)
        view = _view(record, check)
        place = self._checks.setdefault(view, len(self._checks))
        if place == len(self._ranks):
            self._ranks.append((1, *extent(check)) if check.trials else (0,))
        return place

    def sorted(self) -> tuple[list[CheckView], list[list[int | None]]]:
        """Return the checks, from the least to the most striking, and the sets of their places."""
        views = list(self._checks)
        order = sorted(range(len(views)), key=self._ranks.__getitem__)
        places: dict[int | None, int | None] = {old: new for new, old in enumerate(order)}
        places[None] = None
        sets = [[places[place] for place in own] for own in self._sets]
        return [views[place] for place in order], sets


def _rate(record: Projection, scope: str) -> float | None:
    lowest = lowest_rate(record, scope)
    return None if lowest is None else min(lowest, ABOVE_EVERY_RATE)


def _view(record: Projection, check: ScopeCheck) -> CheckView:
    counted = record.divergence[check.scope]
    clean = check.trials and not check.divergent and record.expect == "same"
    count, rate = _texts(record, check)
    return CheckView(
        lowest=_rate(record, check.scope),
        why=bound_text(counted) if clean else check.why,
        note=check.note,
        anyway=check.anyway,
        count=count,
        rate=rate,
        seen=_seen(check) if check.trials else count,
        details="; ".join(_details(check, counted, f"{count} {rate}".strip())),
        divergent=counted.divergent,
        trials=counted.trials,
        low=counted.low,
        high=counted.high,
        distinct=counted.distinct,
        first_call=counted.first_call,
        partition=counted.partition,
        remark=_remark(check, counted.partition),
    )


def _texts(record: Projection, check: ScopeCheck) -> tuple[str, str]:
    count, _, rate = divergence_text(record.divergence[check.scope]).partition(" ")
    return (count_text(record, check.scope), "") if check.anyway else (count, rate)


def _seen(check: ScopeCheck) -> str:
    rate = percent(check.high)
    return f"{check.divergent} of {check.trials} diverged (rate at most {rate}, 95 %)"


def _details(check: ScopeCheck, counted: Count, text: str) -> Iterator[str]:
    if not check.trials:
        yield f"{text}: {check.why}" if check.why and not check.applies else str(check.why)
        return
    yield text
    if check.note:
        yield check.note
    if not check.anyway and (first := first_call_text(counted)):
        yield first
    if check.skipped:
        yield f"could not be tried: {', '.join(check.skipped)}"


def _remark(check: ScopeCheck, partition: str) -> str:
    """State which variants agree, unless a race decides that, and not the scope."""
    if check.anyway:
        return ANYWAY
    if partition:
        tried = {"threads": "sizes of the thread pools", **PLURAL}.get(check.scope, "variants")
        groups = partition.count(" | ") + 1
        return f"{groups} different results; {tried} in one box gave the same bits:"
    if check.divergent and check.scope not in (*OWN_SCOPES, *DERIVED_SCOPES):
        return "All variants agree with one another, but not all with the first output."
    return ""
