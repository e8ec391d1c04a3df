"""Contrasts: every setting's step time against every other's, from the blocks they shared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from detcost.evidence.schema import Record
from detcost.intervals import BAND, CONFIDENCE, Interval

#: No step is slowed this many times: a stranger's figure beyond it was not measured.
LARGEST_RATIO = 1e6
#: Far more than any profile measures.
MOST_BLOCKS = 1000

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int_]
Mask = npt.NDArray[np.bool_]
N = TypeVar("N", np.int_, np.float64)


class Estimate(Interval, frozen=True, kw_only=True):
    """A ratio of step times with its 95 % interval; of several scenarios, the geometric mean."""

    ratio: float


@dataclass(frozen=True)
class Contrasts:
    """Log ratios of the step times of ``S`` settings, row ÷ column.

    Arrays of shape (..., S, S): of several scenarios, a matrix each.

    Attributes
    ----------
    mean
        Mean log ratio over blocks; NaN where one of the two has no cost.
    variance
        Of that mean; NaN where there are fewer than two blocks.
    freedom
        Degrees of freedom of the variance.
    """

    mean: Array
    variance: Array
    freedom: Array

    @cached_property
    def margin(self) -> Array:
        """Half the width of the 95 % intervals of the log ratios."""
        from scipy.special import stdtrit  # quantile of Student's t, which takes long

        each = (..., *np.tril_indices(self.freedom.shape[-1]))  # above the diagonal is the same
        freedom = self.freedom[each]
        if (freedom == freedom.flat[:1]).all():
            freedom = freedom.flat[:1]
        margin = np.empty_like(self.variance)
        margin[each] = stdtrit(freedom, (1 + CONFIDENCE) / 2) * np.sqrt(self.variance[each])
        margin.swapaxes(-1, -2)[each] = margin[each]
        return margin

    @property
    def ties(self) -> Mask:
        """Whether the row's time cannot be told from the column's, which is the cheaper.

        It can where the whole interval of their ratio lies above the free band.
        """
        return np.asarray(~(self.mean - self.margin > math.log1p(BAND)))

    def of(self, scenarios: Sequence[int]) -> Contrasts:
        """Return the matrices of some of the scenarios, by their places."""
        return Contrasts(self.mean[scenarios], self.variance[scenarios], self.freedom[scenarios])

    def ratios(self, against: int | None) -> Array:
        """Return each setting's ratio to one of them, with the ends of its interval.

        The shape is (..., S, 3); NaN is unknown, as everything is against ``None``.
        """
        if against is None:
            return np.full((*self.mean.shape[:-1], 3), np.nan)
        means, margins = self.mean[..., against], self.margin[..., against]
        return np.exp(np.stack([means, means - margins, means + margins], axis=-1))


def estimates(ratios: Array) -> list[Estimate | None]:
    """Return the estimates of a (S, 3) array of ratios; ``None`` where there is no cost."""
    return [
        None if math.isnan(ratio) else Estimate(ratio=ratio, low=_known(low), high=_known(high))
        for ratio, low, high in ratios.tolist()
    ]


def between(rows: Sequence[Sequence[Record | None]]) -> Contrasts:
    """Compare the settings of each scenario: a row a scenario, and in it a record a setting.

    Two settings of one run are compared block by block, as :func:`detcost.intervals.ratio`
    does with ``default``: what a block has in common cancels. A setting whose interval is
    narrow takes no part in later blocks, so the two share the first ones, and the covariance of
    their means is that of these blocks ÷ the larger number. Of two runs only each one's ratio
    to its own ``default`` is known; their variances add up, with the degrees of freedom of
    Welch, "The generalization of 'Student's' problem", Biometrika 34 (1947). ``default`` is 1
    by definition.
    """
    logs, blocks = _believable_logs(rows)
    # Default stands in every block, also in those that its own record, the A/A arm's, is not of.
    blocks = np.where(_of_default(rows), blocks.max(axis=1, keepdims=True, initial=0), blocks)
    one, other = blocks[..., :, None], blocks[..., None, :]
    shared, most = np.minimum(one, other), np.maximum(one, other)
    # Added up block by block: numpy's sum and product part the work by how much there is, and a
    # scenario's last bits would hang on how many blocks its neighbours have.
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sum(np.moveaxis(logs, 2, 0), np.zeros(blocks.shape)) / blocks
        around = np.where(_inside(logs, blocks), logs - means[..., None], 0)
        products = (each[..., :, None] * each[..., None, :] for each in np.moveaxis(around, 2, 0))
        product = sum(products, np.zeros((*blocks.shape, blocks.shape[1])))
        product /= most * (shared - 1.0)
    variances, freedom = np.diagonal(product, axis1=1, axis2=2), np.maximum(blocks - 1.0, 1)
    # By definition default is 1, even where its own cost, the A/A arm's, was lost.
    lost = _of_default(rows) & (blocks == 0)
    means, variances = np.where(lost, 0, means), np.where(lost, 0, variances)
    apart, degrees = _welch(_both(variances), _both(freedom))
    paired = _of_one_run(rows, blocks)
    variance = np.where(paired, np.maximum(apart - 2 * product, 0), apart)
    variance[np.eye(blocks.shape[1], dtype=bool) & paired] = 0  # with one block it was unknown
    return Contrasts(
        mean=means[..., :, None] - means[..., None, :],
        variance=variance,
        freedom=np.where(paired, np.maximum(shared - 1.0, 1), degrees),
    )


def _both(each: npt.NDArray[N]) -> npt.NDArray[N]:
    """Return what rows and columns have, of shape (2, scenarios, settings, settings)."""
    return np.stack(np.broadcast_arrays(each[..., :, None], each[..., None, :]))


def _of_one_run(rows: Sequence[Sequence[Record | None]], blocks: Counts) -> Mask:
    """Return whether two settings' costs are from the same run, and so from shared blocks."""
    numbers: dict[str, int] = {}
    names = [record.run_id if record else "" for row in rows for record in row]
    runs = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=int)
    own, other = _both(runs.reshape(blocks.shape))
    many, others = _both(blocks)
    return np.asarray((own == other) & (many > 0) & (others > 0))


def combine(contrasts: Contrasts) -> Contrasts:
    """Return the geometric mean over scenarios, each of which weighs the same.

    Scenarios are measured in blocks of their own, so their variances add up.
    """
    n = len(contrasts.mean)
    if n == 1:
        return Contrasts(contrasts.mean[0], contrasts.variance[0], contrasts.freedom[0])
    total, freedom = _welch(contrasts.variance / n**2, contrasts.freedom)
    return Contrasts(contrasts.mean.mean(axis=0), total, freedom)


def worst(ratios: Array) -> Array:
    """Return the greatest of each setting's ratios; NaN where one of them is not known.

    ``ratios`` has the shape (scenarios, S, 3), as :meth:`Contrasts.ratios` gives it.
    """
    place = ratios[..., 0].argmax(axis=0)  # of what holds NaN, the place of the first
    return np.asarray(ratios[place, np.arange(len(place))])


def _welch(variances: Array, freedoms: Array) -> tuple[Array, Array]:
    """Add variances up along the first axis, with Welch and Satterthwaite's degrees of freedom."""
    total = variances.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = total**2 / (variances**2 / freedoms).sum(axis=0)
    # Nothing varied, as with default against itself: any number of degrees will do.
    return total, np.where(total == 0, freedoms.max(axis=0), freedom)


def _believable_logs(rows: Sequence[Sequence[Record | None]]) -> tuple[Array, Counts]:
    """Return the logs of the blocks' ratios, filled up with zeros, and how many there are.

    There are none where they cannot be. Of ``default`` they are 0: its own record holds the
    A/A arm's.
    """
    ratios = [[_ratios(record) for record in row] for row in rows]
    blocks = np.array([len(each) for row in ratios for each in row], dtype=int)
    blocks = blocks.reshape(_shape(rows))
    logs = np.zeros((*blocks.shape, blocks.max(initial=0)))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [value for row in ratios for each in row for value in each]
        logs[_inside(logs, blocks)] = np.log(np.array(values, dtype=float))
    sound = (np.abs(logs) <= math.log(LARGEST_RATIO)).all(axis=2)
    logs[~sound | _of_default(rows)] = 0
    return logs, np.where(sound, blocks, 0)


def _shape(rows: Sequence[Sequence[object]]) -> tuple[int, int]:
    return len(rows), len(rows[0]) if rows else 0


def _ratios(record: Record | None) -> list[float]:
    if record is None or record.status != "ok" or record.cost is None:
        return []
    found = record.cost.block_ratios
    return found if len(found) == record.cost.blocks <= MOST_BLOCKS else []


def _inside(logs: Array, blocks: Counts) -> Mask:
    return np.asarray(np.arange(logs.shape[2]) < blocks[..., None])


def _of_default(rows: Sequence[Sequence[Record | None]]) -> Mask:
    found = [r and r.setting == "default" and r.status == "ok" for row in rows for r in row]
    return np.array(found, dtype=bool).reshape(_shape(rows))


def log_costs(record: Record) -> list[float]:
    """Return the log ratio to ``default`` of every block; none where there is no telling."""
    logs, blocks = _believable_logs([[record]])
    return list(logs[0, 0, : blocks[0, 0]].tolist())


def _known(end: float) -> float | None:
    return end if math.isfinite(end) else None
