"""The columns of a graph: the digests of its tensors, and which operation made each of them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from detcost.workers.in_worker.probe import digesting


class Columns:
    """The digests of one graph, by tensor.

    ``writes`` is whether they include what an operation has left in a variable.
    """

    def __init__(self) -> None:
        self.digests: list[Any] = []
        self.writes = False
        self._columns: dict[Any, int] = {}
        self._makers: dict[Any, int] = {}

    def add(self, tensor: Any) -> int:
        """Add the digest of a tensor; a constant's digest is a constant."""
        column = self._columns[tensor.ref()] = self.add_digest(_digest(tensor))
        return column

    def add_digest(self, digest: Any) -> int:
        """Add a column."""
        self.digests.append(digest)
        return len(self.digests) - 1

    def alias(self, op: Any) -> None:
        """Let each output of an operation have the column of its input."""
        for given, taken in zip(op.outputs, op.inputs, strict=True):
            for known in (self._columns, self._makers):
                if taken.ref() in known:
                    known[given.ref()] = known[taken.ref()]

    def made(self, tensor: Any, operation: int) -> None:
        """Note which operation made a tensor."""
        self._makers[tensor.ref()] = operation

    def of(self, tensor: Any) -> int:
        """Return the column of a tensor, or -1."""
        return self._columns.get(tensor.ref(), -1)

    def maker(self, tensor: Any) -> int:
        """Return the operation that made a tensor, or -1."""
        return self._makers.get(tensor.ref(), -1)


def _condition(graph: Any) -> list[Any]:
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


def _attach(graph: Any, frame: Any, writes: bool) -> None:
    """Make TensorFlow hand out a frame in each execution, without keeping others from running.

    The next turn of a loop waits for what controls its body. Where turns collect their results in
    a list of tensors, as those of ``map_fn`` do, they run at once, and only the list waits. A loop
    that writes to variables waits anyway, and its variables are read between two turns.
    """
    from tensorflow.python.ops.control_flow_v2_func_graphs import WhileBodyFuncGraph

    place = None
    if _condition(graph):  # of which TensorFlow runs only what its output needs
        place = 0
    elif isinstance(graph, WhileBodyFuncGraph) and not writes:
        lists = (n for n, each in enumerate(graph.outputs) if each.dtype == tf.variant)
        place = next((n for n in lists if graph.outputs[n] is not graph.inputs[n]), None)
    if place is None:
        graph.control_outputs.append(frame)
        return
    with tf.control_dependencies([frame]):
        graph.outputs[place] = tf.identity(graph.outputs[place])


def _keep_frames() -> None:
    """Let loops and branches be stateful: of others, TensorFlow drops what gives no output."""
    from tensorflow.python.ops import gen_functional_ops

    gen_functional_ops.stateless_if = gen_functional_ops._if
    gen_functional_ops.stateless_while = gen_functional_ops._while
    gen_functional_ops.stateless_case = gen_functional_ops.case


def _digest(tensor: Any) -> Any:
    if tensor.op.type != "Const":
        return digesting.fingerprint(tensor)
    value = tf.make_ndarray(tensor.op.get_attr("value"))
    with digesting.unseen(), tf.init_scope():
        digest = digesting.fingerprint(tf.constant(value, tensor.dtype)).numpy()
    return tf.constant(digest)
