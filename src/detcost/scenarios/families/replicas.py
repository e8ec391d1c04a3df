"""A training distributed over devices and processes by ``tf.distribute``, and without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from detcost.host import devices
from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario

STEPS = 4


def _none(bench: Bench) -> Any:
    return tf.distribute.get_strategy()


def _mirrored(bench: Bench) -> Any:
    return tf.distribute.MirroredStrategy(devices.several(bench.device))


def _multi_worker(bench: Bench) -> Any:
    task = tf.distribute.cluster_resolver.TFConfigClusterResolver().task_id
    devices.keep_one(bench.device, task)
    return tf.distribute.MultiWorkerMirroredStrategy()


@scenario(family="replicas", strategy=_none)
def replicas_none(bench: Bench) -> Callable[[], Any]:
    """SGD of a dense network on one device; the gradients of a batch are one sum."""
    return _train(bench)


@scenario(family="replicas", strategy=_mirrored)
def replicas_mirrored(bench: Bench) -> Callable[[], Any]:
    """SGD of a dense network by MirroredStrategy; gradients of shards are summed over devices.

    It uses all devices of the cell's kind. A single CPU is split into two logical devices.
    """
    return _train(bench)


@scenario(family="replicas", strategy=_multi_worker, processes=2)
def replicas_multi_worker(bench: Bench) -> Callable[[], Any]:
    """SGD of a dense network by MultiWorkerMirroredStrategy; two processes sum their gradients.

    They communicate over the machine's loopback network.
    """
    return _train(bench)


def _train(bench: Bench) -> Callable[[], Any]:
    batch, width = bench.sized((64, 32), (512, 128), (2048, 512))
    strategy = bench.strategy
    replicas = strategy.num_replicas_in_sync
    start = [bench.normal(shape, scale=width**-0.5) for shape in ((width, width), (width, 1))]
    with strategy.scope():
        weights = [tf.Variable(values) for values in start]
    inputs = np.asarray(bench.normal((batch, width)))
    data = inputs, np.asarray(bench.normal((batch, 1)))
    shards = strategy.experimental_distribute_values_from_function(
        lambda context: [
            tf.constant(np.array_split(array, replicas)[context.replica_id_in_sync_group])
            for array in data
        ]
    )

    def gradients(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = tf.matmul(tf.nn.relu(tf.matmul(inputs, weights[0])), weights[1])
            loss = tf.reduce_sum(tf.square(outputs - targets)) / batch
        return tape.gradient(loss, weights)

    # XLA compiles for a single device: the gradients of each replica, but not their distribution.
    compiled = [bench.function(gradients) for _ in range(replicas)]

    def replica(shard: Any) -> None:
        context = tf.distribute.get_replica_context()
        number = int(tf.get_static_value(context.replica_id_in_sync_group))
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, compiled[number](*shard))
        for variable, gradient in zip(weights, summed, strict=True):
            variable.assign_sub(0.01 * gradient)

    def train(shard: Any) -> None:
        strategy.run(replica, (shard,))

    train = bench.compile(train, jit_compile=False)

    def step() -> Any:
        for variable, values in zip(weights, start, strict=True):
            variable.assign(values)
        for _ in range(STEPS):
            train(shards)
        return [tf.identity(variable) for variable in weights]

    return step
