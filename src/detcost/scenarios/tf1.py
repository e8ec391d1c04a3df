"""Graphs and sessions of TensorFlow 1, under the same levers as other programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf


@contextmanager
def graph(bench: Bench) -> Iterator[Any]:
    """Collect ops in a new graph, on the cell's device and with the cell's seed.

    Inside the block, the setting's seeding code seeds the graph.
    """
    new = tf.Graph()
    with new.as_default(), tf.device(f"/device:{bench.device}"):
        bench.reseed()
        yield new


def placeholders(arrays: Sequence[Any]) -> list[Any]:
    """Return placeholders to feed these arrays. Constants would be folded away."""
    return [tf.compat.v1.placeholder(array.dtype, array.shape) for array in arrays]


def session(bench: Bench, graph: Any, *, compiles: bool = False) -> Any:
    """Return a new session for the graph.

    With ``compiles``, the session compiles what XLA can compile, if the setting has ``xla``.
    """
    threads = tf.config.threading
    config = tf.compat.v1.ConfigProto(
        allow_soft_placement=True,
        # The first session of a process sizes its pools, so every session gets the setting's sizes.
        intra_op_parallelism_threads=threads.get_intra_op_parallelism_threads(),
        inter_op_parallelism_threads=threads.get_inter_op_parallelism_threads(),
    )
    config.gpu_options.allow_growth = True
    if compiles and bench.jit_compile:
        optimizer = config.graph_options.optimizer_options
        optimizer.global_jit_level = tf.compat.v1.OptimizerOptions.ON_1
        optimizer.cpu_global_jit = True  # on a CPU, ON_1 alone has no effect
    return tf.compat.v1.Session(graph=graph, config=config)


def run_compiled(session: Any, outputs: Any, feed: Mapping[Any, Any]) -> Any:
    """Run a session for the first time. Raise an error unless XLA received a cluster of ops."""
    metadata = tf.compat.v1.RunMetadata()
    options = tf.compat.v1.RunOptions(output_partition_graphs=True)
    values = session.run(outputs, feed, options=options, run_metadata=metadata)
    ops = {node.op for part in metadata.partition_graphs for node in part.node}
    if "_XlaRun" not in ops:
        raise RuntimeError("xla did not take effect: the session compiled no cluster")
    return values
