"""Keeps what one operation takes in one execution, so that it can be replayed alone.

The operation goes into a graph of its own, with a placeholder for each input and the functions
that it calls. In a graph, a call of Python beside the operation keeps its inputs.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from detcost.evidence import captured
from detcost.evidence.captured import CapturedInput, CapturedOperation
from detcost.outputs import digests
from detcost.workers.in_worker.probe import alone, attaching, digesting, variables
from detcost.workers.in_worker.probe.describing import device
from detcost.workers.in_worker.probe.places import place, place_here

#: What it writes to a variable does not depend on what was there.
_OVERWRITES = ("AssignVariableOp",)
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
        self._before: dict[int, Any] = {}
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
        with attaching.inside(op.graph):
            values = [_before(op, *pair) for pair in zip(op.inputs, kinds, strict=True)]
            if not values:  # a function of Python needs an argument to run in every execution
                values = [tf.constant(0)]
            keep = tf.numpy_function(lambda *arrays: self._keep(arrays, kinds), values, [])
            op._add_control_inputs([keep])
            attaching.attach(op.graph, keep, writes=False)

    def watch_eager(self, name_of: Callable[[str], str]) -> None:
        """Keep the content of variables before eager code runs the operation asked for.

        The probe sees eager operations afterwards, when some have changed their variables.
        """
        from tensorflow.python import pywrap_tfe
        from tensorflow.python.eager.polymorphic_function.atomic_function import AtomicFunction

        call, run = AtomicFunction.call_flat, pywrap_tfe.TFE_Py_FastPathExecute

        def called(function: Any, *args: Any) -> Any:
            self._note_contents(name_of(tf.compat.as_str(function.name)), args)
            return call(function, *args)

        def ran(context: Any, kind: str, *args: Any) -> Any:
            self._note_contents(kind, args)
            return run(context, kind, *args)

        AtomicFunction.call_flat, pywrap_tfe.TFE_Py_FastPathExecute = called, ran

    def _note_contents(self, name: str, arguments: Sequence[Any]) -> None:
        if name != self.operation or self._done or digesting.are_unseen():
            return
        if name.startswith((*variables.READING, *_OVERWRITES)) or not tf.executing_eagerly():
            return
        with digesting.unseen():
            handles = [each for each in arguments if tf.is_tensor(each)]
            handles = [each for each in handles if variables.is_variable(each)]
            self._before = {handle._id: _content(handle).numpy() for handle in handles}

    def eager(self, graph: str, kind: str, inputs: Sequence[Any], attributes: Any) -> None:
        """Keep the inputs of an eager operation, which has just run, if it is the one asked for."""
        if graph != self.graph or self._done:
            return
        try:
            values = [self._value(kind, tensor) for tensor in inputs]
            self._described = _described_eager(kind, inputs, attributes, graph, self.operation)
        except CannotCapture as error:
            self._reason = str(error)
            return
        self._keep(values, [given.kind for given in self._described[0].inputs])

    def _value(self, kind: str, tensor: Any) -> Any:
        if tensor.dtype == tf.variant:
            return None
        if tensor.dtype != tf.resource:
            return np.asarray(tensor)
        if kind.startswith((*variables.READING, *_OVERWRITES)):
            return _content(tensor).numpy()
        if tensor._id not in self._before:
            raise CannotCapture(f"{kind} in eager code has changed what it read")
        return self._before[tensor._id]

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
    if alone.is_call(op_type):
        node = alone.call_node(op_type, inputs)
    else:
        node = alone.eager_node(op_type, inputs, dict(zip(attrs[::2], attrs[1::2], strict=True)))
    kinds = [_kind(node.op, tensor, False) for tensor in inputs]
    stateful = alone.definition_of(node.op).is_stateful
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
    whole = alone.graph_of(node, inputs)
    if reason := captured.why_not(dict(alone.types_in(whole))):
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
