"""Pairs of programs whose bits their authors expect to be equal."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import detcost

NUMBERS = np.random.default_rng(0)
INPUTS = tf.constant(NUMBERS.normal(size=(32, 256)), tf.float32)
LABELS = tf.constant(NUMBERS.integers(0, 64, 32))
IDS = tf.constant(np.sort(NUMBERS.integers(0, 100, 20_000)), tf.int32)
VALUES = tf.constant(NUMBERS.normal(size=(20_000, 16)), tf.float32)


def network() -> keras.Model:
    layers = [keras.layers.Dense(512, activation="relu"), keras.layers.Dense(64)]
    return keras.Sequential([keras.layers.Input((256,)), *layers])


@detcost.scenario(family="inference")
def alone(bench: Any) -> Callable[[], Any]:
    """The prediction of one row."""
    model = network()
    return lambda: model(INPUTS[:1])


@detcost.scenario(family="inference", rows=0)
def batched(bench: Any) -> Callable[[], Any]:
    """The same row in a batch of 32."""
    model = network()
    return lambda: model(INPUTS)


@detcost.scenario(family="inference")
def whole_batch(bench: Any) -> Callable[[], Any]:
    """The prediction of all rows."""
    model = network()
    return lambda: model(INPUTS)


@detcost.scenario(family="inference")
def loaded(bench: Any) -> Callable[[], Any]:
    """The same prediction by the model saved and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        network().save(file)
        model = keras.models.load_model(file)
    return lambda: model(INPUTS)


class Training:
    """A training with Adam that can be continued from a checkpoint."""

    def __init__(self) -> None:
        self.model = network()
        self.optimizer = keras.optimizers.Adam(1e-3)
        self.optimizer.build(self.model.trainable_variables)
        self.step = tf.function(self._step)

    def _step(self) -> Any:
        with tf.GradientTape() as tape:
            logits = self.model(INPUTS)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits)
            loss = tf.reduce_mean(loss)
        weights = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss, "weights": [tf.identity(weight) for weight in weights]}

    def continued(self, **parts: Any) -> Training:
        """Return another training with the saved parts of this one."""
        other = Training()
        with tempfile.TemporaryDirectory() as folder:
            path = tf.train.Checkpoint(**{name: getattr(self, name) for name in parts}).write(
                str(Path(folder, "checkpoint"))
            )
            tf.train.Checkpoint(**{name: getattr(other, name) for name in parts}).restore(path)
        return other


def resumed_at_third_call(parts: list[str]) -> Callable[[], Any]:
    training, calls = Training(), 0

    def step() -> Any:
        nonlocal training, calls
        calls += 1
        if calls == 3:
            training = training.continued(**dict.fromkeys(parts))
        return training.step()

    return step


@detcost.scenario(family="training")
def through(bench: Any) -> Callable[[], Any]:
    """Steps of a training, run through."""
    return Training().step


@detcost.scenario(family="training")
def resumed(bench: Any) -> Callable[[], Any]:
    """The same, two steps before a checkpoint and the others after it."""
    return resumed_at_third_call(["model", "optimizer"])


@detcost.scenario(family="training")
def resumed_from_weights(bench: Any) -> Callable[[], Any]:
    """The same, but the checkpoint lacks the optimizer."""
    return resumed_at_third_call(["model"])


@detcost.scenario(family="segments")
def segment_sum(bench: Any) -> Callable[[], Any]:
    """Sums of sorted segments."""
    return lambda: tf.math.segment_sum(VALUES, IDS)


@detcost.scenario(family="segments")
def unsorted_segment_sum(bench: Any) -> Callable[[], Any]:
    """The same sums, by the op that takes any order."""
    return lambda: tf.math.unsorted_segment_sum(VALUES, IDS, 100)


@detcost.scenario(family="random")
def drawn_anew(bench: Any) -> Callable[[], Any]:
    """Numbers that nobody has seeded."""
    return lambda: tf.constant(np.random.default_rng().random((32, 64)), tf.float32)
