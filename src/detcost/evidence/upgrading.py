"""Upgrading evidence of older schemas to today's meaning.

Up to schema 2, scope ``execution`` compared every setting with the output of ``default``. The
setting ``xla`` compiles in every execution mode, so it differed in all three. The scope now
compares with the cell's own reference. Old evidence has both digests, so the counts of that
comparison can be computed from it.
"""

from __future__ import annotations

from functools import lru_cache, reduce

import msgspec

from detcost import intervals
from detcost.evidence.schema import Divergence, Evidence, Record, Variant
from detcost.outputs import severity
from detcost.outputs.severity import Severity

#: The scope whose counts changed, and the first schema with the new counts.
SCOPE, SINCE = "execution", 3
#: For a cell that differs from its own reference, but did not differ from ``default``.
UNKNOWN = Severity(max_ulp=None, fraction_differing=None, mean_relative=None)


def is_needed(record: Record) -> bool:
    """Return whether the counts of a record have another meaning than today's."""
    if record.schema >= SINCE or SCOPE not in record.divergence:
        return False
    return record.divergence[SCOPE].trials > 0 and not _compared_with_itself(record)


def upgraded(record: Evidence) -> Evidence:
    """Return the record with scope ``execution`` compared with the cell's own reference.

    All trials of a condition count as divergent if they varied. The record keeps its schema
    version, because its other fields keep their meaning.

    Raises
    ------
    msgspec.ValidationError
        If the trials of the conditions do not add up. detcost never wrote such a record.
    """
    scope = _compare_with_own(record.divergence[SCOPE], record.digest)
    divergence = {**record.divergence, SCOPE: scope}
    worst = reduce(severity.worst, (scope.severity for scope in divergence.values()), None)
    return msgspec.structs.replace(record, divergence=divergence, severity=worst)


def _compared_with_itself(record: Record) -> bool:
    """Whether the cell was its own reference even then: ``default``, and other ways to seed."""
    return record.setting == "default" or "seeding=" in record.setting


def _compare_with_own(scope: Divergence, digest: str | None) -> Divergence:
    if digest is None:
        return _not_compared(scope)
    trials = [variant.trials for variant in scope.variants]
    if min(trials, default=0) < 0 or sum(trials) != scope.trials:
        raise msgspec.ValidationError(f"scope {SCOPE}: its variants do not add up to its trials")
    variants = [_variant(variant, digest) for variant in scope.variants]
    divergent = sum(variant.divergent for variant in variants)
    rate, low, high = _interval(divergent, scope.trials)
    return msgspec.structs.replace(
        scope,
        divergent=divergent,
        rate=rate,
        low=low,
        high=high,
        distinct=_distinct(scope, digest),
        variants=variants,
        severity=(scope.severity or UNKNOWN) if divergent else None,
    )


def _variant(variant: Variant, digest: str) -> Variant:
    divergent = 0 if variant.digest == digest else variant.trials
    return msgspec.structs.replace(variant, divergent=divergent)


def _distinct(scope: Divergence, digest: str) -> int:
    """Count the different outputs. If trials varied, digests are missing: keep the count."""
    digests = {digest, *(variant.digest for variant in scope.variants)}
    return scope.distinct if None in digests else len(digests)


def _not_compared(scope: Divergence) -> Divergence:
    reason = "the cell gave no output of its own to compare with"
    return Divergence(
        divergent=0,
        trials=0,
        rate=None,
        low=None,
        high=None,
        distinct=0,
        skipped={**{variant.label: reason for variant in scope.variants}, **scope.skipped},
        reason=scope.reason,
    )


@lru_cache(maxsize=4096)
def _interval(divergent: int, trials: int) -> tuple[float | None, float | None, float | None]:
    """Return rate, low and high, as a new measurement computes them."""
    estimate = intervals.rate_or_bound(divergent, trials)
    return estimate.rate, estimate.low, estimate.high
