"""Distances between outputs agree with their definitions, for every type and size."""

import itertools
import math
import tracemalloc

import ml_dtypes
import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from detcost.outputs import digests, severity
from detcost.outputs.digests import leaves, load, save
from detcost.outputs.severity import Severity, worst
from detcost.outputs.trajectory import Trajectory

UNKNOWN = Severity(None, None, None)
SMALL_FLOATS = [
    *("bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz"),
    *("float8_e5m2fnuz", "float8_e4m3b11fnuz", "float4_e2m1fn"),
]
DTYPES = {
    name: np.dtype(getattr(ml_dtypes, name)) for name in SMALL_FLOATS if hasattr(ml_dtypes, name)
}
DTYPES |= {name: np.dtype(name) for name in ("float16", "float32", "float64")}


def compare(reference: object, outputs: object) -> Severity:
    return severity.compare(leaves(reference), leaves(outputs))


def floats(*values: float, dtype: npt.DTypeLike = np.float32) -> np.ndarray:
    return np.array(values, np.float64).astype(dtype)


def codes(dtype: np.dtype) -> np.ndarray:
    """Return all floats of a type of one byte, NaN included, in the order of their bits."""
    return np.arange(1 << ml_dtypes.finfo(dtype).bits, dtype=np.uint8).view(dtype)


def by_definition(a: np.ndarray, b: np.ndarray) -> Severity:
    """Return the expected result of ``compare`` for two real arrays, element by element."""
    sign = 1 << (ml_dtypes.finfo(a.dtype).bits - 1)
    words = [x.view(f"u{x.itemsize}").tolist() for x in (a, b)]
    ranks = [[sign - w if w >= sign else w for w in x] for x in words]  # among all floats
    with np.errstate(invalid="ignore"):
        numbers = [x.astype(np.float64).tolist() for x in (a, b)]
    ulps, errors = [0], []
    for i, j, x, y in zip(*ranks, *numbers, strict=True):
        nans = math.isnan(x) + math.isnan(y)
        ulps.append([abs(i - j), None, 0][nans])
        if nans == 2 or x == y:
            errors.append(0)
        elif nans or math.isinf(x) or math.isinf(y):
            errors.append(math.inf)
        elif x:
            errors.append(abs(x - y) / abs(x))
    mean = math.fsum(errors) / len(errors) if errors else math.inf
    return Severity(
        max_ulp=None if None in ulps else max(ulps),
        fraction_differing=sum(u != v for u, v in zip(*words, strict=True)) / len(a),
        mean_relative=mean if math.isfinite(mean) else None,
    )


def assert_as_defined(a: np.ndarray, b: np.ndarray) -> None:
    result, expected = compare(a, b), by_definition(a, b)
    assert result.max_ulp == expected.max_ulp
    assert result.fraction_differing == expected.fraction_differing
    assert (result.mean_relative is None) == (expected.mean_relative is None)
    if expected.mean_relative is not None:
        precision = 1e-14 if a.dtype == np.float64 else 2e-7
        assert result.mean_relative == pytest.approx(expected.mean_relative, rel=precision)


# -- units in the last place -----------------------------------------------------------


@pytest.mark.parametrize("name", DTYPES)
def test_equal_outputs_have_distance_zero(name):
    array = floats(0, -1, 1.5, 2, dtype=DTYPES[name])
    assert compare(array, array) == Severity(max_ulp=0, fraction_differing=0, mean_relative=0)


@pytest.mark.parametrize("name", DTYPES)
def test_adjacent_floats_are_one_unit_apart(name):
    dtype = DTYPES[name]
    for start in (-2.0, 1.0, 1.5, 0.0):
        one = floats(start, dtype=dtype)
        word = one.view(f"u{dtype.itemsize}")
        assert compare(one, (word + 1).view(dtype)).max_ulp == 1
        assert compare((word + 1).view(dtype), one).max_ulp == 1


@pytest.mark.parametrize("name", [n for n in DTYPES if DTYPES[n].itemsize == 1])
def test_distances_of_a_small_type_count_the_numbers_between(name):
    dtype = DTYPES[name]
    floats_by_code = codes(dtype)
    floats_by_code = floats_by_code[~np.isnan(floats_by_code)]
    numbers = floats_by_code.astype(np.float64)
    rank = {value: position for position, value in enumerate(sorted(set(numbers)))}  # −0 equals 0
    for a, b in itertools.combinations(range(0, len(floats_by_code), 5), 2):
        expected = abs(rank[numbers[a]] - rank[numbers[b]])
        assert compare(floats_by_code[[a]], floats_by_code[[b]]).max_ulp == expected


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_distances_agree_with_repeated_nextafter(dtype):
    start = dtype(-3e-7)  # float16: a subnormal, from which 40 steps cross zero
    end = start
    for _ in range(40):
        end = np.nextafter(end, dtype(1))
    assert compare(np.array([start]), np.array([end])).max_ulp == 40


def test_the_greatest_distance_of_doubles_does_not_overflow():
    result = compare(floats(-math.inf, dtype=float), floats(math.inf, dtype=float))
    assert result.max_ulp == 2 * 0x7FF0 << 48
    assert msgspec.json.decode(msgspec.json.encode(result), type=Severity) == result


def test_zeros_of_other_signs_differ_but_have_distance_zero():
    result = compare(floats(0.0, 1.0), floats(-0.0, 1.0))
    assert result == Severity(max_ulp=0, fraction_differing=0.5, mean_relative=0)


def test_infinity_is_one_unit_after_the_greatest_number():
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


def test_the_greatest_distance_of_all_outputs_is_reported():
    ones = floats(1, 1, 1)
    off = ones.copy()
    off.view(np.uint32)[2] += 5
    assert compare([ones, ones], [off, ones]).max_ulp == 5
    assert compare([ones, ones], [ones, off]).max_ulp == 5


# -- NaN -------------------------------------------------------------------------------


def test_a_nan_against_a_number_has_no_distance():
    for a, b in ((math.nan, 1), (1, math.nan)):
        result = compare(floats(a, 1, 1, 1), floats(b, 1, 1, 9))
        assert result == Severity(max_ulp=None, fraction_differing=0.5, mean_relative=None)


def test_a_nan_counts_in_any_output():
    assert compare([floats(math.nan), floats(1)], [floats(1), floats(2)]).max_ulp is None
    assert compare([floats(1), floats(math.nan)], [floats(2), floats(1)]).max_ulp is None


def test_two_nans_are_equal_except_for_their_bytes():
    nans = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    result = compare(nans[:1], nans[1:])
    assert result == Severity(max_ulp=0, fraction_differing=1, mean_relative=0)


@pytest.mark.parametrize("name", [n for n in DTYPES if DTYPES[n].itemsize == 1])
def test_every_nan_code_of_a_small_type_is_a_nan(name):
    all_codes = codes(DTYPES[name])
    numbers, nans = all_codes[~np.isnan(all_codes)], all_codes[np.isnan(all_codes)]
    assert len(nans) == (0 if name == "float4_e2m1fn" else 1 if "fnuz" in name else len(nans))
    for nan in nans:
        same = np.full(len(nans), nan, all_codes.dtype)
        assert compare(same, nans).max_ulp == 0
        assert compare(same, nans).mean_relative == 0
        for number in numbers[::7]:
            for pair in ((number, nan), (nan, number)):
                result = compare(*(np.array([x], all_codes.dtype) for x in pair))
                assert result == Severity(None, 1, None)


# -- V_c and V_ermv --------------------------------------------------------------------


def test_fraction_and_mean_follow_shanmugavelu_et_al():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(1000)
    b = np.where(rng.random(1000) < 0.3, a * (1 + 1e-9), a)
    result = compare(a, b)
    assert result.fraction_differing == np.mean(a != b)
    assert result.mean_relative == pytest.approx(np.mean(np.abs(a - b) / np.abs(a)), rel=1e-12)


def test_errors_are_relative_to_the_reference():
    assert compare(floats(1), floats(2)).mean_relative == 1
    assert compare(floats(2), floats(1)).mean_relative == 0.5


def test_zeros_of_the_reference_have_no_relative_error():
    result = compare(floats(0, 1, 0), floats(1e-9, 1.5, 0))
    assert result.mean_relative == 0.25  # the mean of 0.5 and of 0 against 0
    assert result.fraction_differing == pytest.approx(2 / 3)
    assert result.max_ulp > 1e8
    assert compare(floats(0), floats(1)).mean_relative is None


@pytest.mark.parametrize(("a", "b"), [(math.inf, 1), (1, math.inf), (math.inf, -math.inf)])
def test_the_mean_is_unknown_if_infinity_meets_a_number(a, b):
    result = compare(floats(a, 1), floats(b, 1))
    assert result.mean_relative is None
    assert result.max_ulp > 0
    assert compare(floats(math.inf), floats(math.inf)).mean_relative == 0


def test_outputs_are_weighted_by_their_elements():
    result = compare([floats(1, 1, 1), floats(1)], [floats(1, 1, 1), floats(2)])
    assert (result.fraction_differing, result.mean_relative) == (0.25, 0.25)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64])
def test_errors_beyond_the_range_of_the_type_are_computed(dtype):
    greatest, least = (float(x) for x in (np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal))
    a, b = floats(greatest, least, dtype=dtype), floats(-greatest, greatest, dtype=dtype)
    assert compare(a[:1], b[:1]).mean_relative == 2
    assert compare(a[1:], b[1:]).mean_relative == pytest.approx(greatest / least)


def test_equal_zeros_and_infinities_have_no_error():
    a = np.resize(floats(0, math.inf, 2, -1, -math.inf, math.nan), 600)
    b = np.where(a == 2, np.float32(3), a)
    assert compare(a, b) == Severity(1 << 22, pytest.approx(1 / 6), pytest.approx(0.5 / 6))


def test_errors_of_complex_numbers_use_absolute_values():
    for dtype in (np.complex64, np.complex128):
        a = np.array([3 + 4j, 1j, 0, 2, 0], dtype)
        b = np.array([3 + 9j, 1j, 0, 2j, 1], dtype)
        expected = (1 + 0 + 0 + math.sqrt(2)) / 4  # the last element has none
        assert compare(a, b).mean_relative == pytest.approx(expected, rel=1e-6)
        nan = np.array([complex(math.nan, 1), 1], dtype)
        other = np.array([complex(math.nan, 2), 1], dtype)
        assert compare(nan, other).mean_relative == 0
        assert compare(nan, np.array([1, 1], dtype)) == Severity(None, 0.5, None)


@pytest.mark.parametrize("share", [0.02, 1])
@pytest.mark.parametrize(("dtype", "precision"), [(np.complex64, 2e-7), (np.complex128, 1e-14)])
def test_results_for_complex_numbers_follow_the_definition(dtype, precision, share):
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((400, 2)).astype(dtype(0).real.dtype)
    changed = np.where(rng.random(parts.shape) < share, parts * parts.dtype.type(1.01), parts)
    a, b = parts.view(dtype).ravel(), changed.view(dtype).ravel()
    exact, close = a.astype(np.complex128), b.astype(np.complex128)
    result = compare(a, b)
    assert result.max_ulp == by_definition(parts.ravel(), changed.ravel()).max_ulp
    assert result.fraction_differing == np.mean(a != b)
    expected = np.mean(np.abs(exact - close) / np.abs(exact))
    assert result.mean_relative == pytest.approx(expected, rel=precision)


# -- every type against the definition -------------------------------------------------

SPECIAL = {"none": (), "zeros": (0.0, -0.0), "all": (0.0, -0.0, math.inf, -math.inf, math.nan)}


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("share", [0.02, 0.6, 1])
@pytest.mark.parametrize("name", DTYPES)
def test_results_follow_the_definition_for_any_differing_share(name, share, special):
    rng = np.random.default_rng(0)
    a = rng.standard_normal(400).astype(DTYPES[name])
    differ = rng.random(a.size) < share
    for value in SPECIAL[special]:
        a[positions := rng.random(a.size) < 0.1] = floats(value, dtype=a.dtype)[0]
        differ &= ~positions
    word = a.view(f"u{a.itemsize}")
    assert_as_defined(a, (word ^ differ).view(a.dtype))  # special values meet only their equals
    crossed = np.where(rng.random(a.size) < share, word[::-1], word).view(a.dtype)
    assert_as_defined(a, crossed)  # special values meet any value


@pytest.mark.parametrize("name", [n for n in DTYPES if DTYPES[n].itemsize == 1])
def test_results_for_pairs_of_a_small_type_follow_the_definition(name):
    all_codes = codes(DTYPES[name])
    numbers = all_codes[~np.isnan(all_codes)]
    for shift in (1, 3, len(numbers) // 2, len(numbers) - 1):
        assert_as_defined(numbers, np.roll(numbers, shift))
        assert_as_defined(all_codes, np.roll(all_codes, shift))


# -- other types -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, ml_dtypes.int4])
def test_integers_and_bools_have_a_fraction_only(dtype):
    result = compare(np.array([0, 1, 1, 1]).astype(dtype), np.array([0, 1, 1, 0]).astype(dtype))
    assert result == Severity(max_ulp=None, fraction_differing=0.25, mean_relative=None)


def test_strings_have_a_fraction_only():
    a, b = (np.array(texts, object) for texts in (["ab", "c", "", "x"], ["a", "bc", "", "y"]))
    assert compare(a, b) == Severity(None, 0.75, None)


def test_integers_beside_floats_do_not_hide_the_distance():
    result = compare([floats(1), 7], [floats(1), 8])
    assert result == Severity(0, 0.5, 0, outputs=["step()[1]"])


def test_outputs_without_elements_are_unknown():
    assert compare(floats(), floats()) == UNKNOWN


@pytest.mark.parametrize("other", [[1.0, 2.0], np.float32(1), np.ones(1), "text"])
def test_outputs_of_another_type_or_shape_are_unknown(other):
    assert compare(1.0, other) == UNKNOWN


# -- differing outputs -----------------------------------------------------------------


def test_differing_outputs_are_named_in_the_returned_order():
    reference = ["text", {"loss": floats(1), "accuracy": 2}, *(floats(i) for i in range(2, 12))]
    outputs = [*reference]
    outputs[11], outputs[3], outputs[0] = floats(7), floats(8), "texts"
    outputs[1] = {"loss": floats(3), "accuracy": 2}
    expected = ["step()[0]", "step()[1]['loss']", "step()[3]", "step()[11]"]
    assert compare(reference, outputs).outputs == expected
    assert compare(reference, reference).outputs == []


def test_a_single_output_is_not_named():
    assert compare(floats(1), floats(2)).outputs == []


def test_an_output_with_another_sign_of_zero_is_named():
    assert compare([floats(0), 1], [floats(-0.0), 1]).outputs == ["step()[0]"]


def test_outputs_of_another_type_or_shape_are_named():
    reference = [floats(1, 2), floats(3), 4, 5]
    result = compare(reference, [floats(1), floats(3), 4.0, 6])
    assert result == Severity(None, None, None, outputs=["step()[0]", "step()[2]", "step()[3]"])


def test_an_output_of_only_one_of_two_calls_is_named():
    one, other = {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}
    for result in (compare(one, other), compare(other, one)):
        assert result == Severity(None, None, None, outputs=["step()['c']"])


def test_an_output_under_another_key_is_the_same_output():
    """Keras numbers layers by creation, so keys such as dense_1 may change."""
    one, other = {"dense_1": 1, "kernel": 2}, {"dense_2": 1, "kernel": 3}
    assert compare(one, other).outputs == ["step()['kernel']"]


def test_outputs_are_named_if_the_reference_is_a_file(tmp_path):
    save(leaves([floats(1), floats(2)]), tmp_path / "reference")
    result = severity.compare(load(tmp_path / "reference"), leaves([floats(1), floats(3)]))
    assert result.outputs == ["step()[1]"]


@pytest.mark.tensorflow
def test_a_composite_tensor_is_one_output():
    tf = pytest.importorskip("tensorflow")
    one, other = (tf.ragged.constant([[float(i)], [2.0, 3.0]]) for i in range(2))
    assert compare(one, other).outputs == []
    assert compare([one, one], [one, other]).outputs == ["step()[1]"]


def test_the_first_of_many_outputs_are_named_and_others_counted():
    def named(*changed: int) -> list[str]:
        return compare([0] * 2000, [int(i in changed) for i in range(2000)]).outputs

    first = [f"step()[{i}]" for i in range(20)]
    assert named(*range(20)) == first
    assert named(*range(21)) == [*first, "and at least 1 more"]
    assert named(*range(2000)) == [*first, "and at least 1980 more"]


def test_evidence_without_outputs_is_still_read():
    older = b'{"max_ulp":3,"fraction_differing":0.25,"mean_relative":1e-7}'
    assert msgspec.json.decode(older, type=Severity, strict=True).outputs == []


# -- merging ---------------------------------------------------------------------------

SAMPLES = [
    None,
    Severity(3, 0.1, 1e-7),
    Severity(1, 0.5, 1e-9, Trajectory(2, [2, 9], [1e-8, 1e-6])),
    Severity(None, 0.2, None, Trajectory(5, [5, 9], [1e-9, 1e-3])),
    UNKNOWN,
    *(Severity(1, 0.1, 1e-7, outputs=[f"step()[{i}]" for i in some]) for some in ([3], [1, 10])),
    *(
        Severity(1, 0.1, 1e-7, outputs=[*(f"step()[{i}]" for i in range(start, start + 20)), more])
        for start, more in ((5, "and at least 7 more"), (30, "and at least 2 more"))
    ),
]


def test_the_worst_has_the_greater_value_of_each_field():
    assert worst(Severity(3, 0.1, 1e-7), Severity(1, 0.5, 1e-9)) == Severity(3, 0.5, 1e-7)


def test_an_unknown_field_stays_unknown_but_none_is_dropped():
    known = Severity(3, 0.1, 1e-7)
    assert worst(None, None) is None
    assert worst(None, known) == known == worst(known, None)
    assert worst(known, Severity(None, 0.2, None)) == Severity(None, 0.2, None)


def test_the_worst_trajectory_has_the_earliest_first_step():
    early = Severity(1, 0.5, 1e-9, Trajectory(2, [2, 9], [1e-8, 1e-6]))
    far = Severity(1, 0.5, 1e-9, Trajectory(5, [5, 9], [1e-9, 1e-3]))
    assert worst(early, far).trajectory == Trajectory(2, [5, 9], [1e-9, 1e-3])
    assert worst(early, Severity(1, 0.5, 1e-9)).trajectory == early.trajectory


def test_merging_names_each_differing_output_once_in_order():
    one = Severity(1, 0.5, 1e-9, outputs=["step()[2]", "step()[10]"])
    other = Severity(1, 0.5, 1e-9, outputs=["step()[0]", "step()[2]"])
    expected = ["step()[0]", "step()[2]", "step()[10]"]
    assert worst(one, other).outputs == expected
    assert worst(worst(one, other), one).outputs == expected


def test_merging_keeps_the_count_of_unnamed_outputs():
    first, others = ([f"step()[{i}]" for i in some] for some in (range(20), range(20, 25)))
    result = worst(Severity(1, 1, 1, outputs=first), Severity(1, 1, 1, outputs=others))
    assert result.outputs == [*first, "and at least 1 more"]
    many = Severity(1, 1, 1, outputs=[*others, "and at least 9 more"])
    assert worst(result, many).outputs[:20] == first
    assert worst(result, many).outputs[20:] == ["and at least 1 more"]


def test_the_order_of_merging_severities_does_not_matter():
    for a, b, c in itertools.product(SAMPLES, repeat=3):
        assert worst(a, b) == worst(b, a)
        assert worst(worst(a, b), c) == worst(a, worst(b, c))


# -- size ------------------------------------------------------------------------------


def test_chunks_give_the_same_results_as_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((10, 103)).astype(np.float32)
    b = (a + rng.choice([0, 1e-6], a.shape)).astype(np.float32)
    whole = compare(a, b)
    monkeypatch.setattr(digests, "CHUNK", 7)
    chunked = compare(a, b)
    assert chunked.max_ulp == whole.max_ulp
    assert chunked.fraction_differing == whole.fraction_differing
    assert chunked.mean_relative == pytest.approx(whole.mean_relative)


@pytest.mark.parametrize("dtype", [np.int8, ml_dtypes.bfloat16, np.float32, np.complex128])
@pytest.mark.parametrize("beyond", [-1, 0, 1, digests.CHUNK])
def test_no_element_is_lost_at_the_end_of_a_chunk(dtype, beyond):
    a = np.ones(digests.CHUNK + beyond, dtype)
    for position in {0, digests.CHUNK - 1, digests.CHUNK, a.size - 1} & set(range(a.size)):
        b = a.copy()
        b[position] = 3
        result = compare(a, b)
        assert result.fraction_differing == 1 / a.size
        assert result.mean_relative == (None if dtype == np.int8 else pytest.approx(2 / a.size))
    assert compare(a, a).fraction_differing == 0
    assert compare(a, a + a).fraction_differing == 1


def test_memory_stays_under_256_mb_for_outputs_of_any_size(tmp_path):
    def peak(elements: int) -> int:
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
