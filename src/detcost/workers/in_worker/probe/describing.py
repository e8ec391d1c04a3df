"""An operation in words: its type, shapes, device, and the user's lines that made it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from detcost.evidence.recording import Operation
from detcost.workers.in_worker.probe.places import place

#: How TensorFlow names the gradient of an operation: after a scope that begins with it.
_GRADIENTS = ("gradients/", "gradient_tape/")


def described(
    op: Any,
    reads: Sequence[int],
    gives: Sequence[int],
    after: Sequence[int],
    calls: Sequence[str],
    stateful: bool,
    is_argument: bool,
) -> Operation:
    """Describe an operation of a graph, given its columns."""
    return Operation(
        op.name,
        "Argument" if is_argument else "Python" if op.type == "Const" else op.type,
        tuple(reads),
        tuple(gives),
        tuple(after),
        tuple(calls),
        stateful,
        outputs=shapes(op.outputs),
        device=device(op.device),
        place=_place(op),
    )


def shapes(tensors: Iterable[Any]) -> tuple[str, ...]:
    """Return type and shape of tensors, such as ``float32[32,?]``."""
    return tuple(f"{tensor.dtype.name}{_shape(tensor.shape)}" for tensor in tensors)


def _shape(shape: Any) -> str:
    if shape.rank is None:
        return "[…]"
    return f"[{','.join('?' if size is None else str(size) for size in shape)}]"


def device(name: str) -> str:
    """Return ``CPU:0`` for TensorFlow's name of a device, and nothing for no device."""
    spec = tf.DeviceSpec.from_string(name)
    return f"{spec.device_type}:{spec.device_index or 0}" if spec.device_type else ""


def _place(op: Any) -> tuple[str, ...]:
    """Return the lines that made an operation; of a gradient, those of what it differentiates."""
    own = place(op.traceback)
    forward = _forward(op)
    return tuple(dict.fromkeys((*place(forward.traceback), *own))) if forward is not None else own


def _forward(op: Any) -> Any:
    """Return the operation that a gradient belongs to, if TensorFlow or its name says so."""
    if op._original_op is not None:
        return op._original_op
    graph = getattr(op.graph, "_forward_graph", op.graph)  # of a loop's or a branch's gradient
    for scope in _GRADIENTS:
        _, found, name = op.name.rpartition(scope)
        if found:
            return _named(graph, name)
    return None


def _named(graph: Any, name: str) -> Any:
    """Return the operation by a gradient's name, such as ``dense/MatMul/MatMul_1``."""
    while name:
        try:
            return graph.get_operation_by_name(name.removesuffix("_grad"))
        except (KeyError, ValueError):
            name = name.rpartition("/")[0]
    return None
