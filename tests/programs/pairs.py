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
