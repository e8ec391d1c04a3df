"""The guard in this project's own CI, as a user writes it: what must stay, and what must differ."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
HALF = 0.5  # a quick check, which finds what differs in half of the processes


@pytest.mark.reproducible(rate=HALF)
@pytest.mark.parametrize("size", [64])
def test_a_product_of_matrices_keeps_its_bits(size):
    import tensorflow as tf

    numbers = np.random.default_rng(0).normal(size=(size, size))
    matrix = tf.constant(numbers, tf.float32)
    return tf.function(lambda: matrix @ matrix)


@pytest.mark.expect_divergence
def test_a_draw_without_a_seed_differs():
    draws = np.random.default_rng()
    return lambda: draws.normal(size=3)
