"""Convolutions: forward passes, gradients, and a training step of a small network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario


@scenario(family="conv", float64_reference=True)
def conv2d_forward(bench: Bench) -> Callable[[], Any]:
    """Forward convolution; the blocking of the inner sums depends on the instruction set."""
    images, kernel, _ = _conv2d_inputs(bench)

    @bench.function
    def step() -> Any:
        return _conv2d(images, kernel)

    return step


@scenario(family="conv", core=True, float64_reference=True)
def conv2d_backward(bench: Bench) -> Callable[[], Any]:
    """Gradients of a convolution; threads split the kernel gradient's sum over all pixels."""
    images, kernel, upstream = _conv2d_inputs(bench)
    return bench.gradient_step(_conv2d, [images, kernel], upstream)


@scenario(family="conv", float64_reference=True)
def depthwise_backward(bench: Bench) -> Callable[[], Any]:
    """Gradients of a depthwise convolution; threads split the filter gradient's sum over images."""
    batch, side, channels = bench.sized((2, 16, 16), (8, 32, 32), (32, 64, 64))
    images = bench.normal((batch, side, side, channels))
    kernel = bench.normal((3, 3, channels, 1))

    def forward(images: Any, kernel: Any) -> Any:
        return tf.nn.depthwise_conv2d(images, kernel, strides=(1, 1, 1, 1), padding="SAME")

    return bench.gradient_step(forward, [images, kernel], bench.normal(images.shape))


@scenario(family="conv", float64_reference=True)
def bias_gradient(bench: Bench) -> Callable[[], Any]:
    """Gradient of a bias added to images; threads split its sum over batch and space."""
    # Few channels: with more than 32 per thread, a single thread sums the whole channel.
    shape = bench.sized((8, 32, 32, 32), (32, 64, 64, 32), (256, 64, 64, 32))
    bias = bench.normal(shape[-1:])

    def forward(bias: Any) -> Any:
        # The gradient does not depend on the images, so TensorFlow removes the forward pass.
        return tf.nn.bias_add(tf.zeros(shape, bench.dtype), bias)

    return bench.gradient_step(forward, [bias], bench.normal(shape))


@scenario(family="conv", float64_reference=True)
def cnn_train_step(bench: Bench) -> Callable[[], Any]:
    """One SGD step of a small CNN; threads split the sums of kernel and bias gradients."""
    batch, side = bench.sized((8, 8), (32, 16), (128, 32))
    images = bench.normal((batch, side, side, 3))
    labels = tf.constant(bench.integers((batch,), high=10))
    shapes = [(3, 3, 3, 16), (16,), (3, 3, 16, 32), (32,), (side // 4 * side // 4 * 32, 10), (10,)]
    weights = [bench.normal(shape, scale=0.1) for shape in shapes]

    @bench.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = _cnn(images, weights)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, weights)
        return loss, [w - 0.01 * g for w, g in zip(weights, gradients, strict=True)]

    return step


def _conv2d_inputs(bench: Bench) -> tuple[Any, Any, Any]:
    batch, side, channels = bench.sized((2, 16, 16), (8, 32, 32), (32, 64, 64))
    images = bench.normal((batch, side, side, channels))
    kernel = bench.normal((3, 3, channels, channels))
    return images, kernel, bench.normal(images.shape)


def _conv2d(images: Any, kernel: Any) -> Any:
    return tf.nn.conv2d(images, kernel, strides=1, padding="SAME")


# Average pooling: XLA refuses the gradient of max pooling under op determinism, even on a CPU. The
# scenario max_pool_gradient shows this. Here it would leave half of the settings unmeasured.
def _cnn(images: Any, weights: list[Any]) -> Any:
    k1, b1, k2, b2, dense, bias = weights
    hidden = tf.nn.avg_pool2d(tf.nn.relu(_conv2d(images, k1) + b1), 2, 2, "VALID")
    hidden = tf.nn.avg_pool2d(tf.nn.relu(_conv2d(hidden, k2) + b2), 2, 2, "VALID")
    return tf.matmul(tf.reshape(hidden, (hidden.shape[0], -1)), dense) + bias
