"""Programs for the figures of ``locate``: one of a hundred operations, and a Keras model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from detcost.scenarios.bench import Bench
from detcost.scenarios.registry import scenario

_BLOCKS = 9


@scenario(family="selfbench")
def hundred_operations(bench: Bench) -> Callable[[], Any]:
    """Nine dense blocks of eleven operations, after a weighted ``bincount``, which races."""
    draws = np.random.default_rng(0)
    loads = tf.constant(draws.normal(size=1 << 18), tf.float32)
    bins = tf.constant(draws.integers(0, 64, 1 << 18), tf.int32)
    weights = tf.constant(draws.normal(0.0, 0.1, (64, 64)), tf.float32)

    def step() -> Any:
        x = tf.math.bincount(bins, weights=loads, minlength=64)[tf.newaxis]
        for _ in range(_BLOCKS):
            x = x + tf.tanh(x @ weights)
            x = tf.nn.softmax(x - tf.reduce_max(x)) * 0.5
        return x

    compiled: Callable[[], Any] = tf.function(step)
    return compiled


@scenario(family="selfbench")
def keras_encoder(bench: Bench) -> Callable[[], Any]:
    """Train an embedding and three encoder blocks with Keras: an epoch of four batches."""
    draws = np.random.default_rng(0)
    layers = tf.keras.layers
    words = layers.Input((32,), dtype="int32")
    x = layers.Embedding(500, 64)(words)
    for _ in range(3):
        attended = layers.MultiHeadAttention(4, 16)(x, x)
        x = layers.LayerNormalization()(x + layers.Dropout(0.1)(attended))
        hidden = layers.Dense(128, activation="gelu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(64)(hidden))
    model = tf.keras.Model(words, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))
    model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    inputs = draws.integers(0, 500, (64, 32)).astype("int32")
    targets = draws.integers(0, 4, 64)

    def step() -> Any:
        history = model.fit(inputs, targets, batch_size=16, epochs=1, shuffle=False, verbose=0)
        return [history.history["loss"], model.get_weights()[0]]

    return step
