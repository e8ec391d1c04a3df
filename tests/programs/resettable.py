"""Programs whose steps go on from call to call, each as it is and with its state put back."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from detcost.scenarios.registry import Scenario

rng = np.random.default_rng(1)
images = rng.normal(size=(64, 16)).astype("float32")
labels = rng.integers(0, 4, size=64)
batches = (
    tf.data.Dataset.from_tensor_slices((images, labels))
    .shuffle(64)
    .map(lambda image, label: (image + tf.random.normal((16,)), label), num_parallel_calls=2)
    .batch(8)
)


def adam_loop():
    """Embeddings, dropout and Adam, whose slots the first step makes."""
    table = tf.Variable(tf.random.normal((50, 16)))
    kernel = tf.Variable(tf.random.normal((16, 4)))
    words = tf.constant(np.arange(64) % 7)
    optimizer = keras.optimizers.Adam(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            hidden = tf.nn.dropout(tf.gather(table, words), 0.5)
            loss = tf.reduce_mean((hidden @ kernel) ** 2)
        variables = [table, kernel]
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return lambda: [step(), table, kernel]


def train_on_batch():
    """A Keras model that is built by its first batch."""
    model = keras.Sequential(
        [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(4)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return lambda: [model.train_on_batch(images[:8], labels[:8]), model.get_weights()]


def pulls_from_a_pipeline():
    """A pipeline that shuffles and augments, read by an iterator that the program holds."""
    held = iter(batches.repeat())
    return lambda: next(held)


def epochs_of_a_pipeline():
    """The same pipeline, read anew by every step: the order of an epoch is another each time."""
    return lambda: [image for image, _ in batches]


def draws_in_python():
    """The generators of NumPy and Python, global ones and the program's own."""
    own, older, plain = np.random.default_rng(2), np.random.RandomState(2), random.Random(2)
    return lambda: [
        own.normal(size=3),
        older.normal(size=3),
        plain.random(),
        np.random.normal(size=3),
        random.random(),
        tf.random.normal((3,)),
    ]


def variables_of_a_function():
    """Variables that a ``tf.function`` makes when it is traced."""
    made = []

    @tf.function
    def step():
        if not made:
            made.append(tf.Variable(tf.random.normal((3,))))
        return made[0].assign_add(tf.random.normal((3,)))

    return step


def epoch_of_fit():
    """A Keras model that its first epoch builds, and an iterator over the same shuffled data."""
    model = keras.Sequential([keras.layers.Dense(4), keras.layers.BatchNormalization()])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    held = iter(batches.repeat())
    return lambda: [
        model.fit(batches, verbose=0).history["loss"],
        model.get_weights(),
        next(held),
    ]


def variable_of_an_argument():
    """A variable whose first value nothing but the function itself can know."""
    made = []

    @tf.function
    def step(rows):
        if not made:
            made.append(tf.Variable(2 * rows))
        return made[0].assign_add(rows)

    return lambda: step(tf.ones(3))


def counts_in_python():
    """State that nothing can put back."""
    count = itertools.count()
    return lambda: next(count)


def _scenario(build, **properties):
    return Scenario("", "resettable", "", lambda bench: build(), draws=True, **properties)


adam_goes_on = _scenario(adam_loop)
keras_goes_on = _scenario(train_on_batch)
pipeline_goes_on = _scenario(pulls_from_a_pipeline)
epochs_go_on = _scenario(epochs_of_a_pipeline)
python_goes_on = _scenario(draws_in_python)
function_goes_on = _scenario(variables_of_a_function)
fit_goes_on = _scenario(epoch_of_fit)
argument_goes_on = _scenario(variable_of_an_argument)
count_goes_on = _scenario(counts_in_python)
adam_again = replace(adam_goes_on, reset=True)
keras_again = replace(keras_goes_on, reset=True)
pipeline_again = replace(pipeline_goes_on, reset=True)
epochs_again = replace(epochs_go_on, reset=True)
python_again = replace(python_goes_on, reset=True)
function_again = replace(function_goes_on, reset=True)
fit_again = replace(fit_goes_on, reset=True)
argument_again = replace(argument_goes_on, reset=True)
count_again = replace(count_goes_on, reset=True)
no_such_row = _scenario(lambda: lambda: [tf.eye(4), tf.range(3)], rows=3)
