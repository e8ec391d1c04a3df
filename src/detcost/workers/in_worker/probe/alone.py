"""An operation alone: a graph with placeholders for its inputs and with the functions it calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from detcost.evidence import captured
from detcost.workers.in_worker.probe.describing import device


def graph_of(node: Any, inputs: Iterable[Any]) -> Any:
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


def types_in(graph: Any) -> Iterator[tuple[str, bool]]:
    """Give the type of every operation, also in functions, and whether it is stateful."""
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    for node in nodes:
        if not is_call(node.op):
            yield node.op, definition_of(node.op).is_stateful


def definition_of(op_type: str) -> Any:
    """Return TensorFlow's definition of a type; ``None`` if it is the name of a function."""
    from tensorflow.python.framework import op_def_registry  # no public interface

    return op_def_registry.get(op_type)


def is_call(op_type: str) -> bool:
    """Return whether a type is the name of a function, which eager code calls so."""
    return definition_of(op_type) is None


def call_node(function: str, inputs: Sequence[Any]) -> Any:
    """Return the operation that calls a function, as eager code does by the function's name."""
    from tensorflow.python.eager import context  # no public interface

    signature = context.context().get_function_def(function).signature
    node = tf.compat.v1.NodeDef(op="StatefulPartitionedCall")
    node.attr["f"].func.name = function
    node.attr["Tin"].list.type.extend(tensor.dtype.as_datatype_enum for tensor in inputs)
    node.attr["Tout"].list.type.extend(output.type for output in signature.output_arg)
    return node


def eager_node(op_type: str, inputs: Sequence[Any], attributes: dict[str, Any]) -> Any:
    """Build an eager operation in a graph, and return its description."""
    from tensorflow.python.framework import op_def_library  # no public interface

    definition = definition_of(op_type)
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
