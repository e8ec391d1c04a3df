"""Programs of users, written without knowledge of detcost, to which XLA must apply."""

from __future__ import annotations

import tempfile

import keras
import numpy as np
import tensorflow as tf

import detcost

numbers = np.random.default_rng(0)
X = tf.constant(numbers.standard_normal((256, 128)).astype("float32"))
W = tf.Variable(numbers.standard_normal((128, 64)).astype("float32"))


@tf.function
def train_step(x, w):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.gelu(x @ w) ** 2)
    return loss, tape.gradient(loss, w)


@detcost.scenario(family="own")
def plain_function(bench):
    """A module-level tf.function."""
    return lambda: train_step(X, W)


@detcost.scenario(family="own")
def method(bench):
    """A decorated method, as in a tf.Module."""

    class Model(tf.Module):
        @tf.function
        def __call__(self, x):
            return tf.nn.gelu(x @ W)

    model = Model()
    return lambda: model(X)


@detcost.scenario(family="own")
def compiled_by_its_author(bench):
    """A function that requests XLA by itself."""
    return tf.function(lambda: tf.nn.gelu(X @ W), jit_compile=True)


@detcost.scenario(family="own")
def concrete_function(bench):
    """A function traced once and then called directly."""
    traced = tf.function(lambda x: tf.nn.gelu(x @ W)).get_concrete_function(X)
    return lambda: traced(X)


def classifier():
    model = keras.Sequential(
        [
            keras.layers.Input((16,)),
            keras.layers.Dense(32, activation="gelu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(4),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@detcost.scenario(family="own")
def keras_fit(bench):
    """Repeated epochs of fit."""
    draw = np.random.default_rng(1)
    x, y = draw.standard_normal((64, 16)).astype("float32"), draw.integers(0, 4, 64)
    model = classifier()
    return lambda: model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0).history


@detcost.scenario(family="own")
def keras_predict(bench):
    """Inference of a Keras model."""
    x = np.random.default_rng(1).standard_normal((64, 16)).astype("float32")
    model = classifier()
    return lambda: model.predict(x, verbose=0)


def save(path):
    module = tf.Module()
    module.w = tf.Variable(W)
    module.forward = tf.function(
        lambda x: tf.nn.gelu(x @ module.w), input_signature=[tf.TensorSpec((256, 128))]
    )
    tf.saved_model.save(module, path, signatures={"serve": module.forward})


@detcost.scenario(family="own")
def saved_model(bench):
    """A function of a loaded model."""
    with tempfile.TemporaryDirectory() as path:
        save(path)
        loaded = tf.saved_model.load(path)
    return lambda: loaded.forward(X)


@detcost.scenario(family="own")
def saved_signature(bench):
    """The signature of a saved model, which is not a tf.function."""
    with tempfile.TemporaryDirectory() as path:
        save(path)
        serve = tf.saved_model.load(path).signatures["serve"]
    return lambda: serve(x=X)


@detcost.scenario(family="own")
def eager_only(bench):
    """A step without any function."""
    return lambda: tf.nn.gelu(X @ W)


@detcost.scenario(family="own")
def refuses_under_a_setting(bench):
    """A draw without a seed, which op determinism refuses."""
    return tf.function(lambda: tf.raw_ops.RandomStandardNormal(shape=[4], dtype=tf.float32))


@detcost.scenario(family="own")
def builds_badly_with_one_thread(bench):
    """A program whose build raises with a single thread."""
    if tf.config.threading.get_intra_op_parallelism_threads() == 1:
        raise ValueError("this program needs two threads")
    return lambda: X


@detcost.scenario(family="own")
def dies_with_one_thread(bench):
    """A program that kills its process with a single thread."""
    if tf.config.threading.get_intra_op_parallelism_threads() == 1:
        import os

        os.abort()
    return lambda: X


@detcost.scenario(family="own")
def unordered_pipeline(bench):
    """A pipeline whose options allow any order of elements."""
    options = tf.data.Options()
    options.deterministic = False

    def slow(number):
        return tf.py_function(lambda n: n, [number], tf.int64)

    numbers = tf.data.Dataset.range(64).map(slow, num_parallel_calls=8).with_options(options)
    return lambda: [tf.stack(list(numbers))]


@detcost.scenario(family="own")
def explicitly_unordered_pipeline(bench):
    """A pipeline whose map allows any order by an argument."""
    numbers = tf.data.Dataset.range(64).map(
        lambda number: number + 1, num_parallel_calls=8, deterministic=False
    )
    return lambda: [tf.stack(list(numbers))]


@tf.function
def augment(text):
    """Convert strings to numbers, which XLA cannot compile."""
    return tf.strings.to_number(text) * 2.0


@detcost.scenario(family="own")
def step_behind_a_pipeline(bench):
    """A decorated step, whose input pipeline calls another decorated function."""
    batches = tf.data.Dataset.from_tensor_slices([str(n) for n in range(128)]).map(augment)
    row = next(iter(batches.batch(128)))
    return lambda: train_step(tf.tile(row[None, :], (256, 1)), W)


@detcost.scenario(family="own")
def keras_model_compiled_by_its_author(bench):
    """A model whose author requests XLA from Keras."""
    x = np.random.default_rng(1).standard_normal((64, 16)).astype("float32")
    model = classifier()
    model.compile("adam", "mse", jit_compile=True)
    return lambda: model.predict(x, verbose=0)


@detcost.scenario(family="own")
def signature_and_what_runs_it(bench):
    """Repeated calls of a signature, with the name of the function that runs."""
    with tempfile.TemporaryDirectory() as path:
        save(path)
        loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serve"]

    def step():
        outputs = serve(x=X)
        return outputs, serve._inference_function.name

    return step


@detcost.scenario(family="own")
def grouped_convolution(bench):
    """A layer that Keras compiles by itself, since the CPU's kernel has no groups."""
    layer = keras.layers.Conv2D(8, 3, groups=2)
    images = bench.normal((2, 8, 8, 4))
    layer.build(images.shape)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(layer(images) ** 2)
        return tape.gradient(loss, images)

    return step


@detcost.scenario(family="own")
def keras_step_that_fails(bench):
    """A Keras training step whose op fails in the graph."""
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", lambda y, p: tf.raw_ops.CheckNumerics(tensor=p / 0.0, message="broken"))
    x, y = np.ones((4, 4), "float32"), np.ones((4, 2), "float32")
    return lambda: model.train_on_batch(x, y)
