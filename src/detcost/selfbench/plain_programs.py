"""Programs as a user writes them: each takes TensorFlow and ``tf.function``, and returns a step.

This file imports nothing of detcost. :mod:`detcost.selfbench.independent` runs its text in fresh
interpreters. :mod:`detcost.selfbench.plain_scenarios` makes scenarios of the same functions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def conv(tf: Any, function: Callable[[Any], Any]) -> Callable[[], Any]:
    """Return a step that computes both gradients of a convolution."""
    random = np.random.default_rng(0)
    images, kernel, upstream = (
        tf.constant(random.standard_normal(shape).astype(np.float32))
        for shape in ((8, 32, 32, 32), (3, 3, 32, 64), (8, 32, 32, 64))
    )

    @function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch([images, kernel])
            outputs = tf.nn.conv2d(images, kernel, 1, "SAME")
        return tape.gradient(outputs, [images, kernel], output_gradients=upstream)

    return step  # type: ignore[no-any-return]


def mlp(tf: Any, function: Callable[[Any], Any]) -> Callable[[], Any]:
    """Return a step that computes the gradients of a perceptron with one hidden layer."""
    random = np.random.default_rng(1)
    inputs, hidden, readout, targets = (
        tf.constant(random.standard_normal(shape).astype(np.float32) * 0.1)
        for shape in ((128, 256), (256, 512), (512, 64), (128, 64))
    )

    @function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch([hidden, readout])
            error = tf.nn.relu(inputs @ hidden) @ readout - targets
            loss = tf.reduce_mean(error**2)
        return tape.gradient(loss, [hidden, readout])

    return step  # type: ignore[no-any-return]
