"""Cells as the page has them: arrays, since a report may hold a million."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from detcost import evidence
from detcost.report.glance import Glance, Glimpse
from detcost.severity import Severity
from detcost.tables import partition_text

#: Hexadecimal digits of a digest: enough to tell any number of outputs apart.
DIGEST = 16
#: Characters of a stranger's text that a page takes.
LONGEST = 500


class Count(msgspec.Struct, frozen=True, array_like=True):
    """What was seen in a scope; fields as in :class:`detcost.evidence.Divergence`."""

    divergent: int
    trials: int
    low: float | None
    high: float | None
    distinct: int
    partition: str
    skipped: list[str]
    reason: str | None


class Figure(msgspec.Struct, frozen=True, array_like=True):
    """A ratio with its 95 % interval."""

    ratio: float | None
    low: float | None
    high: float | None


class Cost(msgspec.Struct, frozen=True, array_like=True):
    """A cost; fields as in :class:`detcost.evidence.Cost`."""

    ratio: float | None
    low: float | None
    high: float | None
    verdict: str
    why: str | None
    block_ratios: list[float]


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """A measured cell. Seconds, bytes, and ratios to ``default``; fields as evidence has them.

    ``stands_for`` is the setting it was measured under, where that is simpler than the one it is
    listed under: the other levers mean nothing to the scenario.
    """

    status: str
    reason: str | None
    stands_for: str | None
    cost: Cost | None
    scopes: dict[str, Count]
    first_call_seconds: float | None
    peak_memory_bytes: int | None
    device_memory_bytes: int | None
    severity: Severity | None
    accuracy: float | None
    digest: str | None
    measured_at: str
    run: str
    profile: str | None
    seed: int
    same_setting: Figure | None
    commit: str | None


def cell(record: Glance, setting: str) -> Cell:
    """Return what the page shows of a record that is listed under a setting."""
    same = record.controls.same_setting if record.controls else None
    return Cell(
        status=record.status,
        reason=record.reason and record.reason[:LONGEST],
        stands_for=record.setting if record.setting != setting else None,
        cost=_cost(record.cost) if record.cost else None,
        scopes={scope: _count(found) for scope, found in record.divergence.items()},
        first_call_seconds=record.first_call_seconds,
        peak_memory_bytes=record.peak_memory_bytes,
        device_memory_bytes=record.device_memory_bytes,
        severity=record.severity,
        accuracy=record.accuracy,
        digest=record.digest and record.digest[:DIGEST],
        measured_at=record.measured_at,
        run=record.run_id,
        profile=record.protocol.profile if record.protocol else None,
        seed=record.seed,
        same_setting=Figure(same.ratio, same.low, same.high) if same else None,
        commit=record.commit,
    )


def _cost(found: evidence.Cost) -> Cost:
    return Cost(found.ratio, found.low, found.high, found.verdict, found.why, found.block_ratios)


def _count(found: Glimpse) -> Count:
    if not (found.divergent or found.skipped or found.reason):
        return _clean(found.trials, found.low, found.high, found.distinct)
    return Count(
        found.divergent,
        found.trials,
        found.low,
        found.high,
        found.distinct,
        partition_text(found.variants)[:LONGEST] if found.divergent else "",
        list(found.skipped),
        found.reason and found.reason[:LONGEST],
    )


@lru_cache(maxsize=4096)
def _clean(trials: int, low: float | None, high: float | None, distinct: int) -> Count:
    """Return what most counts are: nothing differed, so there is nothing to part."""
    return Count(0, trials, low, high, distinct, "", [], None)
