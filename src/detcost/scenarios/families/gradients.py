"""Gradients of image ops: many output elements contribute to one input element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario

# Batch normalisation, crops and bilinear enlargement have no float64 reference, because TensorFlow
# computes them only in float32.


@scenario(family="irregular")
def batch_norm_gradient(bench: Bench) -> Callable[[], Any]:
    """Gradients of batch normalisation; threads split the sums over batch and space."""
    batch, side, channels = bench.sized((4, 16, 32), (16, 32, 32), (64, 64, 64))
    images = bench.normal((batch, side, side, channels))
    scale, offset = bench.normal((channels,)), bench.normal((channels,))
    upstream = bench.normal(images.shape)

    def forward(images: Any, scale: Any, offset: Any) -> Any:
        return tf.compat.v1.nn.fused_batch_norm(images, scale, offset, is_training=True)[0]

    return bench.gradient_step(forward, [images, scale, offset], upstream)


@scenario(family="irregular", core=True)
def crop_and_resize_gradient(bench: Bench) -> Callable[[], Any]:
    """Image gradient of overlapping crops; threads add to shared pixels in any order."""
    # Enough crops to keep every thread busy. Otherwise one thread does all the work in order.
    boxes, side, channels = bench.sized((40, 32, 4), (400, 64, 4), (4_000, 128, 16))
    images = bench.normal((1, side, side, channels))
    corners = tf.concat(
        [bench.uniform((boxes, 2), 0.0, 0.4), bench.uniform((boxes, 2), 0.6, 1.0)], 1
    )
    owners = tf.zeros((boxes,), tf.int32)

    def forward(images: Any) -> Any:
        return tf.image.crop_and_resize(images, corners, owners, (32, 32))

    return bench.gradient_step(forward, [images], bench.normal((boxes, 32, 32, channels)))


@scenario(family="irregular")
def resize_bilinear_gradient(bench: Bench) -> Callable[[], Any]:
    """Gradient of bilinear enlargement; several values add to a pixel, atomically on GPUs."""
    return _resize_gradient(bench, "bilinear")


@scenario(family="irregular", float64_reference=True)
def resize_nearest_gradient(bench: Bench) -> Callable[[], Any]:
    """Gradient of nearest-pixel enlargement; several values add to a pixel, atomically on GPUs."""
    return _resize_gradient(bench, "nearest")


@scenario(family="irregular", float64_reference=True)
def max_pool_gradient(bench: Bench) -> Callable[[], Any]:
    """Gradient of overlapping max pooling; windows with the same maximum add to one pixel."""
    batch, side, channels = bench.sized((2, 16, 16), (16, 32, 32), (32, 64, 64))
    images = bench.normal((batch, side, side, channels))

    def forward(images: Any) -> Any:
        return tf.nn.max_pool2d(images, ksize=3, strides=1, padding="SAME")

    return bench.gradient_step(forward, [images], bench.normal(images.shape))


def _resize_gradient(bench: Bench, method: str) -> Callable[[], Any]:
    batch, side, channels = bench.sized((2, 16, 8), (16, 32, 16), (64, 64, 32))
    images = bench.normal((batch, side, side, channels))
    larger = 5 * side // 2

    def forward(images: Any) -> Any:
        return tf.image.resize(images, (larger, larger), method=method)

    return bench.gradient_step(forward, [images], bench.normal((batch, larger, larger, channels)))
