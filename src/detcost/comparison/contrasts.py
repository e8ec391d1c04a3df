"""Contrasts: the ratio of step times of every two settings, from the blocks that both ran in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from detcost.evidence.schema import Record
from detcost.intervals import BAND, CONFIDENCE, Interval

#: No setting is so many times slower. A larger figure in untrusted evidence was not measured.
LARGEST_RATIO = 1e6
#: Far more blocks than any profile measures.
MOST_BLOCKS = 1000

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int_]
Mask = npt.NDArray[np.bool_]
N = TypeVar("N", np.int_, np.float64)


class Estimate(Interval, frozen=True, kw_only=True):
    """A ratio of step times, or a geometric mean over scenarios, with its 95 % interval."""

    ratio: float


@dataclass(frozen=True)
class Contrasts:
    """Log ratios of the step times of ``S`` settings, row ÷ column.

    The arrays have the shape (..., S, S), with one matrix for each scenario.

    Attributes
    ----------
    mean
        The mean log ratio over blocks; NaN if one of the two settings has no cost.
    variance
        The variance of the mean; NaN if there are fewer than two blocks.
    freedom
        The degrees of freedom of the variance.
    """

    mean: Array
    variance: Array
    freedom: Array

    @cached_property
    def margin(self) -> Array:
        """Half the width of the 95 % intervals of the log ratios."""
        from scipy.special import stdtrit  # quantile of Student's t

        # The quantile is slow to compute, and the matrices are symmetric: one triangle is enough.
        triangle = (..., *np.tril_indices(self.freedom.shape[-1]))
        freedom = self.freedom[triangle]
        if (freedom == freedom.flat[:1]).all():
            freedom = freedom.flat[:1]
        margin = np.empty_like(self.variance)
        margin[triangle] = stdtrit(freedom, (1 + CONFIDENCE) / 2) * np.sqrt(self.variance[triangle])
        margin.swapaxes(-1, -2)[triangle] = margin[triangle]
        return margin

    @property
    def ties(self) -> Mask:
        """Whether the row's setting is not shown to cost more than the column's setting.

        It is shown if the whole interval of their ratio lies above the free band.
        """
        return np.asarray(~(self.mean - self.margin > math.log1p(BAND)))

    def for_scenarios(self, scenarios: Sequence[int]) -> Contrasts:
        """Return the matrices of some scenarios, by index."""
        return Contrasts(self.mean[scenarios], self.variance[scenarios], self.freedom[scenarios])

    def ratios(self, against: int | None) -> Array:
        """Return the ratio of each setting to one setting, with the ends of its interval.

        The shape is (..., S, 3). NaN is unknown, and against ``None`` all are unknown.
        """
        if against is None:
            return np.full((*self.mean.shape[:-1], 3), np.nan)
        means, margins = self.mean[..., against], self.margin[..., against]
        return np.exp(np.stack([means, means - margins, means + margins], axis=-1))


def estimates(ratios: Array) -> list[Estimate | None]:
    """Return the estimates of an (S, 3) array of ratios; ``None`` for a setting without cost."""
    return [
        None if math.isnan(ratio) else Estimate(ratio=ratio, low=_known(low), high=_known(high))
        for ratio, low, high in ratios.tolist()
    ]


def between(rows: Sequence[Sequence[Record | None]]) -> Contrasts:
    """Compare the settings of each scenario.

    Two settings of one run are compared block by block, as :func:`detcost.intervals.ratio` compares
    a setting with ``default``: what a block has in common cancels. A setting with a narrow interval
    takes no part in later blocks. So two settings share the first blocks, and the covariance of
    their means is that of the shared blocks ÷ the larger number of blocks.

    For two settings of two runs, only the ratio of each to its own ``default`` is known. Their
    variances add up, with the degrees of freedom of Welch, "The generalization of 'Student's'
    problem", Biometrika 34 (1947).

    The cost of ``default`` is 1 by definition.

    Parameters
    ----------
    rows
        For each scenario, one record for each setting.
    """
    logs, blocks = _log_ratios(rows)
    # Default runs in every block. Its record stores the A/A comparison, which may have fewer.
    # The cost of default is 1 even if no setting has blocks.
    blocks = np.where(_is_default(rows), blocks.max(axis=1, keepdims=True, initial=1), blocks)
    one, other = blocks[..., :, None], blocks[..., None, :]
    shared, most = np.minimum(one, other), np.maximum(one, other)
    # Blocks are added one by one. numpy's sum and product split the work by its size, so the last
    # bits of one scenario would depend on how many blocks the other scenarios have.
    with np.errstate(invalid="ignore"):
        means = sum(np.moveaxis(logs, 2, 0)) / blocks
        around = np.where(_inside(logs, blocks), logs - means[..., None], 0)
        products = (log[..., :, None] * log[..., None, :] for log in np.moveaxis(around, 2, 0))
        product = sum(products) / (most * (shared - 1.0))
    variances, freedom = np.diagonal(product, axis1=1, axis2=2), np.maximum(blocks - 1.0, 1)
    apart, degrees = _welch(_both(variances), _both(freedom))
    paired = _of_one_run(rows)
    variance = np.where(paired, np.maximum(apart - 2 * product, 0), apart)
    variance[np.eye(blocks.shape[1], dtype=bool) & paired] = 0  # with one block it is unknown
    return Contrasts(
        mean=means[..., :, None] - means[..., None, :],
        variance=variance,
        freedom=np.where(paired, np.maximum(shared - 1.0, 1), degrees),
    )


def _both(values: npt.NDArray[N]) -> npt.NDArray[N]:
    """Return the values of rows and of columns, in shape (2, scenarios, settings, settings)."""
    return np.stack(np.broadcast_arrays(values[..., :, None], values[..., None, :]))


def _of_one_run(rows: Sequence[Sequence[Record | None]]) -> Mask:
    """Return whether the costs of two settings are from one run, and so from shared blocks."""
    numbers: dict[str, int] = {}
    names = [record.run_id if record else "" for row in rows for record in row]
    runs = np.array([numbers.setdefault(name, len(numbers)) for name in names])
    own, other = _both(runs.reshape(_shape(rows)))
    return np.asarray(own == other)


def combine(contrasts: Contrasts) -> Contrasts:
    """Return the geometric mean over scenarios. All scenarios have the same weight.

    Scenarios are measured in separate blocks, so their variances add up.
    """
    n = len(contrasts.mean)
    if n == 1:
        return Contrasts(contrasts.mean[0], contrasts.variance[0], contrasts.freedom[0])
    total, freedom = _welch(contrasts.variance / n**2, contrasts.freedom)
    return Contrasts(contrasts.mean.mean(axis=0), total, freedom)


def worst(ratios: Array) -> Array:
    """Return the greatest ratio of each setting over scenarios; NaN if one is unknown.

    ``ratios`` has the shape (scenarios, S, 3), as :meth:`Contrasts.ratios` returns it.
    """
    index = ratios[..., 0].argmax(axis=0)  # the index of the first NaN, if there is one
    return np.asarray(ratios[index, np.arange(len(index))])


def _welch(variances: Array, freedoms: Array) -> tuple[Array, Array]:
    """Add variances along the first axis, with the degrees of freedom of Welch–Satterthwaite."""
    total = variances.sum(axis=0)
    with np.errstate(invalid="ignore"):
        freedom = total**2 / (variances**2 / freedoms).sum(axis=0)
    # If nothing varies, as with default against itself, the degrees do not matter.
    return total, np.where(total == 0, freedoms.max(axis=0), freedom)


def _log_ratios(rows: Sequence[Sequence[Record | None]]) -> tuple[Array, Counts]:
    """Return the log ratio of each block, padded with zeros, and the number of blocks.

    A record with an impossible ratio counts as one without blocks. The log ratios of ``default``
    are 0, because its record stores the A/A comparison.
    """
    ratios = [_ratios(record) for row in rows for record in row]
    blocks = np.array([len(values) for values in ratios], dtype=int).reshape(_shape(rows))
    logs = np.zeros((*blocks.shape, blocks.max(initial=0)))
    with np.errstate(invalid="ignore", divide="ignore"):
        logs[_inside(logs, blocks)] = np.log(np.array([*chain(*ratios)], dtype=float))
    possible = (np.abs(logs) <= math.log(LARGEST_RATIO)).all(axis=2)
    logs[~possible | _is_default(rows)] = 0
    return logs, np.where(possible, blocks, 0)


def _shape(rows: Sequence[Sequence[object]]) -> tuple[int, int]:
    return len(rows), len(rows[0]) if rows else 0


def _ratios(record: Record | None) -> list[float]:
    if record is None or record.status != "ok" or record.cost is None:
        return []
    ratios = record.cost.block_ratios
    return ratios if len(ratios) == record.cost.blocks <= MOST_BLOCKS else []


def _inside(logs: Array, blocks: Counts) -> Mask:
    """Return which elements of the logs are blocks, and not padding."""
    return np.asarray(np.arange(logs.shape[2]) < blocks[..., None])


def _is_default(rows: Sequence[Sequence[Record | None]]) -> Mask:
    flags = [r and r.setting == "default" and r.status == "ok" for row in rows for r in row]
    return np.array(flags, dtype=bool).reshape(_shape(rows))


def log_costs(record: Record) -> list[float]:
    """Return the log ratio to ``default`` of every block; empty if it is unknown."""
    logs, blocks = _log_ratios([[record]])
    return list(logs[0, 0, : blocks[0, 0]].tolist())


def _known(end: float) -> float | None:
    return end if math.isfinite(end) else None
