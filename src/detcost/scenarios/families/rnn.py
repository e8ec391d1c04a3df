"""Recurrent layers: every time step has the same weights, so gradients are sums over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario


@scenario(family="rnn", core=True)
def lstm_forward(bench: Bench) -> Callable[[], Any]:
    """Keras LSTM, forward; a loop of products that threads split on a CPU, cuDNN on a GPU."""
    return _forward(bench, _layer(bench, "LSTM"))


@scenario(family="rnn")
def lstm_backward(bench: Bench) -> Callable[[], Any]:
    """Gradients of a Keras LSTM; sums over time and batch, by a loop on a CPU, cuDNN on a GPU."""
    return _backward(bench, _layer(bench, "LSTM"))


@scenario(family="rnn")
def lstm_unrolled(bench: Bench) -> Callable[[], Any]:
    """Gradients of an unrolled LSTM; the weights' gradient is a sum over all time steps."""
    # Keras's equations without its layer. Few time steps, since XLA's compile time grows with ops.
    batch, time, units = bench.sized((8, 4, 64), (64, 10, 128), (256, 20, 512))
    sequences = bench.normal((batch, time, units))
    kernel = bench.normal((2 * units, 4 * units)) / units**0.5
    bias = bench.normal((4 * units,))

    def forward(sequences: Any, kernel: Any, bias: Any) -> Any:
        hidden = carry = tf.zeros((batch, units))
        for inputs in tf.unstack(sequences, axis=1):
            gates = tf.matmul(tf.concat([inputs, hidden], axis=1), kernel) + bias
            take, forget, candidate, give = tf.split(gates, 4, axis=1)
            carry = tf.sigmoid(forget) * carry + tf.sigmoid(take) * tf.tanh(candidate)
            hidden = tf.sigmoid(give) * tf.tanh(carry)
        return hidden

    return bench.gradient_step(forward, [sequences, kernel, bias], bench.normal((batch, units)))


@scenario(family="rnn")
def gru_forward(bench: Bench) -> Callable[[], Any]:
    """Keras GRU, forward; a loop of products that threads split on a CPU, cuDNN on a GPU."""
    return _forward(bench, _layer(bench, "GRU"))


@scenario(family="rnn")
def gru_backward(bench: Bench) -> Callable[[], Any]:
    """Gradients of a Keras GRU; sums over time and batch, by a loop on a CPU, cuDNN on a GPU."""
    return _backward(bench, _layer(bench, "GRU"))


def _dimensions(bench: Bench) -> tuple[int, int, int]:
    """Return batch, time steps and units."""
    return bench.sized((8, 5, 16), (32, 10, 96), (128, 100, 512))


def _layer(bench: Bench, kind: str) -> Any:
    """Return a Keras layer whose weights are inputs, independent of the setting's seeds."""
    batch, time, units = _dimensions(bench)
    layer = getattr(tf.keras.layers, kind)(
        units,
        # Overwritten below. Zeros are faster than an orthogonal matrix.
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
    )
    layer.build((batch, time, units))
    layer.set_weights([bench.normal(w.shape).numpy() / units**0.5 for w in layer.weights])
    return layer


def _forward(bench: Bench, layer: Any) -> Callable[[], Any]:
    sequences = bench.normal(_dimensions(bench))

    @bench.function
    def step() -> Any:
        return layer(sequences)

    return step


def _backward(bench: Bench, layer: Any) -> Callable[[], Any]:
    batch, _, units = _dimensions(bench)
    sequences, upstream = bench.normal(_dimensions(bench)), bench.normal((batch, units))

    @bench.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            output = layer(sequences, training=True)
        inputs = [sequences, *(variable.value for variable in layer.trainable_variables)]
        return tape.gradient(output, inputs, output_gradients=upstream)

    return step
