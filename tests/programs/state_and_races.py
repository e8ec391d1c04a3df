"""Programs after public bug reports: state, races, and state that forks share."""

from __future__ import annotations

import os
import random
import tempfile
import time
import uuid

import keras
import numpy as np
import tensorflow as tf

import detcost


@detcost.scenario(family="reports")
def vocabulary_from_a_set(bench):
    """Embedding rows numbered in the order of a set of words (keras-team/keras 2280)."""
    words = [f"word-{number}" for number in range(200)]
    rows = {word: row for row, word in enumerate(set(words))}
    table = bench.normal((len(words), 16))
    sentence = tf.constant([rows[word] for word in words[::5]])
    return bench.function(lambda: tf.reduce_sum(tf.gather(table, sentence), axis=0))


@detcost.scenario(family="reports")
def vocabulary_that_is_trained(bench):
    """The same vocabulary, and an embedding whose weights are trained."""
    words = [f"word-{number}" for number in range(200)]
    rows = {word: row for row, word in enumerate(set(words))}
    table = tf.Variable(bench.normal((len(words), 16)))
    sentence = tf.constant([rows[word] for word in words[::5]])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.gather(table, sentence) ** 2)
        table.assign_sub(tf.convert_to_tensor(tape.gradient(loss, table)))
        return loss

    return step


@detcost.scenario(family="reports")
def features_in_the_order_of_addresses(bench):
    """Features in the order of a set of functions, which depends on their addresses."""
    known = {feature for feature in vars(tf.raw_ops).values() if callable(feature)}
    names = tf.constant([feature.__name__ for feature in list(known)[:20]])
    return lambda: names


@detcost.scenario(family="reports", draws=True)
def dropout_that_goes_on(bench):
    """Repeated calls of one seeded layer (keras-team/keras-core 762)."""
    rows = bench.normal((32, 64))
    layer = keras.layers.Dropout(0.5, seed=7)
    return lambda: layer(rows, training=True)


@detcost.scenario(family="reports", draws=True)
def dropout_seeded_by_entropy(bench):
    """The same with a seed from the operating system."""
    rows = bench.normal((32, 64))
    layer = keras.layers.Dropout(0.5, seed=int.from_bytes(os.urandom(3), "little"))
    return lambda: layer(rows, training=True)


@detcost.scenario(family="reports")
def training_that_goes_on(bench):
    """Weights without a reset, as in any training loop."""
    x, y = bench.normal((64, 32)), bench.normal((64, 1))
    weights = tf.Variable(bench.normal((32, 1)))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(x @ weights - y))
        weights.assign_sub(0.01 * tape.gradient(loss, weights))
        return loss

    return step


@detcost.scenario(family="reports")
def pipeline_that_goes_on(bench):
    """The next batch of a kept iterator."""
    numbers = tf.data.Dataset.range(1000).shuffle(1000, seed=3).repeat().batch(8)
    batches = iter(numbers)
    return lambda: next(batches)


@detcost.scenario(family="reports")
def training_that_races(bench):
    """A training whose first loss is always the same, and whose weights get noise."""
    noise = np.random.default_rng()
    weights = tf.Variable(tf.ones((8,)))

    def step():
        loss = tf.reduce_sum(weights)
        weights.assign_add(tf.constant(noise.standard_normal(8).astype("float32")))
        return loss

    return step


@detcost.scenario(family="reports")
def argmin_behind_relu(bench):
    """Argmin of relu, where relu makes ties (tensorflow/tensorflow 116436)."""
    rows = bench.normal((128, 32))
    return tf.function(lambda: tf.argmin(tf.nn.relu(rows), axis=-1))


@detcost.scenario(family="reports")
def stateless_philox_under_xla(bench):
    """Stateless draws with a named algorithm (tensorflow/tensorflow 117644)."""
    seed = tf.constant([123, 456], tf.int32)
    return tf.function(lambda: tf.random.stateless_uniform((64,), seed=seed, alg="philox"))


@detcost.scenario(family="reports", draws=True)
def loop_iterations_draw_at_once(bench):
    """A loop with ten parallel iterations, each of which draws (tensorflow/tensorflow 9230)."""
    lengths = tf.constant(np.random.default_rng(2).integers(1, 50_000, 64, dtype=np.int32))

    def body(length):
        slow = tf.reduce_max(tf.cast(tf.range(length), tf.float32))
        return tf.random.normal((4,)), slow

    @tf.function
    def draws():
        kinds = (tf.float32, tf.float32)
        return tf.map_fn(body, lengths, parallel_iterations=10, fn_output_signature=kinds)

    def step():
        bench.reseed()
        return draws()

    return step


# State that forks share but new processes do not. Each output must differ between processes.


@detcost.scenario(family="reports")
def unseeded_numpy(bench):
    """NumPy's global generator."""
    numbers = np.random.random(4)
    return lambda: numbers


@detcost.scenario(family="reports")
def unseeded_numpy_generator(bench):
    """A new generator of NumPy."""
    numbers = np.random.default_rng().random(4)
    return lambda: numbers


@detcost.scenario(family="reports")
def unseeded_python(bench):
    """Python's global generator."""
    number = random.random()
    return lambda: np.array([number])


@detcost.scenario(family="reports")
def unseeded_eager_op(bench):
    """An eager op without a seed."""
    numbers = tf.random.normal((4,))
    return lambda: numbers


@detcost.scenario(family="reports")
def unseeded_graph_op(bench):
    """An op without a seed, in a graph."""
    numbers = tf.function(lambda: tf.random.normal((4,)))()
    return lambda: numbers


@detcost.scenario(family="reports")
def unseeded_generator(bench):
    """A generator of TensorFlow with the operating system's entropy."""
    numbers = tf.random.Generator.from_non_deterministic_state().normal((4,))
    return lambda: numbers


@detcost.scenario(family="reports")
def unseeded_keras(bench):
    """The first weights of a layer, whose seed comes from Python's generator."""
    layer = keras.layers.Dense(4)
    layer.build((None, 4))
    return lambda: layer.kernel


@detcost.scenario(family="reports")
def unseeded_shuffle(bench):
    """The order of a shuffled pipeline."""
    order = tf.stack(list(tf.data.Dataset.range(100).shuffle(100)))
    return lambda: order


@detcost.scenario(family="reports")
def seeded_by_the_clock(bench):
    """Numbers of a generator whose seed is the time, to the nanosecond."""
    numbers = np.random.default_rng(time.time_ns()).random(4)
    return lambda: numbers


@detcost.scenario(family="reports")
def temporary_name(bench):
    """The name of a temporary directory."""
    with tempfile.TemporaryDirectory() as folder:
        name = tf.constant(os.path.basename(folder))
    return lambda: name


@detcost.scenario(family="reports")
def unique_identifier(bench):
    """An identifier drawn by the operating system."""
    name = tf.constant(str(uuid.uuid4()))
    return lambda: name


@detcost.scenario(family="reports")
def address_of_an_object(bench):
    """The address of an object."""
    address = tf.constant(id(object()) % 2**40)
    return lambda: address
