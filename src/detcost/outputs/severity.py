"""The distance between two outputs whose bytes differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt

from detcost.outputs import differing, trajectory
from detcost.outputs.digests import CHUNK, STRING, Array, Leaf, chunks, is_float, signature
from detcost.outputs.trajectory import Trajectory

Number = TypeVar("Number", int, float)


class Severity(msgspec.Struct, frozen=True):
    """Distances of outputs from the reference. ``None`` means unknown.

    Parameters
    ----------
    max_ulp
        Greatest distance between two floats in units in the last place, which is the number
        of floats between them. The distance of ±0 is 0. Infinity follows the greatest number.
        A complex number counts as two floats. ``None`` if no output has floats, or if a NaN
        is compared with a number.
    fraction_differing
        V_c: share of all elements whose bytes differ. ``None`` if there are no elements.
    mean_relative
        V_ermv: mean of |a − b|/|a| over all float and complex elements, with reference a. Two
        NaNs count as equal. Elements where only a is zero are left out, because they have no
        relative error. ``None`` if no element is left, or if an error is not finite, as for a
        number compared with infinity or NaN.
    trajectory
        The divergence of a training from the reference, step by step. ``None`` if the
        outputs are equal or are not those of a training.
    outputs
        The outputs that differ, by their paths in the return value of the step, such as
        ``step()[1]['loss']``, in its order. Empty if the step returns a single output. After
        20 paths the last entry is ``and at least 7 more``.

    Notes
    -----
    V_c and V_ermv are defined by Shanmugavelu et al., arXiv 2408.05148. The errors of V_ermv
    are computed in the precision of the elements, but at least in single precision. They are
    summed in double precision. Their mean is right to 6 digits for float32 and smaller types,
    to 15 for float64. Errors of complex64 under 1e-38, which real numbers cannot have, are lost.
    """

    max_ulp: int | None
    fraction_differing: float | None
    mean_relative: float | None
    trajectory: Trajectory | None = None
    outputs: list[str] = []


def compare(reference: Sequence[Leaf], leaves: Sequence[Leaf]) -> Severity:
    """Measure the distances of leaves from the reference, and name the differing outputs.

    If types or shapes differ, all distances are unknown.
    """
    outputs = differing.outputs(reference, leaves)
    if signature(reference) != signature(leaves):
        return Severity(None, None, None, outputs=outputs)
    tally = _Tally()
    with np.errstate(all="ignore"):  # errors that are not finite are handled
        for ours, theirs in zip(reference, leaves, strict=True):
            if ours.dtype == STRING:
                tally.add_strings(ours, theirs)
            else:
                for a, b in chunks(ours.array, theirs.array):
                    tally.add(a, b, is_float(ours.dtype))
    return msgspec.structs.replace(tally.result(), outputs=outputs)


def worst(a: Severity | None, b: Severity | None) -> Severity | None:
    """Merge the severities of two comparisons: the greater value of each field.

    ``None`` for a whole severity stands for no divergence; the other severity is returned
    then. An unknown field stays unknown, because it might have been the greater one.
    Trajectories merge by :func:`detcost.outputs.trajectory.worst`. The outputs are those that
    differed in either comparison.
    """
    if a is None or b is None:
        return b if a is None else a
    return Severity(
        max_ulp=_greater(a.max_ulp, b.max_ulp),
        fraction_differing=_greater(a.fraction_differing, b.fraction_differing),
        mean_relative=_greater(a.mean_relative, b.mean_relative),
        trajectory=trajectory.worst(a.trajectory, b.trajectory),
        outputs=differing.union(a.outputs, b.outputs),
    )


def _greater(x: Number | None, y: Number | None) -> Number | None:
    return None if x is None or y is None else max(x, y)


class _Scratch:
    """Buffers that chunks share, because fresh memory costs page faults."""

    def __init__(self) -> None:
        self._buffers: dict[str, Array] = defaultdict(lambda: np.empty(16 * CHUNK, np.uint8))

    def array(self, name: str, size: int, dtype: npt.DTypeLike) -> Array:
        """Return an array of shape (size,), valid until the next call with this name."""
        dtype = np.dtype(dtype)
        return self._buffers[name][: size * dtype.itemsize].view(dtype)


@dataclass
class _Tally:
    """Sums over the chunks so far."""

    elements: int = 0
    differing: int = 0
    floats: int = 0  # of the elements, those of float or complex type
    max_ulp: int = 0
    nan_against_number: bool = False  # then max_ulp is unknown
    with_relative: int = 0
    sum_relative: float = 0.0  # not finite if any error is not
    scratch: _Scratch = field(default_factory=_Scratch)

    def add(self, a: Array, b: Array, floats: bool) -> None:
        differ = _bytes_differ(a, b, self.scratch)
        count = int(np.count_nonzero(differ))
        self.elements += a.size
        self.differing += count
        if not floats:
            return
        self.floats += a.size
        self.with_relative += a.size  # equal bytes have no error
        if 8 * count < a.size:  # copying more elements takes longer than computing all
            positions = np.flatnonzero(differ)
            a, b, differ = a.take(positions), b.take(positions), differ.take(positions)
        special = self._add_ordinary(a, b, differ)
        if special.size:
            self._add_special(a.take(special), b.take(special))

    def add_strings(self, a: Leaf, b: Leaf) -> None:
        pairs = zip(a.strings(), b.strings(), strict=True)
        self.elements += a.size
        self.differing += sum(x != y for x, y in pairs)

    def _add_ordinary(self, a: Array, b: Array, differ: Array) -> Array:
        """Add the elements with finite error; return the positions of other differing elements."""
        errors = _relative_errors(a, b, self.scratch)
        special = np.empty(0, np.intp)
        if not np.isfinite(errors.max(initial=0)):
            finite = np.isfinite(errors, out=self.scratch.array("flags", a.size, bool))
            special = np.flatnonzero(np.greater(differ, finite, out=differ))
            errors.view(f"u{errors.itemsize}")[...] *= finite  # NaN · 0 is NaN, its bits · 0 are 0
        self.sum_relative += float(errors.sum(dtype=np.float64))
        self.max_ulp = max(self.max_ulp, _ulp_distance(a, b, special, self.scratch))
        return special

    def _add_special(self, a: Array, b: Array) -> None:
        """Add elements with a zero, an infinity, a NaN or an error that needs float64."""
        errors = _special_errors(a, b)
        self.with_relative -= a.size - errors.size
        self.sum_relative += float(errors.sum())
        a, b = _parts(a), _parts(b)
        nan = np.isnan(a)
        self.nan_against_number |= bool((nan != np.isnan(b)).any())
        ulp = _ulp_distance(a, b, np.flatnonzero(nan), self.scratch)
        self.max_ulp = max(self.max_ulp, ulp)

    def result(self) -> Severity:
        relative = self.sum_relative / self.with_relative if self.with_relative else np.nan
        return Severity(
            max_ulp=self.max_ulp if self.floats and not self.nan_against_number else None,
            fraction_differing=self.differing / self.elements if self.elements else None,
            mean_relative=relative if np.isfinite(relative) else None,
        )


def _bytes_differ(a: Array, b: Array, scratch: _Scratch) -> Array:
    """Return whether any byte of each element differs, shape (n,)."""
    word = f"u{min(a.itemsize, 8)}"
    x, y = a.view(word), b.view(word)
    unequal: Array = np.not_equal(x, y, out=scratch.array("unequal", x.size, bool))
    return unequal if unequal.size == a.size else unequal[::2] | unequal[1::2]  # complex128


def _parts(array: Array) -> Array:
    """View complex numbers as real and imaginary parts; leave other types unchanged."""
    return array.view(f"f{array.itemsize // 2}") if array.dtype.kind == "c" else array


def _ulp_distance(a: Array, b: Array, left_out: Array, scratch: _Scratch) -> int:
    """Return the greatest distance in units in the last place, except at positions left out.

    The bits of a float are a sign and a magnitude, which counts the floats from zero. The
    distance of two floats is the difference of their magnitudes if their signs are equal.
    Otherwise it is the sum of their magnitudes, which fits an unsigned integer of that width.
    """
    float_type = _parts(a).dtype
    width, sign = float_type.itemsize, 1 << (ml_dtypes.finfo(float_type).bits - 1)
    x, y = a.view(f"u{width}"), b.view(f"u{width}")
    apart = np.bitwise_xor(x, y, out=scratch.array("apart", x.size, x.dtype))
    flags = scratch.array("flags", x.size, bool)
    opposite = np.flatnonzero(np.greater_equal(apart, sign, out=flags))
    signed = np.subtract(x, y, out=apart).view(f"i{width}")
    np.abs(signed, out=signed)
    apart[opposite] = (x.take(opposite) & (sign - 1)) + (y.take(opposite) & (sign - 1))
    apart.view(a.dtype)[left_out] = 0
    return int(apart.max(initial=0))


def _relative_errors(a: Array, b: Array, scratch: _Scratch) -> Array:
    """Return |a − b|/|a|, shape (n,), at least in float32; not finite for special elements."""
    wide = a.dtype if a.itemsize > 2 else np.dtype(np.float32)
    x, y = _widened(a, "x", wide, scratch), _widened(b, "y", wide, scratch)
    difference = np.subtract(x, y, out=scratch.array("y", a.size, wide))
    real = difference.real.dtype
    errors: Array = np.abs(difference, out=scratch.array("errors", a.size, real))
    errors /= np.abs(x, out=scratch.array("y", a.size, real))
    return errors


def _widened(array: Array, name: str, dtype: np.dtype[Any], scratch: _Scratch) -> Array:
    """Return the same numbers in a wider type, in the named buffer if a copy is needed."""
    if array.dtype == dtype:
        return array
    out = scratch.array(name, array.size, dtype)
    if array.dtype == ml_dtypes.bfloat16:
        out[...] = array  # a bit shift; for other types a table is faster than conversion
        return out
    codes = scratch.array("codes", array.size, np.intp)
    codes[...] = array.view(f"u{array.itemsize}")
    return _values(array.dtype).take(codes, out=out, mode="clip")


@cache
def _values(dtype: np.dtype[Any]) -> npt.NDArray[np.float32]:
    """Return the numbers of all codes of a type of one or two bytes."""
    word = np.dtype(f"u{dtype.itemsize}")
    return np.arange(1 << 8 * dtype.itemsize, dtype=word).view(dtype).astype(np.float32)


def _special_errors(a: Array, b: Array) -> npt.NDArray[np.float64]:
    """Return |a − b|/|a| of the elements that have one, in float64 or complex128."""
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    a, b = a.astype(wide), b.astype(wide)
    errors: npt.NDArray[np.float64] = np.abs(a - b) / np.abs(a)
    errors[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    has_error: npt.NDArray[np.bool_] = (a != 0) | (b == 0) | ~np.isfinite(b)
    return errors[has_error]
