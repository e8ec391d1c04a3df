"""Training steps of whole models of images. The module ``models`` has the other models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from detcost.errors import NotApplicable
from detcost.scenarios.bench import Bench
from detcost.scenarios.families.models import BATCHES, CLASSES, class_loss, labels, train
from detcost.scenarios.families.tf_data import PARALLEL
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario


@scenario(
    family="models",
    core=True,
    draws=True,
    kind="loop",
    contains=("conv2d_backward", "reduce_mean_axis", "sparse_softmax_cross_entropy"),
)
def residual_block(bench: Bench) -> Callable[[], Any]:
    """Residual block with batch norm, by momentum SGD; threads split the sums of gradients."""
    batch, side, channels = bench.sized((4, 16, 16), (16, 32, 32), (64, 64, 64))
    layers = tf.keras.layers
    images = layers.Input((side, side, channels))
    hidden = layers.Conv2D(channels, 3, padding="same", use_bias=False)(images)
    hidden = layers.ReLU()(layers.BatchNormalization()(hidden))
    hidden = layers.Conv2D(channels, 3, padding="same", use_bias=False)(hidden)
    hidden = layers.ReLU()(layers.Add()([layers.BatchNormalization()(hidden), images]))
    logits = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(hidden))
    batches = [
        (bench.normal((batch, side, side, channels)), labels(bench, (batch,)))
        for _ in range(BATCHES)
    ]
    model = tf.keras.Model(images, logits)
    return train(bench, model, tf.keras.optimizers.SGD(0.01, momentum=0.9), class_loss(), batches)


@scenario(
    family="models",
    draws=True,
    kind="loop",
    contains=(
        "conv2d_backward",
        "bias_gradient",
        "resize_bilinear_gradient",
        "sparse_softmax_cross_entropy",
    ),
)
def unet(bench: Bench) -> Callable[[], Any]:
    """Small U-Net by Adam; threads split gradients' sums, GPUs add enlarged pixels atomically."""
    batch, side, width = bench.sized((2, 16, 8), (4, 64, 16), (16, 128, 32))
    layers = tf.keras.layers

    def conv(channels: int, strides: int = 1) -> Any:
        return layers.Conv2D(channels, 3, strides, padding="same", activation="relu")

    images = layers.Input((side, side, 3))
    fine = conv(width)(images)
    middle = conv(2 * width, strides=2)(fine)
    coarse = conv(4 * width, strides=2)(middle)
    up = layers.Conv2DTranspose(2 * width, 2, strides=2, padding="same")(coarse)
    up = conv(2 * width)(layers.Concatenate()([up, middle]))
    up = layers.UpSampling2D(2, interpolation="bilinear")(up)
    up = conv(width)(layers.Concatenate()([up, fine]))
    batches = [
        (bench.normal((batch, side, side, 3)), labels(bench, (batch, side, side)))
        for _ in range(BATCHES)
    ]
    model = tf.keras.Model(images, layers.Conv2D(CLASSES, 1)(up))
    return train(bench, model, tf.keras.optimizers.Adam(1e-3), class_loss(), batches)


@scenario(
    family="models",
    core=True,
    draws=True,
    kind="keras",
    contains=(
        "shuffle_unseeded",
        "map_random_parallel",
        "conv2d_backward",
        "reduce_mean_axis",
        "dropout_layer",
    ),
)
def fit_augmented(bench: Bench) -> Callable[[], Any]:
    """One epoch of Keras fit on shuffled, augmented images; parallel calls race for the numbers."""
    count, side, channels = bench.sized((16, 8, 4), (32, 24, 8), (256, 64, 32))
    batch = count // BATCHES
    examples = bench.normal((count, side, side, 3)), labels(bench, (count,))
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((side, side, 3)),
            layers.Conv2D(channels, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(2 * channels, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2),
            layers.Dense(CLASSES),
        ]
    )
    model.compile(tf.keras.optimizers.Adam(1e-3), class_loss(), jit_compile=bench.jit_compile)
    if model.jit_compile != bench.jit_compile:
        raise NotApplicable("Keras fit does not use XLA under op determinism")

    def augment(image: Any, label: Any) -> Any:
        padded = tf.pad(tf.image.random_flip_left_right(image), ((2, 2), (2, 2), (0, 0)))
        cropped = tf.image.random_crop(padded, image.shape)
        return tf.image.random_brightness(cropped, 0.2), label

    options = tf.data.Options()
    options.autotune.enabled = False  # stopping its thread takes as long as a short epoch
    shuffled = tf.data.Dataset.from_tensor_slices(examples).shuffle(count)
    batches = shuffled.map(augment, num_parallel_calls=PARALLEL).batch(batch).prefetch(2)
    dataset = bench.dataset(batches.with_options(options))

    def step() -> Any:
        history = model.fit(dataset, verbose=0).history
        return np.float32(history["loss"]), model.get_weights()

    return step
