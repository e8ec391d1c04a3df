"""A program that compiles a function when imported."""

from __future__ import annotations

import tensorflow as tf

import detcost

X = tf.ones((256, 128))
compiled = tf.function(lambda: tf.nn.gelu(X @ tf.ones((128, 64))), jit_compile=True)


@detcost.scenario(family="own", ignores=("xla",))
def chooses_its_execution(bench):
    """A scenario that ignores the lever xla."""
    return compiled
