"""Intervals for ratios, rates and medians: pure functions on numbers.

Every ``low`` and ``high`` is a two-sided 95 % interval, and ``None`` if it is unknown.
:mod:`scipy.special` has the quantiles of :mod:`scipy.stats`, and loads in a third of the time. The
functions that need it import it, so that other commands start faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
#: A ratio within 1 ± this band counts as no cost: [0.98, 1.02].
BAND = 0.02

Verdict = Literal["free", "costs", "faster", "ambiguous"]


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A 95 % interval; both ends are ``None`` if there are too few samples."""

    low: float | None
    high: float | None

    def holds(self, value: float) -> bool | None:
        """Whether the value lies inside, ends included; ``None`` if the interval is unknown."""
        if self.low is None or self.high is None:
            return None
        return self.low <= value <= self.high


class RatioEstimate(Interval, frozen=True, kw_only=True):
    """Step time under a setting ÷ step time under ``default``, with its interval.

    ``hodges_lehmann`` is a second point estimate, which is robust to an outlier. If the two
    differ by a large part of the interval, look at the blocks.
    """

    ratio: float
    hodges_lehmann: float
    blocks: int

    @property
    def half_width(self) -> float | None:
        """Relative half-width, √(high/low) − 1: 0.03 means "times or divided by 1.03"."""
        if self.low is None or self.high is None:
            return None
        return math.sqrt(self.high / self.low) - 1


class RateEstimate(Interval, frozen=True, kw_only=True):
    """The share of divergent comparisons, with its interval."""

    divergent: int
    trials: int
    rate: float | None


class MedianEstimate(Interval, frozen=True, kw_only=True):
    """A median, in the unit of its samples, with its interval."""

    median: float
    samples: int


def block_log_ratio(samples: Sequence[float], baseline_samples: Sequence[float]) -> float:
    """Reduce one block to one number: the median over rounds of ln(sample / baseline's sample).

    Parameters
    ----------
    samples, baseline_samples
        Step times of a setting and of ``default``, by round, in the same unit.
        ``samples[i]`` and ``baseline_samples[i]`` were taken one after the other, so that
        drift of the machine cancels.

    Raises
    ------
    ValueError
        Without rounds, for unequal numbers of rounds, or for a time that is not above zero.
    """
    if len(samples) != len(baseline_samples):
        raise ValueError(
            f"{len(samples)} samples cannot be paired with {len(baseline_samples)} of the baseline"
        )
    times = _numbers([samples, baseline_samples], "step times")
    if times.min() <= 0:
        raise ValueError(f"a step time must be above zero, not {times.min():g}")
    return float(np.median(np.log(times[0] / times[1])))


def ratio(log_ratios: Sequence[float]) -> RatioEstimate:
    """Estimate a cost from the log ratios of independent blocks.

    The interval is exp(mean ± t₍n−1₎ · s/√n) (Student 1908, on the log scale, where a
    ratio and its inverse weigh the same). It is unknown for fewer than two blocks.

    Parameters
    ----------
    log_ratios
        The :func:`block_log_ratio` of each block. Never pass single rounds: the rounds of a
        block share its processes, and are not independent.

    Raises
    ------
    ValueError
        Without blocks, or for a number that is not finite.
    """
    logs = _numbers(log_ratios, "log ratios")
    mean, margin = float(logs.mean()), None
    if len(logs) > 1:
        margin = margin_factor(len(logs)) * float(logs.std(ddof=1))
    return RatioEstimate(
        ratio=math.exp(mean),
        low=None if margin is None else math.exp(mean - margin),
        high=None if margin is None else math.exp(mean + margin),
        hodges_lehmann=hodges_lehmann(log_ratios),
        blocks=len(logs),
    )


def margin_factor(blocks: int) -> float:
    """Return t₍n−1₎/√n: the half-width of a mean's interval, in standard deviations.

    ``blocks`` is n, at least 2. Source: Student (1908).
    """
    from scipy.special import stdtrit  # quantile of Student's t

    return float(stdtrit(blocks - 1, (1 + CONFIDENCE) / 2)) / math.sqrt(blocks)


def hodges_lehmann(log_ratios: Sequence[float]) -> float:
    """Cross-check a ratio: exp of the median of all pairwise means of the log ratios.

    Source: Hodges & Lehmann, "Estimates of location based on rank tests", Annals of
    Mathematical Statistics 34 (1963). Raises what :func:`ratio` raises.
    """
    logs = _numbers(log_ratios, "log ratios")
    first, second = np.triu_indices(len(logs))  # every pair once, each number with itself too
    return math.exp(float(np.median((logs[first] + logs[second]) / 2)))


def verdict(low: float | None, high: float | None, band: float = BAND) -> Verdict:
    """Return the verdict that the interval of a ratio allows.

    *free*: the whole interval lies in [1 − band, 1 + band], ends included. *costs*: the whole
    interval lies above this band. *faster*: it lies below. *ambiguous*: all other intervals. The
    band is linear, because readers understand "±2 %" so.

    Raises
    ------
    ValueError
        For an interval that ends before it begins, or that is not above zero.
    """
    if low is None or high is None:
        return "ambiguous"
    if not 0 < low <= high < math.inf:
        raise ValueError(f"no interval of a ratio: from {low} to {high}")
    if low > 1 + band:
        return "costs"
    if high < 1 - band:
        return "faster"
    return "free" if low >= 1 - band and high <= 1 + band else "ambiguous"


def ambiguity(low: float | None, high: float | None, band: float = BAND) -> str | None:
    """Return why a verdict is *ambiguous*; ``None`` for another verdict."""
    if low is None or high is None:
        return "fewer than two blocks give no interval"
    if verdict(low, high, band) != "ambiguous":
        return None
    percent = f"{100 * band:g} %"
    reasons = {
        f"is wider than the ±{percent} band": high - low > 2 * band,
        f"crosses −{percent}": low < 1 - band,
        f"crosses +{percent}": high > 1 + band,
    }
    return "the interval " + " and ".join(text for text, true in reasons.items() if true)


def rate(divergent: int, trials: int) -> RateEstimate:
    """Estimate a divergence rate from a number of comparisons that was fixed in advance.

    Source: Clopper & Pearson, "The use of confidence or fiducial limits illustrated in
    the case of the binomial", Biometrika 26 (1934). The interval covers every rate at least 95 %
    of the time. Without trials, rate and interval are ``None``.

    Raises
    ------
    ValueError
        Unless 0 ≤ divergent ≤ trials.
    """
    if not 0 <= divergent <= trials:
        raise ValueError(f"{divergent} of {trials} comparisons cannot have diverged")
    if trials == 0:
        return RateEstimate(divergent=0, trials=0, rate=None, low=None, high=None)
    from scipy.special import betaincinv  # quantile of the beta distribution

    tail, clean = (1 - CONFIDENCE) / 2, trials - divergent
    return RateEstimate(
        divergent=divergent,
        trials=trials,
        rate=divergent / trials,
        low=float(betaincinv(divergent, clean + 1, tail)) if divergent else 0.0,
        high=float(betaincinv(divergent + 1, clean, 1 - tail)) if clean else 1.0,
    )


def rate_or_bound(divergent: int, trials: int) -> RateEstimate:
    """Estimate a divergence rate as evidence reports it.

    This is :func:`rate`. But for a count of zero, ``high`` is the one-sided bound of
    :func:`upper_bound_of_zero`.
    """
    estimate = rate(divergent, trials)
    if divergent:
        return estimate
    return msgspec.structs.replace(estimate, high=upper_bound_of_zero(trials))


def upper_bound_of_zero(trials: int) -> float | None:
    """Return the upper bound of a rate without a divergent trial: 1 − 0.05^(1/n), one-sided 95 %.

    At this rate, n trials in a row without divergence have a probability of 5 %. So 59 trials
    give a bound of 5 %, and 299 give 1 %. ``None`` without trials.

    Raises
    ------
    ValueError
        For a negative number of trials.
    """
    if trials < 0:
        raise ValueError(f"there cannot be {trials} trials")
    return 1 - (1 - CONFIDENCE) ** (1 / trials) if trials else None


def median_interval(samples: Sequence[float]) -> MedianEstimate:
    """Estimate a median, with an interval that assumes independence but no distribution.

    The interval runs from the k-th smallest to the k-th largest sample. k is the greatest number
    for which Bin(n, ½) < k has a probability of at most 2.5 %. Source: Thompson, "On
    confidence ranges for the median", Annals of Mathematical Statistics 7 (1936). With fewer
    than six samples no k reaches 95 %, and the interval is unknown.

    Raises
    ------
    ValueError
        Without samples, or for a sample that is not finite.
    """
    ordered = np.sort(_numbers(samples, "samples"))
    from scipy.special import bdtr  # cumulative binomial

    n = len(ordered)
    k = int(np.count_nonzero(bdtr(np.arange(n), n, 0.5) <= (1 - CONFIDENCE) / 2))
    return MedianEstimate(
        median=float(np.median(ordered)),
        low=float(ordered[k - 1]) if k else None,
        high=float(ordered[n - k]) if k else None,
        samples=n,
    )


def _numbers(values: Sequence[float] | list[Sequence[float]], what: str) -> npt.NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    if not numbers.size:
        raise ValueError(f"there are no {what} to estimate from")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{what} must be finite numbers")
    return numbers
