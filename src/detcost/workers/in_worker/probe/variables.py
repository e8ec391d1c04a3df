"""The content of variables around the operations that use them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

#: Operations that only read a variable, or only ask about it.
READING = ("ReadVariableOp", "VariableShape", "VarIsInitializedOp", "DisableCopyOnRead")
_GATHER = ("ResourceGather", "ResourceGatherNd")
#: What they write does not depend on what was there, which may be nothing.
_OVERWRITE = ("AssignVariableOp", "VarHandleOp", "DestroyResourceOp")


def contents(op: Any) -> tuple[list[Any], list[Any]]:
    """Read the variables that an operation of a graph takes, before it and after it.

    The reading stands between the operation and those that come before or after it.
    """
    handles = [tensor for tensor in op.inputs if is_variable(tensor)]
    if not handles or op.type in (*READING, *_OVERWRITE):
        return [], []
    before = [_read(handle, op.control_inputs) for handle in handles]
    op._add_control_inputs([value.op for value in before])
    if op.type in _GATHER:
        return before, []
    followers = [other for other in op.graph.get_operations() if op in other.control_inputs]
    after = [_read(handle, [op]) for handle in handles]
    for follower in followers:
        follower._add_control_inputs([value.op for value in after])
    return before, after


def is_variable(tensor: Any) -> bool:
    """Return whether a tensor is the handle of a variable, and not another resource."""
    return tensor.dtype == tf.resource and variable_type(tensor) is not None


def variable_type(handle: Any) -> Any:
    """Return the type of the variable's content, or ``None``."""
    from tensorflow.python.ops import resource_variable_ops

    data = resource_variable_ops.get_eager_safe_handle_data(handle)
    if data is None or not data.is_set or not data.shape_and_type:
        return None
    return tf.as_dtype(data.shape_and_type[0].dtype)


def _read(handle: Any, after: list[Any]) -> Any:
    with tf.control_dependencies(after):
        return tf.raw_ops.ReadVariableOp(resource=handle, dtype=variable_type(handle))
