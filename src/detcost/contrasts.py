"""Contrasts: every setting's step time against every other's, from the blocks they shared."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
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
    mean = np.full((size, size), np.nan)
    variance, freedom = mean.copy(), mean.copy()
    together: dict[tuple[str, int], list[int]] = {}
    for place, record in enumerate(records):
        if record and record.status == "ok" and record.cost:
            together.setdefault((record.run_id, record.cost.blocks), []).append(place)
    alone: dict[int, tuple[float, float, float]] = {}
    for places in together.values():
        known, logs = _believable_logs([records[place] for place in places])
        own = [place for place, sound in zip(places, known, strict=True) if sound]
        if own:
            at = np.ix_(own, own)
            mean[at], variance[at], freedom[at] = _paired(logs[known])
            alone |= dict(zip(own, zip(*_alone(logs[known]), strict=True), strict=True))
    _compare_apart(mean, variance, freedom, alone | _default_alone(records, alone))
    return Contrasts(mean, variance, freedom)


def _compare_apart(
    mean: Matrix,
    variance: Matrix,
    freedom: Matrix,
    alone: Mapping[int, tuple[float, float, float]],
) -> None:
    """Fill in what no blocks were shared for, from each one's mean, variance and freedom."""
    for i, j in zip(*np.nonzero(np.isnan(mean)), strict=True):
        if i in alone and j in alone:
            (one, other), spread, degrees = np.transpose([alone[i], alone[j]])
            mean[i, j] = one - other
            variance[i, j], freedom[i, j] = _welch(spread, degrees)


def _default_alone(
    records: Sequence[Evidence | None], known: Container[int]
) -> dict[int, tuple[float, float, float]]:
    """Return ``default`` where its own cost, the A/A arm's, was lost: by definition it is 1."""
    return {
        place: (0.0, 0.0, 1.0)
        for place, record in enumerate(records)
        if record and record.status == "ok" and record.setting == "default" and place not in known
    }


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


def _alone(logs: Matrix) -> tuple[list[float], list[float], list[float]]:
    """Return the mean of each row, the mean's variance and its degrees of freedom."""
    rows, blocks = logs.shape
    spread = logs.var(axis=1, ddof=1) / blocks if blocks > 1 else np.full(rows, np.nan)
    return logs.mean(axis=1).tolist(), spread.tolist(), [blocks - 1.0] * rows


def _believable_logs(records: Sequence[Evidence | None]) -> tuple[npt.NDArray[np.bool_], Matrix]:
    """Return which records have costs that can be, and the logs of all, a row a record.

    Of ``default`` they are 0: its own record holds the A/A arm's.
    """
    blocks = max(each.cost.blocks for each in records if each and each.cost)
    rows = [
        each.cost.block_ratios
        if each and each.cost and len(each.cost.block_ratios) == blocks in range(1, MOST_BLOCKS + 1)
        else [math.nan]
        for each in records
    ]
    ratios = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in zip(ratios, rows, strict=True):
        row[: len(values)] = values
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(ratios)
    known = (np.abs(logs) <= math.log(LARGEST_RATIO)).all(axis=1)
    default = [each is not None and each.setting == "default" for each in records]
    logs[known & default] = 0.0
    return known, logs


def log_costs(record: Evidence) -> list[float]:
    """Return the log ratio to ``default`` of every block; none where there is no telling."""
    if record.status != "ok" or not record.cost or not record.cost.blocks:
        return []
    known, logs = _believable_logs([record])
    return list(logs[0].tolist()) if known[0] else []


def _known(end: float) -> float | None:
    return float(end) if math.isfinite(end) else None
