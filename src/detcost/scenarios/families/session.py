"""TensorFlow 1 programs in a session, and the same programs as a ``tf.function`` and eagerly.

The three forms of a program have outputs of the same shape, so that equal bits give equal digests.
One function builds the ops of all three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Any

import numpy as np

from detcost.scenarios import tf1
from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario

RUNS = 10


@scenario(family="session", ignores=("xla",), draws=True)
def session_normal(bench: Bench) -> Callable[[], Any]:
    """Random normals in a TF1 session; an op's seed is its number among the graph's random ops."""
    return _in_session(bench, _normal(bench))


@scenario(family="session", draws=True)
def session_normal_as_function(bench: Bench) -> Callable[[], Any]:
    """Random normals in a tf.function; an op's seed is its number among the random ops traced."""
    return _in_tf2(bench, bench.function(_normal(bench)))


@scenario(family="session", ignores=("xla",), draws=True)
def session_normal_as_eager(bench: Bench) -> Callable[[], Any]:
    """Random normals, eagerly; an op's seed is itself drawn, so they differ from a graph's."""
    return _in_tf2(bench, _normal(bench))


@scenario(family="session", ignores=("xla",), draws=True)
def session_weights(bench: Bench) -> Callable[[], Any]:
    """Glorot weights in a TF1 session; each initialiser has its own seed, so none is derived."""
    return _in_session(bench, _weights(bench))


@scenario(family="session", draws=True)
def session_weights_as_function(bench: Bench) -> Callable[[], Any]:
    """Glorot weights in a tf.function; each initialiser has its own seed, so none is derived."""
    return _in_tf2(bench, bench.function(_weights(bench)))


@scenario(family="session", ignores=("xla",), draws=True)
def session_weights_as_eager(bench: Bench) -> Callable[[], Any]:
    """Glorot weights, eagerly; each initialiser has its own seed, so none is derived."""
    return _in_tf2(bench, _weights(bench))


@scenario(family="session", ignores=("xla",), draws=True)
def session_dropout(bench: Bench) -> Callable[[], Any]:
    """Dropout in a TF1 session; the mask's seed is the op's number among the graph's random ops."""
    return _in_session(bench, _dropout, _features(bench))


@scenario(family="session", draws=True)
def session_dropout_as_function(bench: Bench) -> Callable[[], Any]:
    """Dropout in a tf.function; the mask's seed is the op's number among the random ops traced."""
    return _in_tf2(bench, bench.function(_dropout), _features(bench))


@scenario(family="session", ignores=("xla",), draws=True)
def session_dropout_as_eager(bench: Bench) -> Callable[[], Any]:
    """Dropout, eagerly; the mask's seed is itself drawn, so the mask differs from a graph's."""
    return _in_tf2(bench, _dropout, _features(bench))


@scenario(family="session", ignores=("xla",), draws=True)
def session_sgd(bench: Bench) -> Callable[[], Any]:
    """SGD of a linear model by Session.run; seeded weights, and threads may split sums.

    Without XLA: it would compile in every session, which takes ten times as long as the training.
    """
    inputs, targets, rows = _regression(bench)
    start, descend = _linear_model(bench)
    batches = [(inputs[row], targets[row]) for row in rows]
    with tf1.graph(bench) as graph:
        fed = tf1.placeholders(batches[0])
        weights = tf.Variable(start())
        train = weights.assign(descend(*fed, weights)).op
    feeds = [dict(zip(fed, batch, strict=True)) for batch in batches]

    def step() -> Any:
        with tf1.session(bench, graph) as session:
            session.run(weights.initializer)
            for feed in feeds:
                session.run(train, feed)
            return session.run(weights)

    return step


@scenario(family="session", draws=True)
def session_sgd_as_function(bench: Bench) -> Callable[[], Any]:
    """SGD of a linear model by a tf.function; seeded weights, and threads may split sums."""
    return _train_in_tf2(bench, bench.function)


@scenario(family="session", ignores=("xla",), draws=True)
def session_sgd_as_eager(bench: Bench) -> Callable[[], Any]:
    """SGD of a linear model, eagerly; seeded weights, and threads may split sums."""
    return _train_in_tf2(bench, lambda python_function: python_function)


@scenario(family="session")
def session_conv(bench: Bench) -> Callable[[], Any]:
    """Gradients of convolution and matmul in a TF1 session; threads split the sums of each.

    The lever xla sets global_jit_level=ON_1: the session chooses the ops to compile.
    """
    inputs = _pictures(bench)
    with tf1.graph(bench) as graph:
        fed = tf1.placeholders(inputs)
        outputs = _convolve(*fed)
    feed = dict(zip(fed, inputs, strict=True))
    # Kept, because nothing in it is random, and a new session would compile again.
    session = tf1.session(bench, graph, compiles=True)
    first = partial(tf1.run_compiled, session) if bench.jit_compile else session.run
    runs = chain([first], repeat(session.run))
    return lambda: next(runs)(outputs, feed)


@scenario(family="session")
def session_conv_as_function(bench: Bench) -> Callable[[], Any]:
    """Gradients of convolution and matmul in a tf.function; threads split the sums of each."""
    return partial(bench.function(_convolve), *map(tf.constant, _pictures(bench)))


@scenario(family="session", ignores=("xla",))
def session_conv_as_eager(bench: Bench) -> Callable[[], Any]:
    """Gradients of convolution and matmul, eagerly; threads split the sums of each."""
    return partial(_convolve, *map(tf.constant, _pictures(bench)))


# -- the programs ----------------------------------------------------------------------


def _normal(bench: Bench) -> Callable[[], Any]:
    n = bench.sized(10_000, 100_000, 1_000_000)

    def draw() -> Any:
        return tf.random.normal((n,)), tf.random.normal((n,))

    return draw


def _weights(bench: Bench) -> Callable[[], Any]:
    n = bench.sized(64, 256, 1024)
    shapes = ((n, n), (n, 2 * n), (2 * n, 10))

    def draw() -> Any:
        return [_glorot(bench, shape, number) for number, shape in enumerate(shapes)]

    return draw


def _glorot(bench: Bench, shape: tuple[int, int], number: int) -> Any:
    limit = (6.0 / sum(shape)) ** 0.5
    seed = bench.op_seed
    return tf.random.uniform(shape, -limit, limit, seed=seed and seed + number)


def _dropout(features: Any) -> Any:
    return tf.nn.dropout(features, rate=0.5)


def _features(bench: Bench) -> tuple[Any, ...]:
    return (np.asarray(bench.normal((100, bench.sized(100, 1_000, 10_000)))),)


def _regression(bench: Bench) -> tuple[Any, Any, list[Any]]:
    """Return inputs, targets and the rows of each batch, shuffled by NumPy."""
    batch = bench.sized(32, 256, 1024)
    inputs = np.asarray(bench.normal((RUNS * batch, 32)))
    targets = inputs.sum(axis=1, keepdims=True)
    order = np.argsort(np.asarray(bench.uniform((RUNS * batch,))), kind="stable")
    return inputs, targets, np.split(order, RUNS)


def _linear_model(bench: Bench) -> tuple[Callable[[], Any], Callable[..., Any]]:
    """Return a function that draws the first weights, and a function that updates weights."""

    def start() -> Any:
        return _glorot(bench, (32, 1), number=0)

    def descend(inputs: Any, targets: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            weights = tf.convert_to_tensor(weights)
            tape.watch(weights)
            loss = tf.reduce_mean(tf.square(tf.matmul(inputs, weights) - targets))
        return weights - 0.1 * tape.gradient(loss, weights)

    return start, descend


def _pictures(bench: Bench) -> tuple[Any, ...]:
    n, width = bench.sized((2, 8), (8, 32), (32, 64))
    shapes = (n, 32, 32, width), (3, 3, width, width), (width, 10)
    return tuple(np.asarray(bench.normal(shape)) for shape in shapes)


def _convolve(images: Any, kernel: Any, weights: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch([images, kernel, weights])
        hidden = tf.nn.relu(tf.nn.conv2d(images, kernel, strides=1, padding="SAME"))
        logits = tf.matmul(tf.reduce_mean(hidden, axis=(1, 2)), weights)
        loss = tf.reduce_sum(tf.square(logits))
    return loss, tape.gradient(loss, [images, kernel, weights])


# -- the three forms -------------------------------------------------------------------


def _in_session(
    bench: Bench, program: Callable[..., Any], inputs: Sequence[Any] = ()
) -> Callable[[], Any]:
    with tf1.graph(bench) as graph:
        fed = tf1.placeholders(inputs)
        outputs = program(*fed)
    feed = dict(zip(fed, inputs, strict=True))

    # A new session restarts the random ops of a graph, as reseeding does in TensorFlow 2.
    def step() -> Any:
        with tf1.session(bench, graph) as session:
            return session.run(outputs, feed)

    return step


def _in_tf2(
    bench: Bench, program: Callable[..., Any], inputs: Sequence[Any] = ()
) -> Callable[[], Any]:
    tensors = [tf.constant(array) for array in inputs]

    def step() -> Any:
        bench.reseed()
        return program(*tensors)

    return step


def _train_in_tf2(bench: Bench, wrap: Callable[..., Any]) -> Callable[[], Any]:
    inputs, targets, rows = _regression(bench)
    start, descend = map(wrap, _linear_model(bench))
    batches = [(tf.constant(inputs[row]), tf.constant(targets[row])) for row in rows]

    def step() -> Any:
        bench.reseed()
        weights = start()
        for batch in batches:
            weights = descend(*batch, weights)
        return weights

    return step
