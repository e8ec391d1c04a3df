"""Programs for the probe: what each executes is known from its source."""

import numpy as np
import tensorflow as tf

import detcost

random = np.random.default_rng(0)
ROWS = random.standard_normal((4, 3)).astype("float32")


@detcost.scenario(family="watched")
def loops(bench):
    """Three turns of a loop, one branch, four turns of a map, gradients, and a variable."""
    weights = tf.Variable(tf.ones((3, 3)))
    counts = tf.Variable(tf.zeros((2, 3)))

    @tf.function
    def step(rows):
        with tf.GradientTape() as tape:
            values = rows
            for _ in tf.range(3):
                values = tf.tanh(values @ weights)
                counts.scatter_add(tf.IndexedSlices(tf.ones((2, 3)), [1, 1]))
            if tf.reduce_sum(rows) > -1e9:
                values = values * 2.0
            sums = tf.map_fn(lambda row: tf.reduce_sum(row) ** 2, values)
            loss = tf.reduce_mean(sums)
        weights.assign_sub(0.1 * tape.gradient(loss, weights))
        return loss

    return lambda: step(tf.constant(ROWS)) + 1.0


@detcost.scenario(family="watched")
def compiled(bench):
    """Under the lever ``xla``: a compiled function with a loop and a gradient, called eagerly."""

    @tf.function
    def inner(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = values
            for _ in tf.range(2):
                result = tf.sin(result)
        return tape.gradient(result, values)

    return lambda: inner(tf.cos(tf.constant(ROWS)))


@detcost.scenario(family="watched")
def fit(bench):
    """Two batches of Keras's fit."""
    keras = tf.keras
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    labels = random.standard_normal((4, 1)).astype("float32")
    return lambda: model.fit(ROWS, labels, batch_size=2, shuffle=False, verbose=0).history["loss"]


@detcost.scenario(family="watched")
def looked_at(bench):
    """Two sums on one line, one of which Python reads, to go on with a number of its own."""
    rows = tf.constant(ROWS)

    def step():
        sums = [tf.reduce_sum(rows, axis=0, keepdims=keep) for keep in (False, True)]
        return rows * (1.0 + float(tf.reduce_max(sums[0])))

    return step


@detcost.scenario(family="watched")
def eager(bench):
    """No function at all: a gradient, and a number that Python draws."""
    weights, rows = tf.Variable(tf.ones((3, 1))), tf.constant(ROWS)
    draw = np.random.default_rng(7)

    def step():
        noise = draw.standard_normal((4, 3)).astype("float32")
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.tanh((rows + noise) @ weights))
        weights.assign_sub(0.1 * tape.gradient(loss, weights))
        return loss

    return step
