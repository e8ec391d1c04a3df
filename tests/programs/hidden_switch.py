"""A program that enables op determinism by a private function."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.framework import config

import detcost

config.enable_op_determinism()


@detcost.scenario(family="own")
def steady(bench):
    """A step that op determinism does not change."""
    return tf.function(lambda: tf.ones((4,)))
