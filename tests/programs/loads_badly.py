"""A program whose top op determinism refuses."""

from __future__ import annotations

import tensorflow as tf

import detcost

generator = tf.random.Generator.from_non_deterministic_state()


@detcost.scenario(family="own")
def steady(bench):
    """Something that does not draw."""
    return tf.function(lambda: tf.ones((4,)))
