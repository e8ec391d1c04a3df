"""A program run eagerly, as a graph and compiled; random ops and loops in graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario


@scenario(family="tf_function", ignores=("xla",), float64_reference=True)
def mlp_eager(bench: Bench) -> Callable[[], Any]:
    """One SGD step of a multilayer perceptron, eagerly; threads split the sums over the batch."""
    return _mlp(bench)


@scenario(family="tf_function", core=True, float64_reference=True)
def mlp_graph(bench: Bench) -> Callable[[], Any]:
    """One SGD step of a multilayer perceptron as a graph; threads split the sums over the batch."""
    return bench.function(_mlp(bench))


@scenario(family="tf_function", ignores=("xla",), float64_reference=True)
def mlp_jit(bench: Bench) -> Callable[[], Any]:
    """One SGD step of a multilayer perceptron compiled by XLA; fused sums have another order."""
    return bench.compile(_mlp(bench), jit_compile=True)


@scenario(family="tf_function", draws=True)
def graph_random_ops(bench: Bench) -> Callable[[], Any]:
    """Seeded stateful random ops in a graph; XLA draws from a counter that no seed restarts."""
    n = bench.sized(10_000, 100_000, 2_000_000)
    normal, uniform = bench.draw.normal((n,)), bench.draw.uniform((n,))
    dropout = bench.draw.dropout(0.5)

    @bench.function
    def draw() -> Any:
        noise = normal()
        return noise, uniform(), dropout(noise)

    def step() -> Any:
        bench.reseed()
        return draw()

    return step


@scenario(family="tf_function", float64_reference=True)
def while_loop_accumulation(bench: Bench) -> Callable[[], Any]:
    """Sum over a loop of matrix-vector products; each iteration inherits rounding errors."""
    turns, n = bench.sized((10, 64), (50, 512), (200, 2048))
    # Spectral radius 1: with less the vector would vanish, with more the errors would explode.
    matrix, start = bench.normal((n, n), scale=n**-0.5), bench.normal((n, 1))

    @bench.function
    def step() -> Any:
        def turn(i: Any, vector: Any, total: Any) -> Any:
            vector = tf.tanh(tf.matmul(matrix, vector))
            return i + 1, vector, total + tf.reduce_sum(vector)

        zero = tf.zeros((), bench.dtype)
        return tf.while_loop(lambda i, *_: i < turns, turn, (0, start, zero))

    return step


def _mlp(bench: Bench) -> Callable[[], Any]:
    batch, width = bench.sized((32, 32), (512, 256), (2048, 1024))
    inputs = bench.normal((batch, width))
    labels = tf.constant(bench.integers((batch,), high=width))
    weights = [bench.normal((width, width), scale=width**-0.5) for _ in range(2)]
    biases = [bench.normal((width,)) for _ in range(2)]

    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch([weights, biases])
            hidden = inputs
            for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
                hidden = tf.nn.relu(tf.matmul(hidden, weight) + bias)
            logits = tf.matmul(hidden, weights[-1]) + biases[-1]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
        variables = weights + biases
        gradients = tape.gradient(loss, variables)
        return loss, [v - 0.01 * g for v, g in zip(variables, gradients, strict=True)]

    return step
