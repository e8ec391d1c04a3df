"""Keeps what one operation takes in one execution, so that it can be replayed alone.

The operation goes into a graph of its own, with a placeholder for each input and the functions
that it calls. In a graph, a call of Python beside the operation keeps its inputs.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from detcost.evidence import captured
from detcost.evidence.captured import CapturedInput, CapturedOperation
from detcost.outputs import digests
from detcost.workers.in_worker.probe import digesting, variables
from detcost.workers.in_worker.probe.describing import device
from detcost.workers.in_worker.probe.places import place, place_here

#: Bytes of inputs that are kept at most.
LIMIT = 1 << 30
_PROGRAM = '''"""{type}, captured by detcost locate: detcost measure {file}"""

import detcost

operation = detcost.replay(".")
'''


class CannotCapture(Exception):
    """The operation cannot be replayed from a file. The message is the reason."""


class Capture:
    """The inputs of one execution of one operation.

    Parameters
    ----------
    graph, operation
        The names of the graph and of the operation in it.
    at
        The call and the execution of the operation in this call, from 1. ``None`` keeps the first
        execution in a call of the step. If there is no such execution, the last one is kept.
    """

    def __init__(self, graph: str, operation: str, at: tuple[int, int] | None = None):
        self.graph, self.operation = graph, operation
        self.call = 0
        self._at = at
        self._iterations = 0
        self._lock = threading.Lock()
        self._described: tuple[CapturedOperation, bytes] | None = None
        self._kept: tuple[tuple[int, int], list[Any]] | None = None
        self._done = False
        self._reason = "it was not executed"

    def begin_call(self) -> None:
        """Note that another call of the step begins. The build is call 0."""
        self.call += 1
        self._iterations = 0

    def in_graph(self, op: Any, graph: str, name: str) -> None:
        """Add the keeping of inputs to an operation of a graph, if it is the one asked for."""
        if (graph, name) != (self.graph, self.operation):
            return
        try:
            self._described = _described_in_graph(op, graph)
        except CannotCapture as error:
            self._reason = str(error)
            return
        kinds = [given.kind for given in self._described[0].inputs]
        with _inside(op.graph):
            values = [_before(op, *pair) for pair in zip(op.inputs, kinds, strict=True)]
            if not values:  # a function of Python needs an argument to run in every execution
                values = [tf.constant(0)]
            keep = tf.numpy_function(lambda *arrays: self._keep(arrays, kinds), values, [])
        op._add_control_inputs([keep])
        op.graph.control_outputs.append(keep)

    def eager(self, op_type: str, inputs: Sequence[Any], attrs: Sequence[Any], name: str) -> None:
        """Keep the inputs of an eager operation, which has just run, if it is the one asked for.

        ``name`` is the name of its graph, which has this one operation.
        """
        if name != self.graph:
            return
        try:
            if any(tensor.dtype == tf.resource for tensor in inputs) and not _is_call(op_type):
                raise CannotCapture(f"an eager {op_type} has changed its variable already")
            self._described = _described_eager(op_type, inputs, attrs, name, self.operation)
        except CannotCapture as error:
            self._reason = str(error)
            return
        kinds = [given.kind for given in self._described[0].inputs]
        values = [_content(tensor) if tensor.dtype == tf.resource else tensor for tensor in inputs]
        self._keep([np.asarray(value) for value in values], kinds)

    def save(self, folder: Path) -> CapturedOperation:
        """Write what was kept, or why nothing was, and return it."""
        folder.mkdir(parents=True, exist_ok=True)
        operation = self._save(folder) if self._kept and self._described else self._failed()
        captured.write(operation, folder)
        return operation

    def _failed(self) -> CapturedOperation:
        return CapturedOperation(
            type="", name=self.operation, graph=self.graph, reason=self._reason
        )

    def _save(self, folder: Path) -> CapturedOperation:
        assert self._kept is not None
        assert self._described is not None
        (call, iteration), arrays = self._kept
        description, graph = self._described
        try:
            leaves = digests.leaves(arrays) if arrays else []
        except digests.UnusableOutput as error:
            self._reason = str(error).replace(digests.STEP, "its input ")
            return self._failed()
        (folder / captured.GRAPH).write_bytes(graph)
        digests.save(leaves, folder / captured.INPUTS)
        (folder / captured.PROGRAM).write_text(
            _PROGRAM.format(type=description.type, file=captured.PROGRAM)
        )
        fields = {name: getattr(description, name) for name in description.__struct_fields__}
        fields |= {
            "call": call,
            "iteration": iteration,
            "versions": {"tensorflow": tf.version.VERSION, "python": platform.python_version()},
            "checksum": captured.checksum(folder),
        }
        return CapturedOperation(**fields)

    def _keep(self, arrays: Sequence[Any], kinds: Sequence[str]) -> None:
        """Keep the inputs of one execution. Threads may run several at once."""
        with self._lock:
            self._iterations += 1
            now = (self.call, self._iterations)
            if self._done:
                return
            arrays = arrays[: len(kinds)]
            if sum(np.asarray(array).nbytes for array in arrays) > LIMIT:
                self._reason = f"its inputs have more than {LIMIT >> 30} GiB"
                return
            self._kept = now, [np.array(array) for array in arrays]
            self._done = now == self._at if self._at else self.call > 0


def _described_in_graph(op: Any, graph: str) -> tuple[CapturedOperation, bytes]:
    node = tf.compat.v1.NodeDef()
    node.CopyFrom(op.node_def)
    static = [tf.get_static_value(tensor) is not None for tensor in op.inputs]
    kinds = [
        _kind(op.type, tensor, is_static and not all(static))
        for tensor, is_static in zip(op.inputs, static, strict=True)
    ]
    return _described(
        node, op.inputs, kinds, graph, op.name, bool(op._is_stateful), place(op.traceback)
    )


def _described_eager(
    op_type: str, inputs: Sequence[Any], attrs: Sequence[Any], graph: str, name: str
) -> tuple[CapturedOperation, bytes]:
    if _is_call(op_type):
        node = _call_node(op_type, inputs)
    else:
        node = _eager_node(op_type, inputs, dict(zip(attrs[::2], attrs[1::2], strict=True)))
    kinds = [_kind(node.op, tensor, False) for tensor in inputs]
    stateful = _op_def(node.op).is_stateful
    return _described(node, inputs, kinds, graph, name, stateful, place_here())


def _described(
    node: Any,
    inputs: Sequence[Any],
    kinds: Sequence[Any],
    graph: str,
    name: str,
    stateful: bool,
    lines: tuple[str, ...],
) -> tuple[CapturedOperation, bytes]:
    """Return the description and the graph of one operation.

    Raises
    ------
    CannotCapture
        If the operation may not be run from a file.
    """
    whole = _graph(node, inputs)
    if reason := captured.why_not(dict(_types(whole))):
        raise CannotCapture(reason)
    shown = device(node.device)
    operation = CapturedOperation(
        type=node.op,
        name=name,
        graph=graph,
        place=lines,
        device=shown,
        attributes={
            key: " ".join(str(node.attr[key]).split())[:200]
            for key in sorted(node.attr)
            if not key.startswith("_")
        },
        inputs=tuple(
            CapturedInput(kind, _value_type(tensor).name, str(_value_shape(tensor)))
            for tensor, kind in zip(inputs, kinds, strict=True)
        ),
        stateful=stateful,
    )
    return operation, whole.SerializeToString(deterministic=True)


def _kind(op_type: str, tensor: Any, static: bool) -> captured.InputKind:
    if tensor.dtype == tf.variant:
        raise CannotCapture(f"an input of {op_type} is a list or another object without bytes")
    if tensor.dtype == tf.resource:
        if not variables.is_variable(tensor):
            raise CannotCapture(f"an input of {op_type} is a resource that is no variable")
        return "unread" if op_type == "AssignVariableOp" else "variable"
    return "constant" if static else "value"


def _graph(node: Any, inputs: Iterable[Any]) -> Any:
    """Return a graph with placeholders for the inputs, the operation, and what it calls."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = tf.version.GRAPH_DEF_VERSION
    for number, tensor in enumerate(inputs):
        holder = graph.node.add(name=f"input_{number}", op="Placeholder")
        holder.attr["dtype"].type = tensor.dtype.as_datatype_enum
    place = node.device
    del node.input[:]
    node.input.extend(f"input_{number}" for number in range(len(graph.node)))
    node.name = captured.OPERATION
    node.device = f"/device:{device(place)}" if device(place) else ""
    for private in ("_class", "_gradient_op_type"):
        node.attr.pop(private, None)
    graph.node.append(node)
    _add_functions(graph, [node])
    return graph


def _add_functions(graph: Any, nodes: Iterable[Any]) -> None:
    """Add the functions that operations call, and those that these call."""
    from tensorflow.python.eager import context  # no public interface

    known = {function.signature.name for function in graph.library.function}
    waiting = list(_called(nodes))
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        function = graph.library.function.add()
        function.CopyFrom(context.context().get_function_def(name))
        function.attr.pop("_gradient_op_type", None)
        waiting += _called(function.node_def)


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        for value in node.attr.values():
            if value.HasField("func"):
                yield value.func.name
            yield from (function.name for function in value.list.func)


def _types(graph: Any) -> Iterator[tuple[str, bool]]:
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    for node in nodes:
        yield node.op, _op_def(node.op).is_stateful


def _op_def(op_type: str) -> Any:
    from tensorflow.python.framework import op_def_registry  # no public interface

    return op_def_registry.get(op_type)


def _is_call(op_type: str) -> bool:
    return _op_def(op_type) is None


def _call_node(function: str, inputs: Sequence[Any]) -> Any:
    """Return the operation that calls a function, as eager code does by the function's name."""
    from tensorflow.python.eager import context  # no public interface

    signature = context.context().get_function_def(function).signature
    node = tf.compat.v1.NodeDef(op="StatefulPartitionedCall")
    node.attr["f"].func.name = function
    node.attr["Tin"].list.type.extend(tensor.dtype.as_datatype_enum for tensor in inputs)
    node.attr["Tout"].list.type.extend(output.type for output in signature.output_arg)
    return node


def _eager_node(op_type: str, inputs: Sequence[Any], attributes: dict[str, Any]) -> Any:
    """Build an eager operation in a graph, and return its description."""
    from tensorflow.python.framework import op_def_library  # no public interface

    definition = _op_def(op_type)
    with tf.Graph().as_default() as graph:
        holders = iter([tf.compat.v1.placeholder(t.dtype, t.shape) for t in inputs])
        given: dict[str, Any] = {}
        for argument in definition.input_arg:
            count = _count(argument, attributes)
            parts = [next(holders) for _ in range(1 if count is None else count)]
            given[argument.name] = parts[0] if count is None else parts
        inferred = {a.type_attr for a in definition.input_arg} | {
            a.number_attr for a in definition.input_arg
        }
        inferred |= {a.type_list_attr for a in definition.input_arg}
        chosen = {key: value for key, value in attributes.items() if key not in inferred}
        op_def_library.apply_op(op_type, name=captured.OPERATION, **given, **chosen)
        [made] = [op for op in graph.get_operations() if op.type == op_type]
        node = tf.compat.v1.NodeDef()
        node.CopyFrom(made.node_def)
    return node


def _count(argument: Any, attributes: dict[str, Any]) -> int | None:
    """Return how many tensors an argument of an operation takes; ``None`` if it is no list."""
    if argument.number_attr:
        return int(attributes[argument.number_attr])
    return len(attributes[argument.type_list_attr]) if argument.type_list_attr else None


def _before(op: Any, tensor: Any, kind: str) -> Any:
    """Return the value of an input before the operation."""
    if kind == "unread":
        shape = [size or 1 for size in (_value_shape(tensor).as_list() or [])]
        return tf.zeros(shape, _value_type(tensor))
    if kind != "variable":
        return tensor
    with tf.control_dependencies(op.control_inputs):
        return _content(tensor)


def _content(handle: Any) -> Any:
    return tf.raw_ops.ReadVariableOp(resource=handle, dtype=variables.variable_type(handle))


def _value_type(tensor: Any) -> Any:
    return variables.variable_type(tensor) if tensor.dtype == tf.resource else tensor.dtype


def _value_shape(tensor: Any) -> Any:
    if tensor.dtype != tf.resource:
        return tensor.shape
    from tensorflow.python.ops import resource_variable_ops  # no public interface

    data = resource_variable_ops.get_eager_safe_handle_data(tensor)
    return tf.TensorShape(data.shape_and_type[0].shape)


@contextmanager
def _inside(graph: Any) -> Iterator[None]:
    from tensorflow.python.eager import record
    from tensorflow.python.framework import ops

    with (
        graph.as_default(),
        record.stop_recording(),
        ops.control_dependencies(None),
        tf.name_scope(f"{digesting.PREFIX}/"),
    ):
        yield
