"""Programs whose operations are captured, replayed and computed in other ways."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

import detcost

_random = np.random.default_rng(0)
INDICES = _random.integers(0, 50, 20_000).astype(np.int32)
ROWS = _random.normal(size=(20_000, 8)).astype(np.float32)


@detcost.scenario(reset=True)
def scatters():
    """A variable that threads add to, in a function and in eager code, and a loop."""
    table, other = tf.Variable(tf.ones([50, 8])), tf.Variable(tf.ones([50, 8]))
    indices, rows = tf.constant(INDICES), tf.constant(ROWS)

    @tf.function
    def train(indices, rows):
        table.scatter_add(tf.IndexedSlices(rows, indices))
        total = tf.constant(0.0, tf.bfloat16)
        for turn in tf.range(3):
            part = tf.cast(tf.reduce_sum(rows[turn]), tf.bfloat16)
            total = tf.add(total, part, name="total")
        words = tf.strings.join(["a", tf.strings.as_string(total)])
        return words, tf.numpy_function(np.sin, [rows], tf.float32)

    def step():
        result = train(indices, rows)
        other.scatter_add(tf.IndexedSlices(rows, indices))
        return result, table.read_value(), other.read_value()

    return step


@detcost.scenario
def ordered():
    """A pipeline that another order of elements would show in."""

    def pipeline():
        data = tf.data.Dataset.range(8)
        return data.map(lambda x: x + 1, num_parallel_calls=2, deterministic=False)

    return lambda: list(pipeline())


@detcost.scenario
def every_way():
    """How far each other way to compute an operation is from the operation itself."""
    from detcost.workers.in_worker.rewriting.original import Original
    from detcost.workers.in_worker.rewriting.ways import WAYS

    def distance(name, kind, inputs, attributes):
        def run(way):
            variable = tf.Variable(inputs[0]) if kind.startswith("Resource") else None
            given = [variable.handle, *inputs[1:]] if variable is not None else inputs
            result = way(Original(kind, given, attributes.get))
            return result if variable is None else variable.read_value()

        usual, other = run(Original.again), run(WAYS[name])
        assert usual.shape == other.shape
        return tf.reduce_max(tf.abs(usual - other))

    return lambda: {
        f"{name}: {kind}": distance(name, kind, inputs, attributes)
        for kind, inputs, attributes, names in _EXAMPLES
        for name in names
    }


def _normal(*shape):
    return tf.constant(_random.normal(size=shape).astype(np.float32))


def _integers(high, *shape):
    return tf.constant(_random.integers(0, high, size=shape).astype(np.int32))


_BOXES = np.sort(_random.uniform(size=(3, 2, 2)).astype(np.float32), axis=1).reshape(3, 4)
_COUNTS = ("unsorted_segment_sum of the weights", "product with a one-hot matrix")
_EXAMPLES = [
    (
        "ResourceScatterSub",
        [_normal(5, 3), _integers(5, 10, 4), _normal(10, 4, 3)],
        {"dtype": tf.float32},
        ["sort the indices first", "sum duplicate rows first", "add a dense sum"],
    ),
    (
        "TensorScatterAdd",
        [_normal(5, 4, 3), tf.stack([_integers(5, 50), _integers(4, 50)], 1), _normal(50, 3)],
        {},
        ["add a dense sum", "sort the indices first", "in float64"],
    ),
    (
        "ScatterNd",
        [_integers(5, 50)[:, None], _normal(50, 3), tf.constant([5, 3])],
        {},
        ["add a dense sum", "sort the indices first"],
    ),
    (
        "UnsortedSegmentSum",
        [_normal(50, 3), _integers(8, 50) - 1, tf.constant(9)],
        {},
        ["sort by segment, segment_sum", "product with a one-hot matrix"],
    ),
    ("Bincount", [_integers(9, 50), tf.constant(7), _normal(50)], {}, _COUNTS),
    (
        "DenseBincount",
        [_integers(9, 50), tf.constant(7), _normal(50)],
        {"binary_output": False},
        _COUNTS,
    ),
    (
        "CropAndResizeGradImage",
        [_normal(3, 6, 5, 2), tf.constant(_BOXES), _integers(2, 3), tf.constant([2, 8, 9, 2])],
        {"method": "bilinear", "T": tf.float32},
        ["crops as products of matrices", "one box at a time"],
    ),
    (
        "Mean",
        [_normal(7, 9, 11), tf.constant([0, -1, 1])],
        {"keep_dims": True},
        ["sum in blocks", "in float64"],
    ),
    ("BiasAddGrad", [_normal(3, 4, 5, 6)], {"data_format": "NCHW"}, ["reduce_sum"]),
]
