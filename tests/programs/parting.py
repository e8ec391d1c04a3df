"""Trainings of which it is known where their runs part, and how fast."""

from __future__ import annotations

import os

import tensorflow as tf

import detcost


def growing(errors_at: int):
    """Return a step whose runs part by the process's number, and whose distance grows by 1.3."""
    weights = tf.Variable([0.0, 1.0], dtype=tf.float64)
    factors = tf.constant([1.3, 1.0], dtype=tf.float64)
    calls = iter(range(1, 10_000))

    def step():
        if next(calls) == errors_at:
            weights.assign_add([os.getpid() * 1e-15, 0.0])
        weights.assign(weights * factors)
        return tf.identity(weights)

    return step


@detcost.scenario
def parts_at_step_four(bench):
    """Runs part at step 4. Weights of two runs differ by a factor more in each step."""
    return growing(4)


@detcost.scenario
def never_parts(bench):
    """The same without the difference."""
    return growing(10_001)
