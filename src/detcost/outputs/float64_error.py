"""How wrong an output is against the same program in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from detcost.outputs.digests import Array, Leaf, chunks, is_float


def relative_error(reference: Sequence[Leaf], leaves: Sequence[Leaf]) -> float | None:
    """Return ‖a − r‖₂/‖r‖₂, a an output and r its reference; of several outputs the greatest.

    Each output is judged by its own norm, so that a large one cannot hide a small wrong one.
    It is computed in float64, in pieces: outputs of any size need little memory besides.

    Parameters
    ----------
    reference
        The outputs as they should be, the floats among them in float64 or complex128.
    leaves
        The outputs to judge, in floats of any type. Those that are no floats are ignored.

    Returns
    -------
    float or None
        0 for an output of zeros where r is zero, too. ``None`` if there is no such number:
        no output is of floats; the two differ in number, in shapes or in which outputs
        are real, complex or neither; r is zero and a is not; or any element of either is
        infinite or NaN, be it in both at the same place.
    """
    if list(map(_form, reference)) != list(map(_form, leaves)):
        return None
    pairs = zip(reference, leaves, strict=True)
    errors = [_error(exact, leaf) for exact, leaf in pairs if is_float(leaf.dtype)]
    return max(errors) if errors and all(map(math.isfinite, errors)) else None


def _form(leaf: Leaf) -> tuple[bool, bool, tuple[int, ...]]:
    return is_float(leaf.dtype), leaf.dtype.startswith("complex"), leaf.shape


def _error(reference: Leaf, leaf: Leaf) -> float:
    """Return one output's relative error, not finite if it has none."""
    wide = np.complex128 if leaf.dtype.startswith("complex") else np.float64
    size = distance = 0.0
    with np.errstate(all="ignore"):  # what is not finite becomes None
        for r, a in chunks(reference.array, leaf.array):
            size = math.hypot(size, _norm(r.astype(wide)))
            distance = math.hypot(distance, _norm(a.astype(wide) - r))
    if size == 0:
        return 0.0 if distance == 0 else math.inf
    return distance / size


def _norm(numbers: Array) -> float:
    """Return ‖x‖₂ of float64 or complex128, shape (n,), whose squares may overflow."""
    parts = numbers.view(np.float64)
    greatest = float(np.abs(parts).max(initial=0))
    if greatest == 0 or not math.isfinite(greatest):
        return greatest
    return greatest * math.sqrt(np.square(parts / greatest).sum())
