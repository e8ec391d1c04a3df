"""Digests are equal if and only if bytes are equal, and unusable outputs are refused."""

import itertools
import math
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from detcost.outputs import digests
from detcost.outputs.digests import Leaf, UnusableOutput, digest, leaves, load, save, signature

EXTENDED = ["bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "int4", "uint4"]
ARRAYS = [
    *(np.array([0, 1, 0, 1], dtype) for dtype in "?bBhHiIqQefdFD"),
    *(np.array([0, 1, 0, 1]).astype(getattr(ml_dtypes, name)) for name in EXTENDED),
]


def digest_of(*outputs: object) -> str:
    return digest(leaves(outputs))


# -- digests ---------------------------------------------------------------------------


def test_a_digest_is_32_hex_digits():
    assert len(digest_of(1.0)) == 32
    int(digest_of(1.0), 16)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.name)
def test_every_single_bit_of_every_type_counts(array):
    original = digest_of(array)
    assert digest_of(array.copy()) == original
    for byte, bit in itertools.product(range(array.nbytes), range(8)):
        changed = array.copy()
        changed.view(np.uint8)[byte] ^= 1 << bit
        assert digest_of(changed) != original


def test_type_shape_and_split_of_the_same_bytes_count():
    zeros = np.zeros(4, np.float32)
    alike = [
        (zeros,),
        (zeros.view(np.int32),),
        (zeros.reshape(2, 2),),
        (zeros.reshape(4, 1),),
        (zeros[:2], zeros[2:]),
        (zeros[:1], zeros[1:]),
        (zeros, zeros[:0]),
        (zeros[:0], zeros),
    ]
    assert len({digest_of(*outputs) for outputs in alike}) == len(alike)


def test_the_order_of_outputs_counts():
    assert digest_of(1.0, 2.0) != digest_of(2.0, 1.0)


def test_nan_payloads_and_the_sign_of_zero_compare_as_bytes():
    quiet, other = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert math.isnan(quiet)
    assert math.isnan(other)
    assert digest_of(np.array([quiet])) == digest_of(np.array([quiet]))
    assert digest_of(np.array([quiet])) != digest_of(np.array([other]))
    assert digest_of(0.0) != digest_of(-0.0)


def test_the_boundaries_of_strings_count():
    texts = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"], ["abc"], ["c", "ab"]]
    assert len({digest_of(np.array(text, object)) for text in texts}) == len(texts)


def test_the_memory_layout_of_an_array_does_not_count():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert digest_of(np.asfortranarray(array)) == digest_of(array)
    assert digest_of(np.repeat(array, 2, axis=1)[:, ::2]) == digest_of(array)
    assert digest_of(array.astype(">f4")) == digest_of(array)


def test_text_has_one_digest_in_every_representation():
    texts = ["é", "é".encode(), np.array("é"), np.array("é", object), np.array("é".encode())]
    assert len({digest_of(text) for text in texts}) == 1


@pytest.mark.parametrize(("text", "longer"), [("a", "a\0"), (b"a", b"a\0")])
def test_zero_bytes_at_the_end_of_a_string_count(text, longer):
    """NumPy's own string types drop them."""
    assert digest_of(longer) != digest_of(text)


# -- leaves ----------------------------------------------------------------------------


def test_a_signature_lists_types_and_shapes_in_order():
    outputs = {"b": [np.zeros((8, 32), np.float32), True], "a": (1, "text", 1j)}
    assert signature(leaves(outputs)) == (
        *("int64[]", "string[]", "complex128[]"),
        *("float32[8,32]", "bool[]"),
    )


def test_a_leaf_has_its_path_in_the_return_value():
    outputs = (1.0, {"loss": [2.0, 3.0], "accuracy": 4.0}, "text")
    assert [leaf.path for leaf in leaves(outputs)] == [
        *("step()[0]", "step()[1]['accuracy']", "step()[1]['loss'][0]", "step()[1]['loss'][1]"),
        "step()[2]",
    ]
    assert [leaf.path for leaf in leaves("text")] == ["step()"]


def test_the_order_of_insertion_into_dicts_does_not_count():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_empty_arrays_can_be_compared():
    assert signature(leaves(np.zeros((0, 3)))) == ("float64[0,3]",)
    assert digest_of(np.zeros((0, 3))) != digest_of(np.zeros((3, 0)))


def test_numpy_arrays_are_viewed_and_not_copied():
    array = np.zeros(8)
    assert np.shares_memory(leaves(array)[0].data, array)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (None, "step() returned nothing; return the tensors to compare"),
        ([], "step() returned an empty nest; return the tensors to compare"),
        ({"a": ()}, "step() returned an empty nest; return the tensors to compare"),
        (
            {"loss": 1.0, "gradients": [2.0, None]},
            "step()['gradients'][1] is None; return only the tensors to compare",
        ),
        (
            len,
            "step() returned a <class 'builtin_function_or_method'>, which cannot be "
            "compared; return tensors",
        ),
        ([{1, 2}], "step()[0] is a <class 'set'>, which cannot be compared; return tensors"),
        (
            np.zeros(1, np.longdouble),
            f"step() returned an array of {np.dtype(np.longdouble)}, which cannot be "
            "compared; return tensors",
        ),
        (
            np.array([{}]),
            "step() returned an array holding a <class 'dict'>, which cannot be compared; "
            "return tensors",
        ),
        (
            np.zeros(1, "datetime64[s]"),
            "step() returned an array of datetime64[s], which cannot be compared; return tensors",
        ),
        (
            np.zeros(1, [("x", "f4")]),
            "step() returned an array of [('x', '<f4')], which cannot be compared; return tensors",
        ),
        ({1: 1.0, "a": 2.0}, "the keys of step() cannot be sorted; use strings"),
    ],
)
def test_unusable_outputs_are_errors_with_a_remedy(outputs, message):
    with pytest.raises(UnusableOutput) as caught:
        leaves(outputs)
    assert str(caught.value) == message


def test_importing_the_module_does_not_load_tensorflow():
    code = (
        "import sys, numpy, detcost.outputs.digests as d, detcost.outputs.severity;"
        "d.leaves([numpy.zeros(1), 'text']); sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- files -----------------------------------------------------------------------------


def test_saved_leaves_are_loaded_byte_for_byte_and_aligned(tmp_path):
    originals = leaves([*ARRAYS, np.array([["ab", ""], ["c", "é"]], object), np.zeros((0, 2)), 1.5])
    save(originals, tmp_path / "outputs")
    loaded = load(tmp_path / "outputs")
    assert signature(loaded) == signature(originals)
    assert digest(loaded) == digest(originals)
    assert [leaf.shape for leaf in loaded] == [leaf.shape for leaf in originals]
    assert [leaf.path for leaf in loaded] == [leaf.path for leaf in originals]
    assert all(leaf.data.ctypes.data % 64 == 0 for leaf in loaded if leaf.data.size)


def test_loading_maps_the_file_and_cannot_change_it(tmp_path):
    save(leaves(np.zeros(8)), tmp_path / "outputs")
    (leaf,) = load(tmp_path / "outputs")
    assert not leaf.data.flags.writeable
    assert not leaf.data.flags.owndata


def test_an_empty_output_comes_back_after_a_header_of_any_length(tmp_path):
    """The header may end exactly where the file ends."""
    for length in range(64):
        empty = Leaf("float32", (0,), np.zeros(0, np.uint8), "x" * length)
        save([empty], tmp_path / "outputs")
        (loaded,) = load(tmp_path / "outputs")
        assert (loaded.shape, loaded.path, loaded.data.size) == (empty.shape, empty.path, 0)


def test_saving_again_does_not_change_loaded_leaves(tmp_path):
    path = tmp_path / "outputs"
    save(leaves(np.zeros(1 << 16)), path)
    former = load(path)
    expected = digest(former)
    save(leaves(1.0), path)
    assert digest(former) == expected
    assert digest(load(path)) == digest(leaves(1.0))
    assert list(tmp_path.iterdir()) == [path]


def test_an_incomplete_or_foreign_file_is_refused(tmp_path):
    path = tmp_path / "outputs"
    save(leaves(np.zeros(800)), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=f"cut off: {len(whole) - 1} of {len(whole)} bytes"):
        load(path)
    path.write_bytes(whole[:20])
    with pytest.raises(ValueError, match="cut off"):
        load(path)
    path.write_bytes(b"another kind of file")
    with pytest.raises(ValueError, match="does not hold outputs"):
        load(path)


def test_elements_are_views_of_the_bytes():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(leaves(array)[0].array, array)
    assert list(leaves(np.array([["ab", ""], ["c", "é"]], object))[0].strings()) == [
        *(b"ab", b"", b"c", "é".encode())
    ]


@pytest.mark.parametrize("name", EXTENDED)
def test_elements_of_types_that_numpy_lacks_come_back(name):
    array = np.array([[0, 1, 0], [1, 1, 0]]).astype(getattr(ml_dtypes, name))
    (leaf,) = leaves(array)
    assert leaf.array.dtype == array.dtype
    assert np.array_equal(leaf.array.astype(float), array.astype(float))


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (3, 1, 2)])
def test_a_leaf_has_as_many_strings_as_elements(shape):
    (leaf,) = leaves(np.full(shape, "text", object))
    assert leaf.size == math.prod(shape)
    assert list(leaf.strings()) == [b"text"] * math.prod(shape)


# -- chunks and types ------------------------------------------------------------------


def test_chunks_pair_every_element_of_two_arrays_in_order(monkeypatch):
    monkeypatch.setattr(digests, "CHUNK", 4)
    array = np.arange(10).reshape(2, 5)
    pairs = list(digests.chunks(array, -array))
    assert [(len(one), len(other)) for one, other in pairs] == [(4, 4), (4, 4), (2, 2)]
    assert np.concatenate([one for one, _ in pairs]).tolist() == list(range(10))
    assert all((one == -other).all() for one, other in pairs)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("float32", "bfloat16", "float8_e5m2", "complex64")),
        *((name, False) for name in ("int32", "uint8", "bool", "string", "int4")),
    ],
)
def test_real_and_complex_floats_are_floats(name, expected):
    assert digests.is_float(name) == expected


# -- a stand-in for TensorFlow ---------------------------------------------------------


class Tensor:
    """A tensor that NumPy can read, or one without a value, like the tensors of a graph."""

    def __init__(self, *values: float, dtype: str = "float32"):
        self.values, self.dtype = values, dtype

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if not self.values:
            raise NotImplementedError
        return np.asarray(self.values, np.float32)


class Composite:
    """Several tensors in one, like a ragged tensor."""

    def __init__(self, *parts: Tensor):
        self.parts = parts


@pytest.fixture
def fake_tensorflow(monkeypatch):
    """Replace TensorFlow's module by the few functions that digests use."""

    def flatten(value: Any, expand_composites: bool = False) -> list[Any]:
        return list(value.parts) if expand_composites and hasattr(value, "parts") else [value]

    module = SimpleNamespace(
        nest=SimpleNamespace(flatten=flatten),
        is_tensor=lambda value: isinstance(value, Tensor),
        resource="resource",
        variant="variant",
    )
    monkeypatch.setitem(sys.modules, "tensorflow", module)


@pytest.mark.usefixtures("fake_tensorflow")
def test_tensors_and_all_parts_of_composites_become_leaves():
    flat = leaves([Tensor(1, 2), Composite(Tensor(3), Tensor(4, 5, 6)), np.zeros(1)])
    assert signature(flat) == ("float32[2]", "float32[1]", "float32[3]", "float64[1]")
    assert [leaf.path for leaf in flat] == ["step()[0]", "step()[1]", "step()[1]", "step()[2]"]
    assert flat[2].array.tolist() == [4, 5, 6]


@pytest.mark.usefixtures("fake_tensorflow")
@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (Tensor(1, dtype="resource"), "a tensor of resource"),
        (Tensor(1, dtype="variant"), "a tensor of variant"),
        (Tensor(), f"a {Tensor} without a value"),
        (len, f"a {type(len)}"),
    ],
)
def test_handles_and_objects_without_a_value_are_refused(output, kind):
    with pytest.raises(UnusableOutput) as caught:
        leaves([output])
    assert str(caught.value) == f"step()[0] is {kind}, which cannot be compared; return tensors"


@pytest.mark.usefixtures("fake_tensorflow")
def test_none_among_tensors_is_refused_by_its_path():
    with pytest.raises(UnusableOutput, match=r"^step\(\)\[1\] is None; return only the tensors"):
        leaves([Tensor(1), None])


# -- TensorFlow ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tf() -> ModuleType:
    return pytest.importorskip("tensorflow")


@pytest.mark.tensorflow
def test_tensors_are_viewed_and_not_copied(tf):
    tensor = tf.zeros((1000,))
    (leaf,) = leaves(tensor)
    assert np.shares_memory(leaf.data, np.asarray(tensor))
    assert isinstance(leaf, Leaf)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["bfloat16", "half", "float64", "complex64", "bool", "uint8"])
def test_a_tensor_and_the_array_of_its_values_have_one_digest(tf, name):
    tensor = tf.cast([0, 1, 1], name)
    assert digest_of(tensor) == digest_of(tensor.numpy())
    assert digest_of(tensor) == digest_of(tf.Variable(tensor))


@pytest.mark.tensorflow
def test_types_that_numpy_lacks_are_compared(tf):
    float8 = tf.cast([1.0, -2.0], "float8_e5m2")
    four_bits = tf.cast([1, 2], "int4")
    quantised = tf.bitcast(tf.constant([1, 200], tf.uint8), tf.qint8)
    names = signature(leaves([float8, four_bits, quantised]))
    assert names == ("float8_e5m2[2]", "int4[2]", "int8[2]")


@pytest.mark.tensorflow
def test_composite_tensors_are_compared_with_all_their_parts(tf):
    ragged = [tf.ragged.constant([[1], [2, 3]]), tf.ragged.constant([[1, 2], [3]])]
    sparse = [tf.sparse.from_dense([[1, 0]]), tf.sparse.from_dense([[0, 1]])]
    slices = [tf.IndexedSlices(tf.constant([1.0]), tf.constant([i])) for i in (0, 1)]
    for one, other in (ragged, sparse, slices):
        assert len(leaves(one)) > 1
        assert {leaf.path for leaf in leaves([one])} == {"step()[0]"}
        assert digest_of(one) == digest_of(one)
        assert digest_of(one) != digest_of(other)


@pytest.mark.tensorflow
def test_outputs_have_the_order_of_tf_nest(tf):
    nest = {"b": (tf.constant(1.0), [tf.constant(2)]), "a": tf.ragged.constant([["x"]])}
    flat = tf.nest.flatten(nest, expand_composites=True)
    assert digest(leaves(nest)) == digest(leaves(flat))


@pytest.mark.tensorflow
def test_string_tensors_are_compared(tf):
    assert digest_of(tf.constant([["a", "bc"]])) == digest_of(tf.constant([["a", "bc"]]))
    assert digest_of(tf.constant(["ab", "c"])) != digest_of(tf.constant(["a", "bc"]))
    assert signature(leaves(tf.constant("text"))) == ("string[]",)


@pytest.mark.tensorflow
def test_keras_variables_are_compared(tf):
    ones = tf.keras.Variable(np.ones(3, np.float32))
    assert digest_of(ones) == digest_of(np.ones(3, np.float32))


@pytest.mark.tensorflow
@pytest.mark.parametrize("how", ["assign_add", "scatter_add"])
def test_updating_a_variable_does_not_change_earlier_leaves(tf, how):
    variable = tf.Variable(np.ones(1 << 16, np.float32))
    before = leaves(variable)
    expected = digest(before)
    if how == "assign_add":
        variable.assign_add(tf.ones_like(variable))
    else:
        variable.scatter_add(tf.IndexedSlices(tf.constant([1.0]), tf.constant([0])))
    assert digest(before) == expected
    assert digest(leaves(variable)) != expected


@pytest.mark.tensorflow
def test_tensors_without_bytes_are_unusable(tf):
    caught = []

    @tf.function
    def trace() -> Any:
        with pytest.raises(UnusableOutput) as refused:
            leaves({"loss": tf.constant(1.0) + 1})
        caught.append(str(refused.value))
        return tf.constant(0)

    trace()
    assert caught[0].startswith("step()['loss'] is a <class 'tensorflow.")
    assert caught[0].endswith("without a value, which cannot be compared; return tensors")
    with pytest.raises(UnusableOutput, match="returned a tensor of <dtype: 'variant'>"):
        leaves(tf.data.Dataset.range(3))
    with pytest.raises(UnusableOutput, match="returned a tensor of <dtype: 'resource'>"):
        leaves(tf.Variable(1.0).handle)
    with pytest.raises(UnusableOutput, match="KerasTensor"):
        leaves(tf.keras.Input((3,)))


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (0, [0]),
        (-1, [3]),
        ([2, 0], [2, 0]),
        ((1,), [1]),
        (range(2), [0, 1]),
        (slice(1, 9), [1, 2, 3]),
    ],
)
def test_only_the_rows_asked_for_are_leaves(rows, kept):
    batch = np.arange(12, dtype=np.float32).reshape(4, 3)
    texts = np.array(["a", "b", "c", "d"], object)
    numbers, words = leaves([batch, texts], rows)
    assert np.array_equal(numbers.array, batch[kept])
    assert list(words.strings()) == [text.encode() for text in texts[kept]]


def test_a_row_of_a_batch_has_the_digest_of_a_batch_of_one():
    batch = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert digest(leaves(batch, 2)) == digest(leaves(batch[2:3])) != digest(leaves(batch))


@pytest.mark.parametrize(
    ("output", "rows", "reason"),
    [
        (np.zeros(3), 3, "step()['loss'] has 3 rows, and not those of rows=3"),
        (np.zeros(3), [0, 3], "step()['loss'] has 3 rows, and not those of rows=[0, 3]"),
        (np.zeros(3), slice(3, 5), "step()['loss'] has 3 rows, and not those of rows=slice"),
        (np.zeros(()), 0, "step()['loss'] has no rows;"),
        (1.5, 0, "step()['loss'] has no rows;"),
    ],
)
def test_an_output_without_the_rows_is_named(output, rows, reason):
    with pytest.raises(UnusableOutput) as caught:
        leaves({"all": np.zeros(9), "loss": output}, rows)
    assert reason in str(caught.value)
