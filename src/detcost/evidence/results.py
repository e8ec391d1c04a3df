"""The results in a record: costs, step times and comparisons of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from detcost.outputs.severity import Severity


class Cost(msgspec.Struct, frozen=True, gc=False):
    """Step time under the setting ÷ step time under ``default``.

    Attributes
    ----------
    ratio
        The ratio, over all blocks.
    low, high
        The 95 % interval of the ratio. ``None`` under two blocks.
    blocks
        How many independent blocks were measured.
    block_ratios
        The ratio of each block, in the order measured.
    verdict
        What the interval shows. ``free``: it lies within ±2 % of 1. ``costs``: it lies above.
        ``faster``: it lies below. ``ambiguous``: none of these.
    why
        Why the verdict is ambiguous.
    hodges_lehmann
        A second estimate of the ratio, which is robust to outliers.
    confidence
        The confidence level of the interval.
    """

    ratio: float | None
    low: float | None
    high: float | None
    blocks: int
    block_ratios: list[float]
    verdict: Literal["free", "costs", "faster", "ambiguous"]
    why: str | None = None
    hodges_lehmann: float | None = None
    confidence: float = 0.95


class StepSeconds(msgspec.Struct, frozen=True, gc=False):
    """Seconds of one step.

    Attributes
    ----------
    median
        The median of the samples.
    low, high
        The 95 % interval of the median. ``None`` under six samples.
    samples
        The median of each block. Only blocks are independent of each other.
    """

    median: float
    low: float | None
    high: float | None
    samples: list[float]


class Variant(msgspec.Struct, frozen=True, gc=False):
    """The trials of a scope in one condition, such as one size of the thread pools.

    Attributes
    ----------
    label
        The name of the condition, such as ``3`` for a pool of three threads.
    divergent
        How many trials gave an output that differs from the reference.
    trials
        How many trials ran in this condition.
    distinct
        How many different outputs the trials gave.
    digest
        The digest of the output. ``None`` if the trials gave different outputs.
    """

    label: str
    divergent: int
    trials: int
    distinct: int
    digest: str | None


class Comparison(msgspec.Struct, frozen=True, gc=False):
    """How many outputs of a scope differ from the reference.

    Attributes
    ----------
    divergent
        How many comparisons found a difference.
    trials
        How many comparisons were made.
    rate
        ``divergent`` ÷ ``trials``. ``None`` without trials.
    low, high
        The 95 % interval of the rate. If nothing differed, ``high`` is the one-sided 95 %
        bound.
    distinct
        How many different outputs there were, the reference included.
    skipped
        The conditions that could not be tried, each with the reason.
    reason
        Why nothing was compared, if the scope does not apply to the cell.
    first_call
        The earliest call, counted from 1, whose output differed from the reference's output of
        the same call. ``None`` unless the cell carries state and diverged.
    """

    divergent: int
    trials: int
    rate: float | None
    low: float | None
    high: float | None
    distinct: int
    skipped: dict[str, str] = {}
    reason: str | None = None
    first_call: int | None = None


class RepeatedDraws(msgspec.Struct, frozen=True, gc=False):
    """Draws that are the same in every call, and how the same program showed that it draws.

    Attributes
    ----------
    under
        Under which setting the outputs changed from call to call. ``unseeded`` also means without
        caches, and with data sets that shuffle anew in each pass.
    calls
        How many calls were compared there.
    distinct
        How many different outputs they gave.
    """

    under: str
    calls: int
    distinct: int


class Divergence(Comparison, frozen=True, gc=False):
    """How many outputs of a scope differ, in which conditions, and by how much.

    Attributes
    ----------
    variants
        The trials of each condition.
    severity
        The greatest difference from the reference in this scope.
    """

    variants: list[Variant] = []
    severity: Severity | None = None


def partition(variants: Sequence[Variant]) -> list[list[str]]:
    """Return the groups of variants that gave the same bits, as labels in the order tried.

    A variant whose own trials differ is a group of its own.
    """
    groups: dict[str, list[str]] = {}
    for variant in variants:
        groups.setdefault(variant.digest or f"only {variant.label}", []).append(variant.label)
    return list(groups.values())
