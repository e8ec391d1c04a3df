"""Contrasts: every setting's step time against every other's, from the blocks they shared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcost.evidence import Evidence
from detcost.statistics import BAND, CONFIDENCE, Interval

#: No step is slowed this many times: a stranger's figure beyond it was not measured.
LARGEST_RATIO = 1e6
#: Far more than any profile measures.
MOST_BLOCKS = 1000

Matrix = npt.NDArray[np.float64]


class Estimate(Interval, frozen=True, kw_only=True):
    """A ratio of step times with its 95 % interval; of several scenarios, the geometric mean."""

    ratio: float


@dataclass(frozen=True)
class Contrasts:
    """Log ratios of the step times of ``S`` settings, row ÷ column, as matrices of shape (S, S).

    Attributes
    ----------
    mean
        Mean log ratio over blocks; NaN where one of the two has no cost.
    variance
        Of that mean; NaN where there are fewer than two blocks.
    freedom
        Degrees of freedom of the variance.
    """

    mean: Matrix
    variance: Matrix
    freedom: Matrix

    @property
    def ties(self) -> npt.NDArray[np.bool_]:
        """Whether the row's time cannot be told from the column's, which is the cheaper.

        It can where the whole interval of their ratio lies above the free band.
        """
        return ~(self.low > 1 + BAND)

    @property
    def low(self) -> Matrix:
        """Lower ends of the 95 % intervals, as ratios."""
        return np.asarray(np.exp(self.mean - _margin(self.variance, self.freedom)))

    @property
    def high(self) -> Matrix:
        """Upper ends of the 95 % intervals, as ratios."""
        return np.asarray(np.exp(self.mean + _margin(self.variance, self.freedom)))

    def among(self, places: Sequence[int]) -> Contrasts:
        """Return the contrasts of some of the settings."""
        at = np.ix_(places, places)
        return Contrasts(self.mean[at], self.variance[at], self.freedom[at])

    def estimates(self, against: int) -> list[Estimate | None]:
        """Return each setting's ratio to one of them; ``None`` where there is no cost."""
        means = self.mean[:, against]
        margins = _margin(self.variance[:, against], self.freedom[:, against])
        ratios = np.exp([means, means - margins, means + margins]).T.tolist()
        return [
            None if math.isnan(ratio) else Estimate(ratio=ratio, low=_known(low), high=_known(high))
            for ratio, low, high in ratios
        ]


def _margin(variance: Matrix, freedom: Matrix) -> Matrix:
    """Return half the width of 95 % intervals."""
    from scipy.special import stdtrit  # quantile of Student's t

    # Most often all have as many degrees of freedom, and the quantile takes long.
    degrees = freedom.flat[0] if (freedom == freedom.flat[0]).all() else freedom
    return np.asarray(stdtrit(degrees, (1 + CONFIDENCE) / 2) * np.sqrt(variance))


def between(records: Sequence[Evidence | None]) -> Contrasts:
    """Compare the settings of one scenario, a record each.

    Two settings of one run are compared block by block, as :func:`detcost.statistics.ratio`
    does with ``default``: what a block has in common cancels. Of two runs, or where not
    every block holds both, only each one's ratio to its own ``default`` is known; their
    variances add up, with the degrees of freedom of Welch, "The generalization of
    'Student's' problem", Biometrika 34 (1947). ``default`` is 1 by definition.
    """
    size = len(records)
    logs = [log_costs(record) for record in records]
    mean = np.full((size, size), np.nan)
    variance, freedom = mean.copy(), mean.copy()
    for key in dict.fromkeys(map(_blocks, records)):
        own = [i for i in range(size) if key and _blocks(records[i]) == key and logs[i]]
        if own:
            at = np.ix_(own, own)
            mean[at], variance[at], freedom[at] = _paired(np.array([logs[i] for i in own]))
    for i, j in zip(*np.nonzero(np.isnan(mean)), strict=True):
        if logs[i] and logs[j]:
            (one, other), spread, degrees = np.transpose([_alone(logs[i]), _alone(logs[j])])
            mean[i, j] = one - other
            variance[i, j], freedom[i, j] = _welch(spread, degrees)
    return Contrasts(mean, variance, freedom)


def combine(contrasts: Sequence[Contrasts]) -> Contrasts:
    """Return the geometric mean over scenarios, each of which weighs the same.

    Scenarios are measured in blocks of their own, so their variances add up.
    """
    if len(contrasts) == 1:
        return contrasts[0]
    n = len(contrasts)
    variances = np.stack([each.variance for each in contrasts]) / n**2
    total, freedom = _welch(variances, np.stack([each.freedom for each in contrasts]))
    return Contrasts(np.mean([each.mean for each in contrasts], axis=0), total, freedom)


def worst(costs: Iterable[Estimate | None]) -> Estimate | None:
    """Return the greatest of some costs; ``None`` where one of them is not known."""
    known = list(costs)
    if None in known:
        return None
    return max((cost for cost in known if cost), key=lambda cost: cost.ratio, default=None)


def _welch(variances: Matrix, freedoms: Matrix) -> tuple[Matrix, Matrix]:
    """Add variances up along the first axis, with Welch and Satterthwaite's degrees of freedom."""
    total = variances.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = total**2 / (variances**2 / freedoms).sum(axis=0)
    # Nothing varied, as with default against itself: any number of degrees will do.
    return total, np.where(total == 0, freedoms.max(axis=0), freedom)


def _paired(logs: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Compare within blocks; ``logs`` has the shape (settings, blocks)."""
    differences = logs[:, None, :] - logs[None, :, :]
    blocks = logs.shape[1]
    shape = differences.shape[:2]
    if blocks < 2:
        nothing = np.where(np.eye(len(logs)), 0.0, np.nan)  # but that a setting equals itself
        return differences[..., 0], nothing, nothing + 1
    variance = differences.var(axis=2, ddof=1) / blocks
    return differences.mean(axis=2), variance, np.full(shape, blocks - 1.0)


def _alone(logs: Sequence[float]) -> tuple[float, float, float]:
    if len(logs) < 2:
        return (logs[0] if logs else math.nan), math.nan, math.nan
    return float(np.mean(logs)), float(np.var(logs, ddof=1)) / len(logs), len(logs) - 1.0


def _blocks(record: Evidence | None) -> tuple[str, int] | None:
    """Name the blocks a record was measured in; those of one run and number are the same."""
    return (record.run_id, record.cost.blocks) if record and record.cost else None


def log_costs(record: Evidence | None) -> list[float]:
    """Return the log ratio to ``default`` of every block; none where there is no telling."""
    if record is None or record.status != "ok":
        return []
    if record.cost is None:
        # default's own record holds the A/A arm's cost, which may be lost; its own is 1.
        return [0.0, 0.0] if record.setting == "default" else []
    ratios = record.cost.block_ratios
    if len(ratios) != record.cost.blocks or len(ratios) > MOST_BLOCKS:
        return []
    if record.setting == "default":
        return [0.0] * len(ratios)
    return [math.log(ratio) for ratio in ratios] if all(map(_believable, ratios)) else []


def _believable(ratio: float | None) -> bool:
    return ratio is not None and 1 / LARGEST_RATIO <= ratio <= LARGEST_RATIO


def _known(end: float) -> float | None:
    return float(end) if math.isfinite(end) else None
