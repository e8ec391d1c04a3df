"""What a step returns, as the last frame of each call: a difference matters if it gets there."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from detcost.evidence.recording import Frame, Graph, Operation
from detcost.workers.in_worker.probe import digesting
from detcost.workers.in_worker.probe.eager import EagerProbe, Source


class ReturnedProbe:
    """Notes the outputs of each call among the frames of eager code.

    Outputs that are not all tensors, such as a loss as a number, are not noted. What Python could
    see then counts as returned.
    """

    def __init__(self, eager: EagerProbe):
        self._eager = eager
        self._numbers: dict[tuple[Source, ...], int] = {}

    def note(self, outputs: Any) -> None:
        """Note what a call returned."""
        leaves = tf.nest.flatten(outputs)
        if not leaves or not all(tf.is_tensor(leaf) for leaf in leaves):
            return
        tensors = [leaf for leaf in leaves if digesting.has_digest(leaf)]
        if len(tensors) < len(leaves):
            return
        digests = [digesting.fingerprint(tensor).numpy().tobytes() for tensor in tensors]
        number = self._number(tuple(map(self._eager.from_python, tensors)))
        self._eager.frames.append(Frame(number, self._eager.call, b"".join(digests)))

    def _number(self, sources: tuple[Source, ...]) -> int:
        """Return the number of the graph for outputs that came from these lines."""
        if sources not in self._numbers:
            self._numbers[sources] = len(self._eager.graphs)
            self._eager.graphs.append(_graph(sources, len(self._numbers)))
        return self._numbers[sources]


def _graph(sources: tuple[Source, ...], number: int) -> Graph:
    columns = tuple(range(len(sources)))
    taken = [
        Operation(
            f"output {column}",
            "Argument" if source is None else "Python",
            gives=(column,),
            place=source or (),
        )
        for column, source in enumerate(sources)
    ]
    name = f"{len(columns)} outputs of the step" + (f"#{number}" if number > 1 else "")
    operations = (*taken, Operation(name, "Output", reads=columns))
    return Graph(name, "eager", len(columns), operations, columns, columns)
