"""Augmentation: images flipped, rotated, shifted, sheared and zoomed by random numbers.

A step augments the same images from the same start and returns all of them. Only the draws can
vary between runs, because a single thread computes each pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from detcost.errors import NotApplicable
from detcost.scenarios.bench import Bench
from detcost.scenarios.families.tf_data import PARALLEL, gather
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario

BATCH = 4


@scenario(family="augmentation", ignores=("xla",))
def augment_image_data_generator(bench: Bench) -> Callable[[], Any]:
    """Augmentation by ImageDataGenerator, in NumPy; one thread draws in order, seeded by flow."""
    generator = getattr(tf.keras.preprocessing.image, "ImageDataGenerator", None)
    if generator is None:
        raise NotApplicable("this TensorFlow has no ImageDataGenerator")
    augment = generator(
        rotation_range=20,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.2,
        zoom_range=0.2,
        horizontal_flip=True,
        fill_mode="nearest",
    )
    images = np.asarray(_images(bench))

    def step() -> Any:
        flow = augment.flow(images, batch_size=BATCH, seed=bench.op_seed)
        return np.concatenate([next(flow) for _ in range(len(flow))])

    return step


@scenario(family="augmentation")
def augment_keras_layers(bench: Bench) -> Callable[[], Any]:
    """Augmentation by seeded Keras layers; numbers are drawn in order, whatever the threads."""
    images = _images(bench)
    layers = _KerasLayers(bench)
    augment = bench.function(layers.augment)

    def step() -> Any:
        layers.restart()
        return augment(images)

    return step


@scenario(family="augmentation", ignores=("xla",))
def augment_keras_layers_in_tf_data(bench: Bench) -> Callable[[], Any]:
    """Augmentation by seeded Keras layers in a parallel map; calls race for the random numbers."""
    images = _images(bench)
    layers = _KerasLayers(bench)
    batches = tf.data.Dataset.from_tensor_slices(images).batch(BATCH)
    dataset = bench.dataset(batches.map(layers.augment, num_parallel_calls=PARALLEL))

    def step() -> Any:
        layers.restart()
        return gather(dataset, len(images) // BATCH)

    return step


@scenario(family="augmentation", ignores=("xla",))
def augment_tf_data_stateless(bench: Bench) -> Callable[[], Any]:
    """Augmentation by stateless ops in a parallel map; each image has a seed, so nothing races."""
    images = _images(bench)

    def augment(index: Any, image: Any) -> Any:
        seed = tf.stack([tf.constant(bench.seed, tf.int64), index])
        return _transform(tf.image.stateless_random_flip_left_right(image, seed), seed)

    elements = tf.data.Dataset.from_tensor_slices(images).enumerate()
    dataset = bench.dataset(elements.map(augment, num_parallel_calls=PARALLEL))

    def step() -> Any:
        return gather(dataset, len(images))

    return step


def _images(bench: Bench) -> Any:
    number, side = bench.sized((32, 16), (32, 32), (128, 128))
    return bench.uniform((number, side, side, 3))


class _KerasLayers:
    """Keras's layers, each with a seed, which can restart their random numbers."""

    def __init__(self, bench: Bench):
        seed, layers = bench.op_seed, tf.keras.layers
        self._layers = [
            layers.RandomFlip("horizontal", seed=seed),
            layers.RandomRotation(20 / 360, seed=seed),
            layers.RandomTranslation(0.2, 0.2, seed=seed),
            layers.RandomZoom(0.2, seed=seed),
        ]
        if hasattr(layers, "RandomShear"):  # since Keras 3.9
            self._layers.append(layers.RandomShear(0.2, 0.2, seed=seed))
        self._seeded = seed is not None
        self._states = [layer.generator.state.value for layer in self._layers]
        self._initial = [tf.identity(state) for state in self._states]

    def augment(self, images: Any) -> Any:
        """Augment a batch."""
        for layer in self._layers:
            images = layer(images, training=True)
        return images

    def restart(self) -> None:
        """Restart the layers' random numbers, if they have a seed."""
        if self._seeded:
            for state, value in zip(self._states, self._initial, strict=True):
                state.assign(value)


def _transform(image: Any, seed: Any) -> Any:
    """Rotate, shear, zoom and shift an image by numbers that depend only on the seed."""
    height, width, _ = image.shape
    draws = tf.random.stateless_uniform((5,), seed, -1.0, 1.0)
    angle, shear = draws[0] * math.radians(20), draws[1] * 0.2
    zoom = 1 + draws[2] * 0.2
    cos, sin = zoom * tf.cos(angle), zoom * tf.sin(angle)
    right, down = draws[3] * 0.2 * width, draws[4] * 0.2 * height
    matrix = [cos, shear * cos - sin, right, sin, shear * sin + cos, down, 0.0, 0.0]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.stack(matrix)[None],
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return moved[0]
