"""The files that ``detcost init`` writes: a small program in which a user puts their own lines."""

from __future__ import annotations

_KERAS = '''\
"""A Keras training. Put your own code where a line says "yours": detcost measure FILE"""

import tensorflow as tf

import detcost


def make_model():
    model = tf.keras.Sequential([tf.keras.layers.Dense(10)])  # yours
    model.compile("adam", "mse")  # yours
    return model


def make_data():
    return tf.random.normal((256, 32)), tf.random.normal((256, 10))  # yours


fit = detcost.keras.fit_step(make_model, make_data, batch_size=32)
'''

_LOOP = '''\
"""A training step. Put your own code where a line says "yours": detcost measure FILE"""

import tensorflow as tf

import detcost

weights = tf.Variable(tf.random.normal((32, 10)))  # yours
optimizer = tf.keras.optimizers.Adam()  # yours


def make_batch():
    return tf.random.normal((64, 32)), tf.random.normal((64, 10))  # yours


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ weights - y) ** 2)  # yours
    optimizer.apply_gradients([(tape.gradient(loss, weights), weights)])
    return loss, weights


train = detcost.callable(train_step, make_batch)
'''

_DATASET = '''\
"""A tf.data pipeline. Put your own code where a line says "yours": detcost measure FILE"""

import tensorflow as tf

import detcost


def augment(image):
    return tf.image.random_flip_left_right(image)  # yours


def make_dataset():
    images = tf.data.Dataset.from_tensor_slices(tf.random.uniform((120, 32, 32, 3)))  # yours
    return images.shuffle(120).map(augment, num_parallel_calls=tf.data.AUTOTUNE).batch(32)  # yours


pipeline = detcost.dataset(make_dataset)
'''

_CALLABLE = '''\
"""A function. Put your own code where a line says "yours": detcost measure FILE"""

import tensorflow as tf

import detcost


def make_inputs():
    return tf.random.normal((64, 256))  # yours


@tf.function
def function(x):
    return tf.nn.softmax(x @ tf.transpose(x))  # yours


calls = detcost.callable(function, make_inputs)
'''

_SAVED_MODEL = '''\
"""The inference of a saved model: detcost measure FILE"""

import detcost

inference = detcost.saved_model("PATH")
'''

_KERAS_FILE = '''\
"""The inference of a Keras file: detcost measure FILE"""

import detcost

inference = detcost.keras.file("PATH")
'''

#: By the name of the option, without its hyphens.
TEMPLATES = {
    "keras": _KERAS,
    "loop": _LOOP,
    "dataset": _DATASET,
    "callable": _CALLABLE,
    "saved-model": _SAVED_MODEL,
    "keras-file": _KERAS_FILE,
}
