"""Distances between outputs are what their definitions say, for every type and any size."""

import itertools
import math
import tracemalloc

import ml_dtypes
import msgspec
import numpy as np
import pytest

from detcost import severity
from detcost.divergence import leaves, load, save
from detcost.severity import Severity, worst

UNKNOWN = Severity(None, None, None)
SMALL_FLOATS = [
    *("bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz"),
    *("float8_e5m2fnuz", "float8_e4m3b11fnuz", "float4_e2m1fn"),
]
DTYPES = {
    name: np.dtype(getattr(ml_dtypes, name)) for name in SMALL_FLOATS if hasattr(ml_dtypes, name)
}
DTYPES |= {name: np.dtype(name) for name in ("float16", "float32", "float64")}


def compare(reference, outputs):
    return severity.compare(leaves(reference), leaves(outputs))


def floats(*values, dtype=np.float32):
    return np.array(values, np.float64).astype(dtype)


# -- units in the last place -----------------------------------------------------------


@pytest.mark.parametrize("name", DTYPES)
def test_equal_outputs_are_nothing_apart(name):
    array = floats(0, -1, 1.5, 2, dtype=DTYPES[name])
    assert compare(array, array) == Severity(max_ulp=0, fraction_differing=0, mean_relative=0)


@pytest.mark.parametrize("name", DTYPES)
def test_neighbouring_floats_are_one_unit_apart_on_either_side_of_zero(name):
    dtype = DTYPES[name]
    for start in (-2.0, 1.0, 1.5, 0.0):
        one = floats(start, dtype=dtype)
        word = one.view(f"u{dtype.itemsize}")
        assert compare(one, (word + 1).view(dtype)).max_ulp == 1
        assert compare((word + 1).view(dtype), one).max_ulp == 1


@pytest.mark.parametrize("name", [n for n in DTYPES if DTYPES[n].itemsize == 1])
def test_distances_of_all_pairs_of_a_small_type_count_the_numbers_between(name):
    dtype = DTYPES[name]
    codes = np.arange(1 << ml_dtypes.finfo(dtype).bits, dtype=np.uint8).view(dtype)
    codes = codes[~np.isnan(codes)]
    numbers = codes.astype(np.float64)
    rank = {value: place for place, value in enumerate(sorted(set(numbers)))}  # −0 equals 0
    for a, b in itertools.combinations(range(0, len(codes), 5), 2):
        expected = abs(rank[numbers[a]] - rank[numbers[b]])
        assert compare(codes[[a]], codes[[b]]).max_ulp == expected


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_distances_agree_with_walking_from_float_to_float(dtype):
    start = dtype(-3e-7)  # from a subnormal half across zero
    walked = start
    for _ in range(40):
        walked = np.nextafter(walked, dtype(1))
    assert compare(np.array([start]), np.array([walked])).max_ulp == 40


def test_the_greatest_distance_of_doubles_does_not_overflow():
    found = compare(floats(-math.inf, dtype=float), floats(math.inf, dtype=float))
    assert found.max_ulp == 2 * 0x7FF0 << 48
    assert msgspec.json.decode(msgspec.json.encode(found), type=Severity) == found


def test_zeros_of_either_sign_are_no_distance_apart_yet_differ():
    found = compare(floats(0.0, 1.0), floats(-0.0, 1.0))
    assert found == Severity(max_ulp=0, fraction_differing=0.5, mean_relative=0)


def test_infinity_is_one_beyond_the_greatest_number():
    greatest = np.array([np.finfo(np.float32).max])
    assert compare(greatest, floats(math.inf)).max_ulp == 1


def test_complex_numbers_are_two_floats():
    a = np.array([1 + 1j, 2 + 2j], np.complex64)
    b = a.copy()
    b.view(np.uint32)[1] += 3  # an imaginary part
    b.view(np.uint32)[2] += 7  # a real part
    assert compare(a, b).max_ulp == 7
    wide = a.astype(np.complex128)
    assert compare(wide, wide.conj()).fraction_differing == 1


def test_the_worst_of_all_outputs_is_reported_wherever_it_is():
    ones = floats(1, 1, 1)
    off = ones.copy()
    off.view(np.uint32)[2] += 5
    assert compare([ones, ones], [off, ones]).max_ulp == 5
    assert compare([ones, ones], [ones, off]).max_ulp == 5


# -- NaN -------------------------------------------------------------------------------


def test_a_nan_against_a_number_has_no_distance():
    for a, b in ((math.nan, 1), (1, math.nan)):
        found = compare(floats(a, 1, 1, 1), floats(b, 1, 1, 9))
        assert found == Severity(max_ulp=None, fraction_differing=0.5, mean_relative=None)


def test_a_nan_met_once_is_not_forgotten_by_later_outputs():
    assert compare([floats(math.nan), floats(1)], [floats(1), floats(2)]).max_ulp is None
    assert compare([floats(1), floats(math.nan)], [floats(2), floats(1)]).max_ulp is None


def test_two_nans_are_equal_but_for_their_bytes():
    nans = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    found = compare(nans[:1], nans[1:])
    assert found == Severity(max_ulp=0, fraction_differing=1, mean_relative=0)


# -- V_c and V_ermv --------------------------------------------------------------------


def test_fraction_and_mean_relative_are_what_shanmugavelu_et_al_define():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(1000)
    b = np.where(rng.random(1000) < 0.3, a * (1 + 1e-9), a)
    found = compare(a, b)
    assert found.fraction_differing == np.mean(a != b)
    assert found.mean_relative == pytest.approx(np.mean(np.abs(a - b) / np.abs(a)), rel=1e-12)


def test_a_mean_relative_error_is_of_the_reference():
    assert compare(floats(1), floats(2)).mean_relative == 1
    assert compare(floats(2), floats(1)).mean_relative == 0.5


def test_elements_where_only_the_reference_is_zero_have_no_relative_error():
    found = compare(floats(0, 1, 0), floats(1e-9, 1.5, 0))
    assert found.mean_relative == 0.25  # the mean of 0.5 and of 0 against 0
    assert found.fraction_differing == pytest.approx(2 / 3)
    assert found.max_ulp > 1e8
    assert compare(floats(0), floats(1)).mean_relative is None


@pytest.mark.parametrize(("a", "b"), [(math.inf, 1), (1, math.inf), (math.inf, -math.inf)])
def test_a_number_against_infinity_leaves_the_mean_unknown(a, b):
    found = compare(floats(a, 1), floats(b, 1))
    assert found.mean_relative is None
    assert found.max_ulp > 0
    assert compare(floats(math.inf), floats(math.inf)).mean_relative == 0


def test_outputs_are_weighed_by_their_elements():
    found = compare([floats(1, 1, 1), floats(1)], [floats(1, 1, 1), floats(2)])
    assert (found.fraction_differing, found.mean_relative) == (0.25, 0.25)


# -- other types -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, ml_dtypes.int4])
def test_integers_and_bools_have_a_fraction_only(dtype):
    found = compare(np.array([0, 1, 1, 1]).astype(dtype), np.array([0, 1, 1, 0]).astype(dtype))
    assert found == Severity(max_ulp=None, fraction_differing=0.25, mean_relative=None)


def test_strings_have_a_fraction_only():
    a, b = (np.array(texts, object) for texts in (["ab", "c", "", "x"], ["a", "bc", "", "y"]))
    assert compare(a, b) == Severity(None, 0.75, None)


def test_integers_beside_floats_do_not_hide_the_distance():
    found = compare([floats(1), 7], [floats(1), 8])
    assert found == Severity(max_ulp=0, fraction_differing=0.5, mean_relative=0)


def test_outputs_without_elements_have_nothing_to_tell():
    assert compare(floats(), floats()) == UNKNOWN


@pytest.mark.parametrize("other", [[1.0, 2.0], np.float32(1), np.ones(1), "text"])
def test_outputs_of_another_type_or_shape_cannot_be_compared(other):
    assert compare(1.0, other) == UNKNOWN


# -- merging ---------------------------------------------------------------------------

SAMPLES = [None, Severity(3, 0.1, 1e-7), Severity(1, 0.5, 1e-9), Severity(None, 0.2, None), UNKNOWN]


def test_the_worst_takes_the_greater_of_each_figure():
    assert worst(Severity(3, 0.1, 1e-7), Severity(1, 0.5, 1e-9)) == Severity(3, 0.5, 1e-7)


def test_no_divergence_gives_way_and_an_unknown_figure_stays_unknown():
    known = Severity(3, 0.1, 1e-7)
    assert worst(None, None) is None
    assert worst(None, known) == known == worst(known, None)
    assert worst(known, Severity(None, 0.2, None)) == Severity(None, 0.2, None)


def test_it_does_not_matter_in_which_order_severities_are_merged():
    for a, b, c in itertools.product(SAMPLES, repeat=3):
        assert worst(a, b) == worst(b, a)
        assert worst(worst(a, b), c) == worst(a, worst(b, c))


# -- size ------------------------------------------------------------------------------


def test_chunks_give_the_same_figures_as_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((10, 103)).astype(np.float32)
    b = (a + rng.choice([0, 1e-6], a.shape)).astype(np.float32)
    whole = compare(a, b)
    monkeypatch.setattr(severity, "CHUNK", 7)
    chunked = compare(a, b)
    assert chunked.max_ulp == whole.max_ulp
    assert chunked.fraction_differing == whole.fraction_differing
    assert chunked.mean_relative == pytest.approx(whole.mean_relative)


def test_memory_stays_under_256_mb_however_large_the_outputs(tmp_path):
    def peak(elements):
        ones = np.ones(elements, np.complex128)  # the widest type, and every element differs
        save(leaves(ones), tmp_path / "reference")
        ones += 1
        reference, outputs = load(tmp_path / "reference"), leaves(ones)
        tracemalloc.start()
        severity.compare(reference, outputs)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(2 << 20), peak(8 << 20)
    assert large < 256e6
    assert large == pytest.approx(small, rel=0.05)
