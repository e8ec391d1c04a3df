"""Programs whose draws repeat in every call, and programs of which one could think so."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import detcost

ROWS = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
ORDER = tf.data.Dataset.range(100)


def one_pass(dataset):
    return next(iter(dataset.batch(100)))


@detcost.scenario
def seed_in_the_step(bench):
    """Noise after a seed that was left in the step."""

    def step():
        tf.random.set_seed(1)
        return tf.random.normal([4])

    return step


@detcost.scenario
def seed_before_a_function(bench):
    """The same, and the noise comes from a function."""
    noise = tf.function(lambda: tf.random.normal([4]))

    def step():
        tf.random.set_seed(1)
        return noise()

    return step


@detcost.scenario
def keras_seed_every_epoch(bench):
    """Dropout after Keras's seed."""

    def step():
        keras.utils.set_random_seed(1)
        return tf.nn.dropout(ROWS, 0.5)

    return step


@detcost.scenario
def order_of_the_first_epoch(bench):
    """A shuffle that is asked for one order."""
    dataset = ORDER.shuffle(100, reshuffle_each_iteration=False)
    return lambda: one_pass(dataset)


@detcost.scenario
def data_set_made_every_epoch(bench):
    """A shuffle with a seed of its own, made anew in each epoch."""
    return lambda: one_pass(ORDER.shuffle(100, seed=1))


@detcost.scenario
def augmentation_that_repeats(bench):
    """Noise in a map: with a global seed, each pass begins with the same numbers."""
    dataset = ORDER.map(lambda number: tf.random.normal([]))
    return lambda: one_pass(dataset)


@detcost.scenario
def cache_after_the_shuffle(bench):
    """A cache keeps the order of the first pass."""
    dataset = ORDER.shuffle(100).cache()
    return lambda: one_pass(dataset)


@detcost.scenario
def shuffle_that_goes_on(bench):
    """A shuffle as it should be."""
    dataset = ORDER.shuffle(100, seed=1)
    return lambda: one_pass(dataset)


@detcost.scenario
def layer_that_goes_on(bench):
    """A dropout layer keeps its generator, whatever the seed."""
    layer = keras.layers.Dropout(0.5)

    def step():
        keras.utils.set_random_seed(1)
        return layer(ROWS, training=True)

    return step


@detcost.scenario
def inference(bench):
    """Dropout is off."""
    layer = keras.layers.Dropout(0.5)

    def step():
        tf.random.set_seed(1)
        return layer(ROWS, training=False)

    return step


@detcost.scenario
def dropout_of_nothing(bench):
    """A rate of zero."""

    def step():
        tf.random.set_seed(1)
        return tf.nn.dropout(ROWS, 0.0)

    return step


@detcost.scenario
def draws_that_do_not_matter(bench):
    """No output depends on the noise."""

    def step():
        tf.random.set_seed(1)
        tf.random.normal([4])
        return tf.reduce_sum(ROWS)

    return step


@detcost.scenario
def whole_training(bench):
    """Each call is a program of its own, which begins with a seed."""

    def step():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dropout(0.5)])
        return model(ROWS, training=True)

    return step


@detcost.scenario(draws=True)
def reseeded_on_purpose(bench):
    """A step that says so."""
    noise = bench.draw.normal([4])

    def step():
        bench.reseed()
        return noise()

    return step


@detcost.scenario(reset=True)
def reset_on_purpose(bench):
    """A scenario that says so."""
    layer = keras.layers.Dropout(0.5)
    return lambda: layer(ROWS, training=True)


@detcost.scenario
def weights_at_random(bench):
    """Random weights, made once."""
    layer = keras.layers.Dense(4)
    return lambda: layer(ROWS)
