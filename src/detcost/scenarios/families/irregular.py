"""Scatters, segments and reductions: sums of many values in an unspecified order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario

#: Number of occurrences of each repeated row.
REPETITIONS = 8


@scenario(family="irregular", float64_reference=True)
def scatter_add_dup0(bench: Bench) -> Callable[[], Any]:
    """Scatter-add to distinct rows; threads share the updates, but no two add to one row."""
    return _scatter_add(bench, duplicates=0.0)


@scenario(family="irregular", float64_reference=True)
def scatter_add_dup10(bench: Bench) -> Callable[[], Any]:
    """Scatter-add with 10 % duplicate indices; threads add to a shared row in any order."""
    return _scatter_add(bench, duplicates=0.1)


@scenario(family="irregular", core=True, float64_reference=True)
def scatter_add_dup100(bench: Bench) -> Callable[[], Any]:
    """Scatter-add with only duplicate indices; threads add to a shared row in any order."""
    return _scatter_add(bench, duplicates=1.0)


@scenario(family="irregular", float64_reference=True)
def embedding_gradient_dup0(bench: Bench) -> Callable[[], Any]:
    """SGD on an embedding, every word once; the sparse update adds to each row only once."""
    return _embedding_gradient(bench, duplicates=0.0)


@scenario(family="irregular", float64_reference=True)
def embedding_gradient_dup10(bench: Bench) -> Callable[[], Any]:
    """SGD on an embedding, 10 % repeated words; threads update a shared row in any order."""
    return _embedding_gradient(bench, duplicates=0.1)


@scenario(family="irregular", float64_reference=True)
def embedding_gradient_dup100(bench: Bench) -> Callable[[], Any]:
    """SGD on an embedding, only repeated words; threads update a shared row in any order."""
    return _embedding_gradient(bench, duplicates=1.0)


@scenario(family="irregular", float64_reference=True)
def segment_sum(bench: Bench) -> Callable[[], Any]:
    """Sum of rows by sorted segment; GPUs may add the rows of a segment atomically."""
    rows, segments, data = _segments(bench)
    ids = tf.constant(np.sort(bench.integers((rows,), high=segments)))
    return _reduction(bench, data, lambda values: tf.math.segment_sum(values, ids))


@scenario(family="irregular", float64_reference=True)
def unsorted_segment_sum(bench: Bench) -> Callable[[], Any]:
    """Sum of rows by unsorted segment; GPUs add the rows of a segment atomically."""
    rows, segments, data = _segments(bench)
    ids = tf.constant(bench.integers((rows,), high=segments))
    return _reduction(
        bench, data, lambda values: tf.math.unsorted_segment_sum(values, ids, segments)
    )


@scenario(family="irregular", float64_reference=True)
def bincount_weighted(bench: Bench) -> Callable[[], Any]:
    """Sum of weights by bin; threads add to partial bins, GPUs add atomically, in any order."""
    values, bins = bench.sized((100_000, 100), (1_000_000, 1_000), (16_000_000, 10_000))
    chosen = tf.constant(bench.integers((values,), high=bins))
    return _reduction(
        bench,
        bench.normal((values,)),
        lambda weights: tf.math.bincount(chosen, weights, minlength=bins, maxlength=bins),
    )


@scenario(family="irregular", float64_reference=True)
def sparse_dense_matmul(bench: Bench) -> Callable[[], Any]:
    """Sparse by dense product, 1 % filled; GPUs add the terms of a row atomically."""
    n, width = bench.sized((500, 64), (2_000, 64), (10_000, 256))
    positions = np.unique(bench.integers((n * n // 100, 2), high=n), axis=0).astype(np.int64)
    sparse = tf.SparseTensor(positions, bench.normal((len(positions),)), (n, n))

    def product(dense: Any) -> Any:
        return tf.sparse.sparse_dense_matmul(sparse, dense)

    return _reduction(bench, bench.normal((n, width)), product)


@scenario(family="irregular", float64_reference=True)
def softmax_cross_entropy(bench: Bench) -> Callable[[], Any]:
    """Dense-label softmax loss and gradient; sums over classes, another graph if deterministic."""
    logits = _logits(bench)
    shares = bench.integers(logits.shape, high=1_000)
    labels = bench.tensor(shares / shares.sum(axis=1, keepdims=True))
    return _loss_step(
        bench, logits, lambda x: tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=x)
    )


@scenario(family="irregular", float64_reference=True)
def sparse_softmax_cross_entropy(bench: Bench) -> Callable[[], Any]:
    """Sparse-label softmax loss and gradient; sums over classes, another graph if deterministic."""
    logits = _logits(bench)
    batch, classes = logits.shape
    labels = tf.constant(bench.integers((batch,), high=classes))
    return _loss_step(
        bench,
        logits,
        lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=x),
    )


@scenario(family="irregular", core=True, float64_reference=True)
def reduce_sum_large(bench: Bench) -> Callable[[], Any]:
    """Sum of a long vector; the number of threads determines how it is split."""
    values = bench.normal((bench.sized(400_000, 4_000_000, 64_000_000),))
    return _reduction(bench, values, tf.reduce_sum)


@scenario(family="irregular", float64_reference=True)
def reduce_mean_axis(bench: Bench) -> Callable[[], Any]:
    """Mean of a matrix over its long axis; the number of threads may determine how it is split."""
    values = bench.normal(bench.sized((4_000, 100), (40_000, 100), (400_000, 200)))
    return _reduction(bench, values, lambda matrix: tf.reduce_mean(matrix, axis=0))


def _reduction(bench: Bench, values: Any, reduce: Callable[[Any], Any]) -> Callable[[], Any]:
    @bench.function
    def step() -> Any:
        return reduce(values)

    return step


def _duplicated(bench: Bench, count: int, duplicates: float) -> Any:
    """Return shuffled indices below ``count``, of which the given share is repeated."""
    indices = np.arange(count, dtype=np.int32)
    repeated = round(duplicates * count)
    indices[:repeated] %= max(1, repeated // REPETITIONS)
    return tf.constant(indices[np.argsort(bench.integers((count,), high=2**31 - 1), kind="stable")])


def _scatter_add(bench: Bench, duplicates: float) -> Callable[[], Any]:
    count, width = bench.sized((10_000, 8), (100_000, 8), (1_000_000, 16))
    start, updates = bench.normal((count, width)), bench.normal((count, width))
    slices = tf.IndexedSlices(updates, _duplicated(bench, count, duplicates))
    table = tf.Variable(start)

    @bench.function
    def step() -> Any:
        table.assign(start)
        table.scatter_add(slices)
        return table.read_value()

    return step


def _embedding_gradient(bench: Bench, duplicates: float) -> Callable[[], Any]:
    count, width = bench.sized((10_000, 8), (100_000, 8), (1_000_000, 16))
    start, upstream = bench.normal((count, width)), bench.normal((count, width))
    words = _duplicated(bench, count, duplicates)
    table = tf.Variable(start)

    @bench.function
    def step() -> Any:
        table.assign(start)
        with tf.GradientTape() as tape:
            activations = tf.tanh(tf.nn.embedding_lookup(table, words))
        gradient = tape.gradient(activations, table, output_gradients=upstream)
        table.scatter_sub(tf.IndexedSlices(0.1 * gradient.values, gradient.indices))
        return table.read_value()

    return step


def _segments(bench: Bench) -> tuple[int, int, Any]:
    rows, segments, width = bench.sized((4_000, 100, 32), (40_000, 500, 32), (500_000, 5_000, 64))
    return rows, segments, bench.normal((rows, width))


def _logits(bench: Bench) -> Any:
    return bench.normal(bench.sized((32, 500), (128, 2_000), (1_024, 20_000)))


def _loss_step(bench: Bench, logits: Any, loss: Callable[[Any], Any]) -> Callable[[], Any]:
    @bench.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss(logits)
        return losses, tape.gradient(losses, logits)

    return step
