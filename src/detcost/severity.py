"""How far apart two outputs are whose bytes differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt

from detcost.divergence import STRING, Leaf, signature

#: Elements looked at together, so that outputs of any size need little memory besides.
CHUNK = 1 << 20

Array = npt.NDArray[Any]


class Severity(msgspec.Struct, frozen=True):
    """Distances of one output from the reference; ``None`` is unknown.

    Parameters
    ----------
    max_ulp
        Greatest distance of two floats in units in the last place, counted as the floats
        between them: ±0 are 0 apart, infinity is one beyond the greatest number. A
        complex number is two floats. ``None`` if no output is of floats, or if a NaN
        stands against a number, since then there is no distance.
    fraction_differing
        V_c: share of all elements whose bytes differ. ``None`` if there are no elements.
    mean_relative
        V_ermv: mean of |a − b|/|a| over all float and complex elements, a the
        reference. Two NaNs count as equal. Elements where only a is zero are left out:
        they have no relative error, and show in the other two figures. ``None`` if
        nothing is left, or if one error is not finite, as with a number against
        infinity or NaN.

    Notes
    -----
    V_c and V_ermv are of Shanmugavelu et al., arXiv 2408.05148.
    """

    max_ulp: int | None
    fraction_differing: float | None
    mean_relative: float | None


def compare(reference: Sequence[Leaf], leaves: Sequence[Leaf]) -> Severity:
    """Measure how far leaves are from the reference; other types or shapes are all unknown."""
    if signature(reference) != signature(leaves):
        return Severity(None, None, None)
    tally = _Tally()
    for ours, theirs in zip(reference, leaves, strict=True):
        if ours.dtype == STRING:
            tally.add_strings(ours, theirs)
        else:
            for a, b in _chunks(ours.array, theirs.array):
                tally.add(a, b)
    return tally.result()


def worst(a: Severity | None, b: Severity | None) -> Severity | None:
    """Merge the severities of two comparisons: the greater of each figure.

    ``None`` for a whole severity is no divergence, and gives way. An unknown figure is
    no such thing: it might have been the worst, so the worst is unknown too.
    """
    if a is None or b is None:
        return b if a is None else a
    pairs = zip(msgspec.structs.astuple(a), msgspec.structs.astuple(b), strict=True)
    return Severity(*(None if x is None or y is None else max(x, y) for x, y in pairs))


@dataclass
class _Tally:
    """Sums over the chunks seen so far."""

    elements: int = 0
    differing: int = 0
    floats: int = 0  # of the elements, those of float or complex type
    max_ulp: int | None = 0
    with_relative: int = 0
    sum_relative: float = 0.0  # not finite once any error is not

    def add(self, a: Array, b: Array) -> None:
        differ = _bytes_differ(a, b)
        count = int(np.count_nonzero(differ))
        self.elements += a.size
        self.differing += count
        if not _is_float(a.dtype):
            return
        self.floats += a.size
        self.with_relative += a.size - count  # equal bytes are no error
        if count:
            a, b = a[differ], b[differ]
            self._add_ulp(a, b)
            errors = _relative_errors(a, b)
            self.with_relative += errors.size
            self.sum_relative += float(errors.sum())

    def add_strings(self, a: Leaf, b: Leaf) -> None:
        pairs = zip(a.strings(), b.strings(), strict=True)
        self.elements += a.size
        self.differing += sum(x != y for x, y in pairs)

    def _add_ulp(self, a: Array, b: Array) -> None:
        ulp = _ulp_distance(_parts(a), _parts(b))
        if ulp is None or self.max_ulp is None:
            self.max_ulp = None  # once a NaN met a number, no distance is the greatest
        else:
            self.max_ulp = max(self.max_ulp, ulp)

    def result(self) -> Severity:
        relative = self.sum_relative / self.with_relative if self.with_relative else np.nan
        return Severity(
            max_ulp=self.max_ulp if self.floats else None,
            fraction_differing=self.differing / self.elements if self.elements else None,
            mean_relative=relative if np.isfinite(relative) else None,
        )


def _chunks(a: Array, b: Array) -> Iterator[tuple[Array, Array]]:
    a, b = a.reshape(-1), b.reshape(-1)
    for start in range(0, a.size, CHUNK):
        yield a[start : start + CHUNK], b[start : start + CHUNK]


def _is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "fc" or "float" in dtype.name  # ml_dtypes are of kind V


def _bytes_differ(a: Array, b: Array) -> npt.NDArray[np.bool_]:
    """Per element, shape (n,), whether any byte differs."""
    word = f"u{min(a.itemsize, 8)}"
    unequal: npt.NDArray[np.bool_] = a.view(word) != b.view(word)
    return unequal if unequal.size == a.size else unequal[::2] | unequal[1::2]  # complex128


def _parts(array: Array) -> Array:
    """Complex numbers as real and imaginary parts, all else as it is."""
    return array.view(f"f{array.itemsize // 2}") if array.dtype.kind == "c" else array


def _ulp_distance(a: Array, b: Array) -> int | None:
    """Greatest distance in units in the last place; ``None`` for a NaN against a number.

    A float's bits are a sign and a magnitude that counts the floats from zero. So floats
    of equal sign are as far apart as their magnitudes, others as the sum of them, which
    fits the unsigned integer of the float's width.
    """
    nan = np.isnan(a)
    if (nan != np.isnan(b)).any():
        return None
    bits, sign = f"u{a.itemsize}", 1 << (ml_dtypes.finfo(a.dtype).bits - 1)
    a, b = a[~nan].view(bits), b[~nan].view(bits)
    x, y = a & (sign - 1), b & (sign - 1)
    distance = np.where((a ^ b) & sign, x + y, np.maximum(x, y) - np.minimum(x, y))
    return int(distance.max(initial=0))


def _relative_errors(a: Array, b: Array) -> npt.NDArray[np.float64]:
    """Give |a − b|/|a| of the elements that have it, computed in float64 or complex128."""
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    a, b = a.astype(wide), b.astype(wide)
    with np.errstate(all="ignore"):  # what is not finite is the caller's to judge
        errors: npt.NDArray[np.float64] = np.abs(a - b) / np.abs(a)
    errors[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    has_error: npt.NDArray[np.bool_] = (a != 0) | (b == 0) | ~np.isfinite(b)
    return errors[has_error]
