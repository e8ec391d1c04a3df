"""A program whose top-level code op determinism refuses."""

from __future__ import annotations

import tensorflow as tf

import detcost

generator = tf.random.Generator.from_non_deterministic_state()


@detcost.scenario(family="own")
def steady(bench):
    """A step without random numbers."""
    return tf.function(lambda: tf.ones((4,)))
