"""A program whose top-level code configures the same as levers."""

from __future__ import annotations

import os

os.environ["TF_DETERMINISTIC_OPS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_max_isa=AVX"

import numpy as np
import tensorflow as tf

import detcost

tf.config.experimental.enable_op_determinism()
tf.config.experimental.enable_tensor_float_32_execution(False)
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.optimizer.set_jit(True)
tf.config.run_functions_eagerly(True)
tf.keras.utils.set_random_seed(7)
np.random.seed(7)


@detcost.scenario(family="own", draws=True)
def draws(bench):
    """Numbers of NumPy and TensorFlow, drawn after the program's own seeds."""
    numbers = [tf.constant(np.random.random(4)), tf.random.normal((4,))]
    return tf.function(lambda: numbers)
