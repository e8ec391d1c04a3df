"""References in float64: the same program with the same inputs, and correct results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import built_in
from detcost.settings.grammar import parse

pytestmark = pytest.mark.tensorflow

SEED = 42
#: Every type of scenarios with a reference.
TYPES = {"float32": np.dtype("float32"), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
#: The greatest relative error of outputs of each type.
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}
CELLS = [
    (name, dtype)
    for name, entry in built_in().items()
    if entry.float64_reference
    for dtype in entry.dtypes
]


class Arrays(NamedTuple):
    """The inputs and outputs of a program."""

    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    shapes: Any  # nested like the outputs


def run_in_process(name: str, dtype: str, float64: bool) -> Arrays:
    step = built_in()[name].build(bench(dtype, float64))
    outputs = step()
    # The captured tensors of a function are its inputs, however the scenario made them.
    captured = tf.function(step).get_concrete_function().captured_inputs
    return Arrays(
        inputs=[np.asarray(tensor) for tensor in captured if tensor.dtype != tf.resource],
        outputs=[np.asarray(tensor) for tensor in tf.nest.flatten(outputs)],
        shapes=tf.nest.map_structure(lambda tensor: tuple(tensor.shape), outputs),
    )


def inputs_in_process(dtype: str, float64: bool) -> list[np.ndarray]:
    inputs = bench(dtype, float64)
    tensors = [
        inputs.normal((1000,)),
        inputs.normal((1000,), scale=0.1),
        inputs.uniform((1000,), -0.3, 0.7),
        inputs.tensor([0.1, 1 / 3]),
    ]
    return [np.asarray(tensor) for tensor in tensors]


def bench(dtype: str, float64: bool) -> Bench:
    tf.config.set_visible_devices([], "GPU")
    return Bench(parse("default"), SEED, "small", dtype, float64=float64)


@pytest.fixture(scope="module")
def process() -> Iterator[Callable[..., Any]]:
    """Call functions in another process, because this one must not load TensorFlow."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        yield cache(lambda function, *arguments: executor.submit(function, *arguments).result())


def relative(outputs: np.ndarray, reference: np.ndarray) -> float:
    difference = outputs.astype(np.float64) - reference
    return float(np.linalg.norm(difference) / np.linalg.norm(reference))


def is_float(array: np.ndarray) -> bool:
    return array.dtype in (*TYPES.values(), np.float64)


def assert_widened(narrow: list[np.ndarray], wide: list[np.ndarray]) -> None:
    for ours, theirs in zip(narrow, wide, strict=True):
        assert theirs.dtype == (np.float64 if is_float(ours) else ours.dtype)
        np.testing.assert_array_equal(theirs, ours.astype(theirs.dtype))


# -- inputs ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
def test_a_bench_for_a_reference_makes_the_same_numbers(process, dtype):
    narrow, wide = (process(inputs_in_process, dtype, float64) for float64 in (False, True))
    assert {array.dtype for array in narrow} == {TYPES[dtype]}
    assert_widened(narrow, wide)


def test_numbers_are_scaled_before_they_are_rounded(process):
    _, scaled, _, constants = process(inputs_in_process, "float32", True)
    draws = Draws("float32")
    draws.normal((1000,))
    np.testing.assert_array_equal(scaled, draws.normal((1000,), scale=0.1))
    np.testing.assert_array_equal(constants, np.float32([0.1, 1 / 3]))


@pytest.mark.parametrize(("name", "dtype"), CELLS)
def test_a_reference_has_the_same_inputs(process, name, dtype):
    """Arithmetic on inputs before the step would round differently in float64."""
    narrow, wide = (process(run_in_process, name, dtype, float64) for float64 in (False, True))
    assert any(map(is_float, narrow.inputs))
    assert_widened(narrow.inputs, wide.inputs)


# -- outputs ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), CELLS)
def test_a_reference_has_the_same_shapes_in_float64(process, name, dtype):
    narrow, wide = (process(run_in_process, name, dtype, float64) for float64 in (False, True))
    assert wide.shapes == narrow.shapes
    for ours, theirs in zip(narrow.outputs, wide.outputs, strict=True):
        assert theirs.dtype == (np.float64 if is_float(ours) else ours.dtype)
        if is_float(ours):
            assert (theirs != theirs.astype(np.float32)).any(), "computed in float32, then widened"


@pytest.mark.parametrize(("name", "dtype"), CELLS)
def test_the_error_of_a_program_is_within_its_tolerance(process, name, dtype):
    narrow, wide = (process(run_in_process, name, dtype, float64) for float64 in (False, True))
    for ours, theirs in zip(narrow.outputs, wide.outputs, strict=True):
        assert relative(ours, theirs) < TOLERANCE[dtype]


# -- against NumPy, with the same inputs but independent code --------------------------


class Draws:
    """Inputs in float64, with the numbers of the bench."""

    def __init__(self, dtype: str):
        self._dtype = TYPES[dtype]
        self._random = np.random.Generator(np.random.Philox(SEED))

    def normal(self, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
        drawn = self._random.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        return self.rounded(drawn)

    def rounded(self, values: np.ndarray) -> np.ndarray:
        return values.astype(self._dtype).astype(np.float64)

    def integers(self, shape: tuple[int, ...], high: int) -> np.ndarray:
        return self._random.integers(0, high, size=shape, dtype=np.int32)


def product(*shapes: tuple[int, ...]) -> Callable[[Draws], list[np.ndarray]]:
    return lambda draws: [np.matmul(*map(draws.normal, shapes))]


#: Batch, height, width and channels of the small convolutions.
IMAGES = (2, 16, 16, 16)
#: The elements of their kernels.
POSITIONS = list(np.ndindex(3, 3))


def under(i: int, j: int) -> tuple[slice, ...]:
    """Return the slices of padded images that an element of the kernel is multiplied with."""
    return np.s_[:, i : i + IMAGES[1], j : j + IMAGES[2]]


def pad(images: np.ndarray) -> np.ndarray:
    return np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))


def conv2d_forward(draws: Draws) -> list[np.ndarray]:
    images, kernel = pad(draws.normal(IMAGES)), draws.normal((3, 3, 16, 16))
    return [sum(images[under(*position)] @ kernel[position] for position in POSITIONS)]


def conv2d_backward(draws: Draws) -> list[np.ndarray]:
    images, kernel = pad(draws.normal(IMAGES)), draws.normal((3, 3, 16, 16))
    upstream = draws.normal(IMAGES)
    by_images, by_kernel = np.zeros_like(images), np.zeros_like(kernel)
    for position in POSITIONS:
        by_images[under(*position)] += upstream @ kernel[position].T
        by_kernel[position] = np.einsum("bhwi,bhwo->io", images[under(*position)], upstream)
    return [by_images[:, 1:-1, 1:-1], by_kernel]


def depthwise_backward(draws: Draws) -> list[np.ndarray]:
    images, kernel = pad(draws.normal(IMAGES)), draws.normal((3, 3, 16, 1))
    upstream = draws.normal(IMAGES)
    by_images, by_kernel = np.zeros_like(images), np.zeros_like(kernel)
    for position in POSITIONS:
        by_images[under(*position)] += upstream * kernel[position][:, 0]
        by_kernel[position][:, 0] = (images[under(*position)] * upstream).sum(axis=(0, 1, 2))
    return [by_images[:, 1:-1, 1:-1], by_kernel]


def bias_gradient(draws: Draws) -> list[np.ndarray]:
    shape = (8, 32, 32, 32)
    _bias, upstream = map(draws.normal, (shape[-1:], shape))
    return [np.array([math.fsum(channel) for channel in upstream.reshape(-1, 32).T])]


def reduce_sum_large(draws: Draws) -> list[np.ndarray]:
    return [np.array(math.fsum(draws.normal((400_000,))))]


def reduce_mean_axis(draws: Draws) -> list[np.ndarray]:
    columns = draws.normal((4_000, 100)).T
    return [np.array([math.fsum(column) / len(column) for column in columns])]


def unsorted_segment_sum(draws: Draws) -> list[np.ndarray]:
    data, sums = draws.normal((4_000, 32)), np.zeros((100, 32))
    np.add.at(sums, draws.integers((4_000,), high=100), data)
    return [sums]


def segment_sum(draws: Draws) -> list[np.ndarray]:
    data, sums = draws.normal((4_000, 32)), np.zeros((100, 32))
    np.add.at(sums, np.sort(draws.integers((4_000,), high=100)), data)
    return [sums]


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return [-(labels * log_probabilities).sum(axis=1), np.exp(log_probabilities) - labels]


def sparse_softmax_cross_entropy(draws: Draws) -> list[np.ndarray]:
    logits = draws.normal((32, 500))
    return cross_entropy(logits, np.eye(500)[draws.integers((32,), high=500)])


def softmax_cross_entropy(draws: Draws) -> list[np.ndarray]:
    logits, shares = draws.normal((32, 500)), draws.integers((32, 500), high=1_000)
    return cross_entropy(logits, draws.rounded(shares / shares.sum(axis=1, keepdims=True)))


EXPECTED = {
    "matmul_square": product((256, 256), (256, 256)),
    "matmul_tall_skinny": product((16, 16_384), (16_384, 16)),
    "matmul_batched": product((8, 64, 64), (8, 64, 64)),
    **{
        function.__name__: function
        for function in (
            *(conv2d_forward, conv2d_backward, depthwise_backward, bias_gradient),
            *(reduce_sum_large, reduce_mean_axis, segment_sum, unsorted_segment_sum),
            *(softmax_cross_entropy, sparse_softmax_cross_entropy),
        )
    },
}


@pytest.mark.parametrize(("name", "dtype"), [cell for cell in CELLS if cell[0] in EXPECTED])
def test_numpy_computes_the_same_outputs(process, name, dtype):
    outputs = process(run_in_process, name, dtype, True).outputs
    for output, expected in zip(outputs, EXPECTED[name](Draws(dtype)), strict=True):
        assert output.shape == expected.shape
        assert relative(output, expected) < 1e-12


def test_every_scenario_written_in_numpy_has_a_reference():
    assert set(EXPECTED) <= {name for name, _ in CELLS}
