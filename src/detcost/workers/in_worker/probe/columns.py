"""The columns of a graph: the digests of its tensors, and which operation made each of them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from detcost.workers.in_worker.probe import digesting


class GraphColumns:
    """The digests of one graph, by tensor.

    ``writes`` is whether they include what an operation has left in a variable.
    """

    def __init__(self) -> None:
        self.digests: list[Any] = []
        self.writes = False
        self._constants: tuple[Any, Any] | None = None
        self._columns: dict[Any, int] = {}
        self._makers: dict[Any, int] = {}

    def add(self, tensor: Any) -> int:
        """Add the digest of a tensor; a constant's digest is a constant."""
        digest = _of_constant(tensor) if tensor.op.type == "Const" else self._digest(tensor)
        self._columns[tensor.ref()] = self._add(digest)
        return self._columns[tensor.ref()]

    def add_content(self, value: Any) -> int:
        """Add the digest of a variable's content."""
        return self._add(self._digest(value))

    def _add(self, digest: Any) -> int:
        self.digests.append(digest)
        return len(self.digests) - 1

    def _digest(self, tensor: Any) -> Any:
        self._constants = self._constants or digesting.constants()
        with tf.control_dependencies(_sums_of(tensor)):
            return digesting.fingerprint(tensor, self._constants)

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


def _sums_of(tensor: Any) -> list[Any]:
    """Return the sum that is the only reader of a tensor, if its order depends on other readers.

    ``AddN`` begins with the first input whose memory nothing else holds. A digest that came sooner
    or later than the sum would make the order vary; one that always comes later does not.
    """
    readers = [op for op in tensor.consumers() if not op.name.startswith(digesting.PREFIX)]
    is_sum = len(readers) == 1 and readers[0].type == "AddN" and len(readers[0].inputs) > 2
    return readers if is_sum else []


def _of_constant(tensor: Any) -> Any:
    value = tf.make_ndarray(tensor.op.get_attr("value"))
    with digesting.unseen(), tf.init_scope():
        digest = digesting.fingerprint(tf.constant(value, tensor.dtype)).numpy()
    return tf.constant(digest)
