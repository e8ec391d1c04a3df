"""A program that reaches past the public interface."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.framework import config

import detcost

config.enable_op_determinism()


@detcost.scenario(family="own")
def steady(bench):
    """Something that op determinism would not change."""
    return tf.function(lambda: tf.ones((4,)))
