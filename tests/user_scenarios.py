"""A user's scenarios: controls with known results, and every kind of faulty scenario."""

from __future__ import annotations

import itertools
import os
import time

import numpy as np
import tensorflow as tf

import detcost
from detcost.scenarios.families import training


def spin(seconds: float) -> None:
    """Keep a core busy for exactly this time."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@detcost.scenario(family="control")
def costs_half_more(bench):
    """Two pieces of work, three under op determinism: 1.5 times as long, with 2 % of noise."""
    pieces = 3 if bench.setting.has("op_determinism") else 2
    noise = np.random.default_rng()
    output = np.zeros(1)

    def step():
        seconds = 1.5e-3 * max(0.0, noise.normal(1.0, 0.02))
        for _ in range(pieces):
            spin(seconds)
        return output

    return step


@detcost.scenario(family="control")
def one_millisecond(bench):
    """A step of 1 ms that does nothing else."""

    def step():
        spin(1e-3)
        return np.zeros(1)

    return step


def flips(probability: float):
    """Make a step in which one of many bits flips at random, as by a race."""
    draw = np.random.default_rng()  # from the system's entropy, whatever the seed
    numbers = np.zeros(1 << 10, np.uint64)
    first = itertools.count()

    def step():
        outputs = numbers.copy()
        if next(first) and draw.random() < probability:
            outputs[draw.integers(outputs.size)] = 1 << int(draw.integers(63))
        return outputs

    return step


@detcost.scenario(family="control")
def flips_never(bench):
    """One bit flips with probability 0."""
    return flips(0.0)


@detcost.scenario(family="control")
def flips_rarely(bench):
    """One bit flips with probability 0.01."""
    return flips(0.01)


@detcost.scenario(family="control")
def flips_often(bench):
    """One bit flips with probability 0.2."""
    return flips(0.2)


@detcost.scenario(family="control")
def flips_always(bench):
    """One bit flips with probability 1."""
    return flips(1.0)


def starts(probability: float):
    """Make a step whose output differs from other processes with this probability.

    The function can run eagerly, as a graph and by XLA.
    """
    draw = np.random.default_rng()
    numbers = np.zeros(8, np.uint64)
    numbers[0] = draw.integers(1 << 62) if probability == 1 else draw.random() < probability
    zeros = tf.function(lambda: tf.zeros(1))
    return lambda: (zeros(), numbers)


@detcost.scenario(family="control")
def starts_0(bench):
    """No process starts with a bit flipped."""
    return starts(0.0)


@detcost.scenario(family="control")
def starts_1(bench):
    """One process in a hundred starts with a bit flipped."""
    return starts(0.01)


@detcost.scenario(family="control")
def starts_20(bench):
    """One process in five starts with a bit flipped."""
    return starts(0.2)


@detcost.scenario(family="control")
def starts_100(bench):
    """Every process starts with other bits."""
    return starts(1.0)


@detcost.scenario(family="random", draws=True)
def numpy_draws(bench):
    """Numbers from NumPy's global generator."""

    def step():
        bench.reseed()
        return np.random.random(8)

    return step


@detcost.scenario(family="random", draws=True)
def draws_in_a_graph(bench):
    """Numbers drawn in a graph that AutoGraph converts."""
    return bench.function(bench.draw.normal((8,)))


@detcost.scenario(family="random", draws=True)
def draws_by_snippet(bench):
    """Numbers drawn by the code that users paste for the setting."""
    assert bench.draw  # else the scenario counts as not seeded
    names = {"shape": (8,)}
    exec(bench.setting.snippet(bench.seed), names)
    return lambda: names["noise"]


@detcost.scenario(family="random", draws=True)
def draws_by_bench(bench):
    """The same numbers, drawn by the bench."""
    noise = bench.draw.normal((8,))

    def step():
        bench.reseed()
        return noise()

    return step


@detcost.scenario(family="trouble")
def raises(bench):
    """Raises in the step."""

    def step():
        raise ValueError("a wrong shape somewhere")

    return step


@detcost.scenario(family="trouble")
def returns_no_step(bench):
    """Returns no step."""


@detcost.scenario(family="trouble")
def returns_nothing(bench):
    """A step without a result."""
    return lambda: None


@detcost.scenario(family="trouble")
def changes_shape(bench):
    """Another shape every step."""
    lengths = itertools.count(1)
    return lambda: tf.zeros(next(lengths))


@detcost.scenario(family="trouble", trajectory=True)
def forgets_to_stack(bench):
    """A training that returns only its last loss."""
    return lambda: tf.zeros(())


@detcost.scenario(family="trouble")
def prints(bench):
    """Prints in the step."""

    def step():
        print("loss", 1.0)
        return tf.zeros(1)

    return step


@detcost.scenario(family="trouble")
def forks(bench):
    """Forks in the step, and both processes continue."""

    def step():
        os.fork()
        return tf.zeros(1)

    return step


@detcost.scenario(family="trouble")
def exits(bench):
    """Exits without a message."""
    return lambda: os._exit(3)


@detcost.scenario(family="trouble")
def aborts(bench):
    """Crashes as a failed check in a kernel does."""
    return os.abort


@detcost.scenario(family="trouble")
def hangs(bench):
    """Never returns."""
    return lambda: time.sleep(3600)


@detcost.scenario(family="trouble")
def eats_memory(bench):
    """Allocates more memory than any machine has."""
    return lambda: np.ones(1 << 48, np.float64)


@detcost.scenario(family="trouble")
def slow(bench):
    """A step that is slow enough to be killed during a call."""

    def step():
        time.sleep(0.01)
        return tf.zeros(1)

    return step


@detcost.scenario(family="control")
def traced_function(bench):
    """A function whose number of traces shows its execution."""
    return bench.function(lambda: tf.ones(3) + 1.0)


@detcost.scenario(family="control", trajectory=True)
def follows_fit(bench):
    """A training by fit, and the model's final weights beside every row."""
    trained = training.dense(bench, tf.keras.optimizers.Adam())
    fit = trained.fit()

    def step():
        rows = fit()
        return rows, np.broadcast_to(trained.weights(), rows.shape)

    return step


@detcost.scenario(family="control")
def counts_traces_of_fit(bench):
    """The number of times that Keras traced a training step, by calling it."""
    trained = training.dense(bench, tf.keras.optimizers.Adam())
    traced, train_step = [], trained.model.train_step
    trained.model.train_step = lambda data: traced.append(data) or train_step(data)
    fit = trained.fit()

    def step():
        fit()
        return np.array(len(traced))

    return step
