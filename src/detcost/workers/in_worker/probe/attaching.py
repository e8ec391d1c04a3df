"""How frames leave graphs: in each execution, without keeping others from running at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from detcost.workers.in_worker.probe.digesting import PREFIX


def condition(graph: Any) -> list[Any]:
    """Return what the output of a loop's condition needs, in order; nothing for other graphs.

    A condition that waits for digests of everything it is given would keep the iterations of a
    loop from running at once.
    """
    from tensorflow.python.ops.control_flow_v2_func_graphs import WhileCondFuncGraph

    if not isinstance(graph, WhileCondFuncGraph):
        return []
    needed, waiting = set(), [graph.outputs[0].op]
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return [op for op in graph.get_operations() if op in needed]


def attach(graph: Any, frame: Any, writes: bool) -> None:
    """Make TensorFlow hand out a frame in each execution, without keeping others from running.

    The next turn of a loop waits for what controls its body. Where turns collect their results in
    a list of tensors, as those of ``map_fn`` do, they run at once, and only the list waits. A loop
    that writes to variables waits anyway, and its variables are read between two turns.
    """
    from tensorflow.python.ops.control_flow_v2_func_graphs import WhileBodyFuncGraph

    place = None
    if condition(graph):  # of which TensorFlow runs only what its output needs
        place = 0
    elif isinstance(graph, WhileBodyFuncGraph) and not writes:
        lists = (n for n, each in enumerate(graph.outputs) if each.dtype == tf.variant)
        place = next((n for n in lists if graph.outputs[n] is not graph.inputs[n]), None)
    if place is None:
        graph.control_outputs.append(frame)
        return
    with tf.control_dependencies([frame]):
        graph.outputs[place] = tf.identity(graph.outputs[place])


def keep_frames() -> None:
    """Let loops and branches be stateful: of others, TensorFlow drops what gives no output."""
    from tensorflow.python.ops import gen_functional_ops

    gen_functional_ops.stateless_if = gen_functional_ops._if
    gen_functional_ops.stateless_while = gen_functional_ops._while
    gen_functional_ops.stateless_case = gen_functional_ops.case


@contextmanager
def inside(graph: Any) -> Iterator[None]:
    """Add nodes to a graph, unseen by gradients and by what controls other nodes."""
    from tensorflow.python.eager import record
    from tensorflow.python.framework import ops

    with (
        graph.as_default(),
        record.stop_recording(),
        ops.control_dependencies(None),
        tf.name_scope(f"{PREFIX}/"),
    ):
        yield
