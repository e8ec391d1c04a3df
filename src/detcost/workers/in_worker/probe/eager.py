"""The probe in eager code: a frame for every operation that runs outside of graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from detcost.evidence.recording import Frame, Graph, Operation
from detcost.workers.in_worker.probe import digesting, variables
from detcost.workers.in_worker.probe.describing import device, shapes
from detcost.workers.in_worker.probe.places import place_here

#: Calls of functions have names that begin so. TensorFlow's own operations begin otherwise.
_FUNCTION = "__"
_CALL = "PartitionedCall"
_OVERWRITE = "AssignVariableOp"

OnCall = Callable[[str, str, Sequence[Any], Any], None]


class EagerProbe:
    """The operations that run outside of graphs, from :meth:`watch` on.

    All executions of one type on one line of the user's are frames of one graph, which also says
    which inputs came from Python, and not from an operation.

    Parameters
    ----------
    name_of
        A function that returns the name of the graph that a function of TensorFlow's runs.
    compiled
        A function that returns whether XLA compiles a graph, by its name.
    on_operation
        Called with the graph, the type, the inputs and the attributes of each operation.
    """

    def __init__(
        self,
        name_of: Callable[[str], str],
        compiled: Callable[[str], bool],
        on_operation: OnCall = lambda graph, kind, inputs, attributes: None,
    ):
        self.graphs: list[Graph] = []
        self.frames: list[Frame] = []
        self.call = 0
        self._name_of = name_of
        self._is_compiled = compiled
        self._on_operation = on_operation
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._made: set[int] = set()
        self._contents: dict[int, bytes] = {}

    def watch(self) -> None:
        """Watch this thread from now on."""
        from tensorflow.python.framework import op_callbacks  # no public interface

        op_callbacks.add_op_callback(self._on_op)

    def _on_op(
        self,
        kind: Any,
        inputs: Sequence[Any],
        attributes: Any,
        outputs: Sequence[Any],
        op_name: Any = None,
        graph: Any = None,
    ) -> None:
        if graph is not None or digesting.are_unseen():
            return
        with digesting.unseen(), tf.init_scope():
            self._record(tf.compat.as_str(kind), inputs, attributes, outputs)

    def _record(
        self, kind: str, inputs: Sequence[Any], attributes: Any, outputs: Sequence[Any]
    ) -> None:
        name = self._name_of(kind) if kind.startswith(_FUNCTION) else ""
        handles = [tensor for tensor in inputs if variables.is_variable(tensor)]
        writes = bool(name) or not kind.startswith(variables.READING)
        takes_contents = not name or self._is_compiled(name)
        before = [self._contents.get(tensor._id) for tensor in handles]
        digested = [tensor for tensor in inputs if digesting.has_digest(tensor)]
        given = [_digest(tensor) for tensor in outputs if digesting.has_digest(tensor)]
        after = [self._content(tensor, inputs, kind) for tensor in handles] if writes else []
        if not takes_contents or kind == _OVERWRITE:
            before = [None] * len(handles)
        if not takes_contents:
            after = []
        taken = [_digest(tensor) for tensor in digested]
        taken += [content for content in before if content is not None]
        from_python = tuple(tensor._id not in self._made for tensor in digested)
        from_python += (False,) * (len(taken) - len(from_python))
        unknown = len(inputs) - len(digested) - sum(content is not None for content in before)
        given += [content for content in after if content is not None]
        self._made.update(tensor._id for tensor in outputs)
        number = self._number(kind, name, from_python, len(given), unknown > 0, outputs)
        graph = self.graphs[number]
        self._on_operation(graph.name, kind, inputs, attributes)
        self.frames.append(Frame(number, self.call, b"".join((*taken, *given))))

    def _content(self, handle: Any, inputs: Sequence[Any], kind: str) -> bytes | None:
        """Return the digest of a variable's content after an operation, and remember it."""
        if kind == _OVERWRITE and digesting.has_digest(inputs[-1]):
            content = _digest(inputs[-1])
        else:
            try:
                kind_of_content = variables.variable_type(handle)
                value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=kind_of_content)
                content = _digest(value)
            except tf.errors.OpError:  # it has no value yet
                return None
        self._contents[handle._id] = content
        return content

    def _number(
        self,
        kind: str,
        called: str,
        from_python: tuple[bool, ...],
        gives: int,
        unknown: bool,
        outputs: Sequence[Any],
    ) -> int:
        """Return the number of the graph for executions of this kind."""
        place = place_here()
        key = (place[:1], called or kind, from_python, gives, unknown)
        if key not in self._numbers:
            self._numbers[key] = len(self.graphs)
            self.graphs.append(self._described(kind, called, key, place, outputs))
        return self._numbers[key]

    def _described(
        self,
        kind: str,
        called: str,
        key: tuple[Any, ...],
        place: tuple[str, ...],
        outputs: Sequence[Any],
    ) -> Graph:
        _, _, from_python, gives, unknown = key
        operations = [
            Operation(
                f"input {index}", "Python" if python else "Argument", gives=(index,), place=place
            )
            for index, python in enumerate(from_python)
        ]
        reads = tuple(range(len(from_python)))
        given = tuple(range(len(reads), len(reads) + gives))
        after: tuple[int, ...] = ()
        if unknown:
            after = (len(operations),)
            operations.append(Operation("resources", "Argument", place=place))
        reading = kind.startswith(variables.READING)
        operation = Operation(
            called or kind,
            _CALL if called else kind,
            given if reading else reads,
            given,
            after,
            (called,) if called else (),
            _is_stateful(kind) and not reading,
            shapes(outputs),
            device(outputs[0].device) if outputs else "",
            place,
        )
        where = place[0].partition(" in ")[0] if place else "TensorFlow"
        base = f"{where} {operation.type}" + (f" {called}" if called else "")
        same = sum(graph.name.partition("#")[0] == base for graph in self.graphs)
        name = f"{base}#{same + 1}" if same else base
        columns = len(reads) + gives
        arguments = tuple(range(len(from_python)))
        return Graph(name, "eager", columns, (*operations, operation), arguments, given)


def _digest(tensor: Any) -> bytes:
    data: np.ndarray[Any, Any] = digesting.fingerprint(tensor).numpy()
    return data.tobytes()


def _is_stateful(kind: str) -> bool:
    from tensorflow.python.framework import op_def_registry  # no public interface

    definition = op_def_registry.get(kind)
    return definition is None or bool(definition.is_stateful)
