"""The step at which two trainings diverge, and the growth of their difference."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from detcost.outputs.digests import STRING, Leaf
from detcost.outputs.float64_error import relative_error

#: Maximum number of steps with a recorded difference.
POINTS = 12


class Trajectory(msgspec.Struct, frozen=True):
    """The divergence of a training from its reference. Steps are counted from 0.

    Parameters
    ----------
    first_step
        The first step after which any byte differs.
    steps
        Up to 12 steps, evenly spaced from the first differing step to the last step.
    relative
        ‖a − r‖₂/‖r‖₂ after each of these steps, with reference r; ``None`` where it is
        undefined.
    """

    first_step: int
    steps: list[int]
    relative: list[float | None]


def is_trajectory(leaves: Sequence[Leaf]) -> bool:
    """Return whether the outputs share a leading axis, which can be the step of a training."""
    axes = {leaf.shape[:1] for leaf in leaves}
    numeric = all(leaf.dtype != STRING for leaf in leaves)
    return numeric and len(axes) == 1 and axes.isdisjoint({(), (0,)})


def trace(reference: Sequence[Leaf], leaves: Sequence[Leaf]) -> Trajectory | None:
    """Compare two trajectories of equal types and shapes; ``None`` if no byte differs."""
    steps = range(leaves[0].shape[0])
    first = next((step for step in steps if _differ(_at(reference, step), _at(leaves, step))), None)
    if first is None:
        return None
    shown = np.linspace(first, steps[-1], min(POINTS, len(steps) - first)).astype(int).tolist()
    relative = [relative_error(_at(reference, step), _at(leaves, step)) for step in shown]
    return Trajectory(first, shown, relative)


def worst(a: Trajectory | None, b: Trajectory | None) -> Trajectory | None:
    """Merge two trajectories: the earlier first step, and the curve with the greatest end.

    ``None`` stands for no divergence; the other trajectory is returned then.
    """
    if a is None or b is None:
        return b if a is None else a
    farther = max(a, b, key=_from_the_end)
    return Trajectory(min(a.first_step, b.first_step), farther.steps, farther.relative)


def _from_the_end(curve: Trajectory) -> tuple[list[tuple[bool, float]], list[int]]:
    """Return a sort key by the last differences, unknown ones last. Only equal curves tie."""
    return [(x is None, x or 0.0) for x in reversed(curve.relative)], curve.steps


def _at(leaves: Sequence[Leaf], step: int) -> list[Leaf]:
    """Return the outputs of one step."""
    return [
        Leaf(leaf.dtype, leaf.shape[1:], leaf.data.reshape(leaf.shape[0], -1)[step])
        for leaf in leaves
    ]


def _differ(reference: Sequence[Leaf], leaves: Sequence[Leaf]) -> bool:
    pairs = zip(reference, leaves, strict=True)
    return not all(np.array_equal(ours.data, theirs.data) for ours, theirs in pairs)
