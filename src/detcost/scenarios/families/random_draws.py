"""Programs that draw random numbers. Where they draw decides which ways to seed affect them.

Every step is the program from its start. Objects that each run of a program makes, such as a Keras
layer with its state, are made in the step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario


@scenario(family="random", ignores=("xla",), draws=True)
def normal_eager(bench: Bench) -> Callable[[], Any]:
    """Random normal numbers, eagerly; an op's numbers depend on the seed and the ops before it."""
    return _after_reseeding(bench, bench.draw.normal((_count(bench),)))


@scenario(family="random", draws=True)
def normal_graph(bench: Bench) -> Callable[[], Any]:
    """Random normal numbers in a graph; a graph numbers its ops, so its draws differ from eager."""
    return _after_reseeding(bench, bench.function(bench.draw.normal((_count(bench),))))


@scenario(family="random", ignores=("xla",), draws=True)
def normal_matmul_eager(bench: Bench) -> Callable[[], Any]:
    """Product of two matrices drawn eagerly; the second draw depends on the first."""
    return _after_reseeding(bench, _normal_matmul(bench))


@scenario(family="random", draws=True)
def normal_matmul_graph(bench: Bench) -> Callable[[], Any]:
    """Product of two matrices drawn in a graph; the order of the two draws is unspecified."""
    return _after_reseeding(bench, bench.function(_normal_matmul(bench)))


@scenario(family="random", ignores=("xla",), draws=True)
def dropout_op(bench: Bench) -> Callable[[], Any]:
    """Dropout by TensorFlow's op; the choice of inputs to keep depends on the seed."""
    inputs, dropout = bench.normal((_count(bench),)), bench.draw.dropout(0.5)
    return _after_reseeding(bench, lambda: dropout(inputs))


@scenario(family="random", ignores=("xla",), draws=True)
def dropout_layer(bench: Bench) -> Callable[[], Any]:
    """Dropout by a new Keras layer; an unseeded layer takes a seed from Python's random module."""
    inputs, seed = bench.normal((64, _count(bench) // 64)), bench.draw.layer_seed("a Keras layer")

    def program() -> Any:
        return tf.keras.layers.Dropout(0.5, seed=seed)(inputs, training=True)

    return _after_reseeding(bench, program)


@scenario(family="random", ignores=("xla",), draws=True)
def weight_initialisation(bench: Bench) -> Callable[[], Any]:
    """First weights of a new Keras model; unseeded initialisers use Python's random module."""
    width = bench.sized(16, 128, 1024)
    hidden, output = bench.draw.glorot(width, width), bench.draw.glorot(width, 1)

    def program() -> Any:
        model = tf.keras.Sequential(
            [
                tf.keras.Input((width,)),
                tf.keras.layers.Dense(width, activation="relu", kernel_initializer=hidden()),
                tf.keras.layers.Dense(1, kernel_initializer=output()),
            ]
        )
        return [variable.value for variable in model.weights]

    return _after_reseeding(bench, program)


@scenario(family="random", ignores=("xla",), draws=True)
def layer_seeding_itself(bench: Bench) -> Callable[[], Any]:
    """Weights of a Keras layer that seeds NumPy when built; without a seed it unseeds NumPy."""
    width = bench.sized(16, 128, 1024)
    inputs, seed = bench.normal((1, width)), bench.draw.layer_seed("a layer with a seed")

    class Layer(tf.keras.layers.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            np.random.seed(seed)
            weights = tf.keras.initializers.Constant(np.random.rand(shape[-1], width))
            self.kernel = self.add_weight(shape=(shape[-1], width), initializer=weights)

        def call(self, inputs: Any) -> Any:
            return tf.matmul(inputs, self.kernel)

    # NumPy's next numbers show the layer's effect on the rest of the program.
    return _after_reseeding(bench, lambda: (Layer()(inputs), np.random.rand(8)))


@scenario(family="random", ignores=("xla",), draws=True)
def per_epoch_reseeding(bench: Bench) -> Callable[[], Any]:
    """Gradients on NumPy's data, reseeded each epoch; each seed draws the next one, out of 999."""
    batch, width, epochs = bench.sized((16, 16, 3), (256, 64, 5), (1024, 256, 10))
    weights = bench.normal((width, 1), scale=width**-0.5)
    seeds = [bench.draw.op_seed("np.random.seed") for _ in range(epochs)]

    def epoch(seed: int | None) -> Any:
        np.random.seed(np.random.randint(1, 1000) if seed is None else seed)
        data = tf.convert_to_tensor(np.random.rand(batch, width), tf.float32)
        labels = tf.convert_to_tensor(np.random.randint(0, 2, (batch, 1)), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = tf.matmul(data, weights)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        return tape.gradient(loss, weights)

    return _after_reseeding(bench, lambda: [epoch(seed) for seed in seeds])


def _count(bench: Bench) -> int:
    return bench.sized(10_000, 100_000, 2_000_000)


def _normal_matmul(bench: Bench) -> Callable[[], Any]:
    n = bench.sized(32, 256, 1024)
    left, right = bench.draw.normal((n, n)), bench.draw.normal((n, n))
    return lambda: tf.matmul(left(), right())


def _after_reseeding(bench: Bench, program: Callable[[], Any]) -> Callable[[], Any]:
    def step() -> Any:
        bench.reseed()
        return program()

    return step
