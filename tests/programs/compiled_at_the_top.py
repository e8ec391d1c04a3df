"""A program that compiles a function as soon as it is imported."""

from __future__ import annotations

import tensorflow as tf

import detcost

X = tf.ones((256, 128))
compiled = tf.function(lambda: tf.nn.gelu(X @ tf.ones((128, 64))), jit_compile=True)


@detcost.scenario(family="own", ignores=("xla",))
def says_how_it_runs(bench):
    """A scenario to which the lever means nothing."""
    return compiled
