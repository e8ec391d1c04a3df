"""What a step returns, as the last frame of each call: a difference matters if it gets there."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from detcost.evidence.recording import Frame, Graph, Operation
from detcost.workers.in_worker.probe import digesting
from detcost.workers.in_worker.probe.eager import EagerProbe


class ReturnedProbe:
    """Notes the outputs of each call among the frames of eager code.

    Outputs that are not all tensors, such as a loss as a number, are not noted. What Python could
    see then counts as returned.
    """

    def __init__(self, eager: EagerProbe):
        self._eager = eager
        self._numbers: dict[int, int] = {}

    def note(self, outputs: Any) -> None:
        """Note what a call returned."""
        leaves = tf.nest.flatten(outputs)
        if not leaves or not all(tf.is_tensor(leaf) for leaf in leaves):
            return
        tensors = [leaf for leaf in leaves if digesting.has_digest(leaf)]
        if len(tensors) < len(leaves):
            return
        digests = [digesting.fingerprint(tensor).numpy().tobytes() for tensor in tensors]
        number = self._number(len(digests))
        self._eager.frames.append(Frame(number, self._eager.call, b"".join(digests)))

    def _number(self, count: int) -> int:
        """Return the number of the graph for as many outputs."""
        if count not in self._numbers:
            self._numbers[count] = len(self._eager.graphs)
            self._eager.graphs.append(_graph(count))
        return self._numbers[count]


def _graph(count: int) -> Graph:
    columns = tuple(range(count))
    taken = [Operation(f"output {column}", "Argument", gives=(column,)) for column in columns]
    name = f"{count} outputs of the step"
    operations = (*taken, Operation(name, "Output", reads=columns))
    return Graph(name, "eager", count, operations, columns, columns)
