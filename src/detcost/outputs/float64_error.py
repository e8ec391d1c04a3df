"""The error of outputs, relative to the same program in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from detcost.outputs.digests import Array, Leaf, chunks, is_float


def relative_error(reference: Sequence[Leaf], leaves: Sequence[Leaf]) -> float | None:
    """Return the greatest ‖a − r‖₂/‖r‖₂ of any output a and its reference r.

    Each output is divided by its own norm, so that a large output cannot hide the error of a
    small one. The computation is in float64 and in chunks, so it needs little extra memory.

    Parameters
    ----------
    reference
        The correct outputs. Floats are in float64 or complex128.
    leaves
        The outputs to check, in floats of any type. Other types are ignored.

    Returns
    -------
    float or None
        0 if an output and its reference are both zero. ``None`` if the error is undefined:

        * no output has floats;
        * the numbers of outputs, the shapes or the kinds (real, complex, other) differ;
        * the reference is zero and the output is not;
        * any element is infinite or NaN, even if both are at the same position.
    """
    if list(map(_form, reference)) != list(map(_form, leaves)):
        return None
    pairs = zip(reference, leaves, strict=True)
    errors = [_error(exact, leaf) for exact, leaf in pairs if is_float(leaf.dtype)]
    return max(errors) if errors and all(map(math.isfinite, errors)) else None


def _form(leaf: Leaf) -> tuple[bool, bool, tuple[int, ...]]:
    return is_float(leaf.dtype), leaf.dtype.startswith("complex"), leaf.shape


def _error(reference: Leaf, leaf: Leaf) -> float:
    """Return the relative error of one output; not finite if it is undefined."""
    wide = np.complex128 if leaf.dtype.startswith("complex") else np.float64
    size = distance = 0.0
    with np.errstate(all="ignore"):  # errors that are not finite become None
        for r, a in chunks(reference.array, leaf.array):
            size = math.hypot(size, _norm(r.astype(wide)))
            distance = math.hypot(distance, _norm(a.astype(wide) - r))
    if size == 0:
        return 0.0 if distance == 0 else math.inf
    return distance / size


def _norm(numbers: Array) -> float:
    """Return ‖x‖₂ of float64 or complex128, shape (n,), without overflow of squares."""
    parts = numbers.view(np.float64)
    greatest = float(np.abs(parts).max(initial=0))
    if greatest == 0 or not math.isfinite(greatest):
        return greatest
    return greatest * math.sqrt(np.square(parts / greatest).sum())
