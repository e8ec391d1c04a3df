"""Upgrading: what older evidence counted otherwise than evidence does now.

Up to schema 2 scope ``execution`` compared every setting with the output of ``default``, so
``xla``, which compiles whatever one asks, differed in each of three ways to run. It is compared
with the cell's own reference now. Old evidence has the digests of both, and so tells what that
comparison would have counted.
"""

from __future__ import annotations

from functools import lru_cache, reduce

import msgspec

from detcost import intervals
from detcost.evidence.schema import Divergence, Evidence, Record, Variant
from detcost.outputs import severity
from detcost.outputs.severity import Severity

#: The scope that is counted otherwise, and the first schema in which it is.
SCOPE, SINCE = "execution", 3
#: Of what differs now and did not differ from the output of ``default``.
UNKNOWN = Severity(max_ulp=None, fraction_differing=None, mean_relative=None)


def is_needed(record: Record) -> bool:
    """Return whether a record counts something otherwise than is done now."""
    if record.schema >= SINCE or SCOPE not in record.divergence:
        return False
    return record.divergence[SCOPE].trials > 0 and not _with_itself(record)


def upgraded(record: Evidence) -> Evidence:
    """Return the record with ``execution`` compared with the cell's own reference.

    A condition whose own trials varied counts as divergent throughout. The schema stays:
    nothing else was counted otherwise.

    Raises
    ------
    msgspec.ValidationError
        If the conditions do not add up to the trials: no detcost wrote that.
    """
    found = {**record.divergence, SCOPE: _compared(record.divergence[SCOPE], record.digest)}
    severities = (each.severity for each in found.values())
    worst = reduce(severity.worst, severities, None)
    return msgspec.structs.replace(record, divergence=found, severity=worst)


def _with_itself(record: Record) -> bool:
    """Whether it was compared with itself even then: ``default``, and other ways to seed."""
    return record.setting == "default" or "seeding=" in record.setting


def _compared(found: Divergence, digest: str | None) -> Divergence:
    if digest is None:
        return _not_compared(found)
    trials = [each.trials for each in found.variants]
    if min(trials, default=0) < 0 or sum(trials) != found.trials:
        raise msgspec.ValidationError(f"scope {SCOPE}: its variants do not add up to its trials")
    variants = [_variant(each, digest) for each in found.variants]
    divergent = sum(each.divergent for each in variants)
    rate, low, high = _interval(divergent, found.trials)
    return msgspec.structs.replace(
        found,
        divergent=divergent,
        rate=rate,
        low=low,
        high=high,
        distinct=_distinct(found, digest),
        variants=variants,
        severity=(found.severity or UNKNOWN) if divergent else None,
    )


def _variant(variant: Variant, digest: str) -> Variant:
    divergent = 0 if variant.digest == digest else variant.trials
    return msgspec.structs.replace(variant, divergent=divergent)


def _distinct(found: Divergence, digest: str) -> int:
    """Count the different outputs; where trials varied, not all are known, and it stays."""
    digests = {digest, *(variant.digest for variant in found.variants)}
    return found.distinct if None in digests else len(digests)


def _not_compared(found: Divergence) -> Divergence:
    why = "the cell gave no output of its own to compare with"
    return Divergence(
        divergent=0,
        trials=0,
        rate=None,
        low=None,
        high=None,
        distinct=0,
        skipped={**{variant.label: why for variant in found.variants}, **found.skipped},
        reason=found.reason,
    )


@lru_cache(maxsize=4096)
def _interval(divergent: int, trials: int) -> tuple[float | None, float | None, float | None]:
    """Return rate, low and high as a fresh measurement would."""
    found = intervals.rate(divergent, trials)
    high = found.high if divergent else intervals.upper_bound_of_zero(trials)
    return found.rate, found.low, high
