"""The relative error of outputs against float64 agrees with its definition, or is unknown."""

import math
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from detcost.outputs import digests, float64_error
from detcost.outputs.digests import leaves, load, save


def relative_error(reference: object, outputs: object) -> float | None:
    return float64_error.relative_error(leaves(reference), leaves(outputs))


RNG = np.random.default_rng(0)
EXACT = RNG.standard_normal((7, 13))
TYPES = [
    *(np.float16, np.float32, np.float64, ml_dtypes.bfloat16),
    *(ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz),
]


# -- the definition --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
def test_the_error_is_a_quotient_of_norms(dtype):
    rounded = EXACT.astype(dtype)
    norm = np.linalg.norm
    expected = norm(rounded.astype(np.float64) - EXACT) / norm(EXACT)
    assert relative_error(EXACT, rounded) == pytest.approx(expected, rel=1e-12)
    assert (expected == 0) == (dtype == np.float64)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_the_error_of_complex_numbers_uses_absolute_values(dtype):
    exact = np.array([3 + 4j, 0, 12j])
    assert relative_error(exact, (exact + np.array([0, 5j, 12])).astype(dtype)) == 1


def test_the_greatest_error_counts_even_of_a_small_output():
    large, small = np.ones(10_000), np.ones(1)
    assert relative_error([large, small], [large, small * 1.5]) == 0.5
    assert relative_error([small, large], [small * 1.5, large]) == 0.5


def test_the_error_is_relative_to_the_reference():
    assert relative_error(np.float64(1), np.float32(3)) == 2
    assert relative_error(np.float64(2), np.float32(1)) == 0.5


def test_zeros_are_exact_only_against_zeros():
    zeros = np.zeros(3)
    assert relative_error(zeros, -zeros.astype(np.float32)) == 0
    assert relative_error(zeros, zeros + 1e-300) is None
    assert relative_error([zeros, 1.0], [zeros, 1.5]) == 0.5
    assert relative_error(np.zeros(0), np.zeros(0, np.float32)) == 0


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e307])
def test_squares_neither_overflow_nor_underflow(scale):
    exact = np.array([3, 4, 0]) * scale
    expected = 1.0 if scale > 1e-300 else pytest.approx(1, rel=1e-2)  # subnormals have few digits
    assert relative_error(exact, np.array([3, 4, 5]) * scale) == expected


# -- what is not compared --------------------------------------------------------------


def test_outputs_of_other_types_are_ignored():
    exact, outputs = [EXACT, 1, "text", True], [EXACT * 1.5, 2, "other", False]
    assert relative_error(exact, outputs) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("exact", "outputs"),
    [
        ([1, "text"], [1, "text"]),
        (1.0, [1.0, 1.0]),
        (np.ones(2), np.ones((2, 1))),
        (np.ones(2), np.ones(2, np.int32)),
        (np.ones(2, np.int32), np.ones(2)),
        (np.ones(2), np.ones(2, np.complex64)),
        (np.ones(2, np.complex128), np.ones(2, np.float32)),
    ],
    ids=["no_float", "number", "shape", "to_int", "from_int", "to_complex", "from_complex"],
)
def test_outputs_that_do_not_correspond_have_no_error(exact, outputs):
    assert relative_error(exact, outputs) is None


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_the_error_is_unknown_if_any_number_is_not_finite(odd):
    for a, b in ((odd, 1), (1, odd), (odd, odd)):
        assert relative_error(np.array([1.0, a]), np.array([1.0, b], np.float32)) is None
        assert relative_error([1.0, a], [1.5, b]) is None
        assert relative_error([a, 1.0], [b, 1.5]) is None
    assert relative_error(math.inf, -math.inf) is None
    assert relative_error(np.array([0.0]), np.array([odd])) is None


# -- size ------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 7, 91])
def test_chunks_give_the_same_error_as_the_whole(monkeypatch, chunk):
    rounded = EXACT.astype(np.float16)
    whole = relative_error(EXACT, rounded)
    monkeypatch.setattr(digests, "CHUNK", chunk)
    assert relative_error(EXACT, rounded) == pytest.approx(whole, rel=1e-14)


def test_memory_stays_under_256_mb_for_outputs_of_any_size(tmp_path):
    def peak(elements: int) -> int:
        ones = np.ones(elements, np.complex128)
        save(leaves(ones), tmp_path / "reference")
        reference, outputs = load(tmp_path / "reference"), leaves(ones.astype(np.complex64))
        tracemalloc.start()
        assert float64_error.relative_error(reference, outputs) == 0
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(1 << 20), peak(4 << 20)
    assert large < 256e6
    assert large == pytest.approx(small, rel=0.05)
