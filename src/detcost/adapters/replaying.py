"""An operation that ``detcost locate`` captured, as a scenario of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detcost.adapters.given import beside_caller, scenario
from detcost.errors import UsageError
from detcost.evidence import captured
from detcost.evidence.captured import CapturedInput, CapturedOperation
from detcost.outputs import digests
from detcost.outputs.digests import STRING, Leaf, UnusableOutput
from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import Scenario


def replay(folder: str | Path) -> Scenario:
    """Make a scenario of an operation that ``detcost locate`` captured. A step runs it once.

    Variables have their captured content before every step, and their content after it is
    compared too. The graph runs only if its operations reach neither files nor Python.

    Parameters
    ----------
    folder
        The folder that ``detcost locate`` wrote, relative to the file that calls this.

    Returns
    -------
    Scenario
        Assign it to a variable at the top level of the file.

    Raises
    ------
    UsageError
        If the folder holds no captured operation, or a changed one. In the worker, if its graph
        contains an operation that may not be run, or that this TensorFlow lacks.
    """
    place = beside_caller(folder)
    operation = captured.read_checked(place)
    return scenario(
        f"{operation.type}, captured at {(*operation.place, operation.name)[0]}",
        "loop",
        lambda bench: _build(bench, operation, place),
    )


def _build(bench: Bench, operation: CapturedOperation, folder: Path) -> Callable[[], Any]:
    graph = _graph(folder)
    if reason := captured.why_not(dict(_types(graph))):
        raise UsageError(f"{folder}: not run: {reason}")
    inputs = _inputs(bench, operation, graph, folder)
    variables = [v for v in inputs if isinstance(v, _Content)]
    passed = [
        value for value, kind in zip(inputs, operation.inputs, strict=True) if kind.kind == "value"
    ]

    def replayed(*values: Any) -> Any:
        rest = iter(values)
        taken = [
            tf.compat.v1.get_default_graph().capture(value.variable.handle)
            if isinstance(value, _Content)
            else next(rest)
            if kind.kind == "value"
            else tf.constant(value)
            for value, kind in zip(inputs, operation.inputs, strict=True)
        ]
        given = _outputs(graph, taken, folder)
        return [*given, *(content.variable.read_value() for content in variables)]

    function = bench.function(tf.autograph.experimental.do_not_convert(replayed))

    def step() -> Any:
        for content in variables:
            content.put_back()
        return function(*passed)

    return step


class _Content:
    """A variable and the content that it has before every call."""

    def __init__(self, value: Any):
        self.value = tf.constant(value)
        self.variable = tf.Variable(self.value, trainable=False)

    def put_back(self) -> None:
        """Give the variable a copy of its content, since operations write to its memory."""
        with tf.device(self.variable.device):
            copied = tf.raw_ops.DeepCopy(x=self.value)
            tf.raw_ops.AssignVariableOp(resource=self.variable.handle, value=copied)


def _graph(folder: Path) -> Any:
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString((folder / captured.GRAPH).read_bytes())
    except Exception as error:  # protobuf's own errors have no common public class
        raise UsageError(f"{folder}: {captured.GRAPH} is no graph ({error})") from None
    return graph


def _types(graph: Any) -> Iterator[tuple[str, bool]]:
    """Give the type of every operation, also in functions, and whether it is stateful."""
    from tensorflow.python.framework import op_def_registry  # no public interface

    functions = {function.signature.name for function in graph.library.function}
    nodes = [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]
    for node in nodes:
        if node.op in functions:
            continue
        definition = op_def_registry.get(node.op)
        if definition is None:
            raise UsageError(f"this TensorFlow has no operation {node.op}")
        yield node.op, definition.is_stateful


def _inputs(bench: Bench, operation: CapturedOperation, graph: Any, folder: Path) -> list[Any]:
    """Return the inputs: arrays, and variables with their content."""
    try:
        leaves = digests.load(folder / captured.INPUTS)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if len(leaves) != len(operation.inputs):
        raise UsageError(f"{folder}: it has {len(leaves)} inputs, not {len(operation.inputs)}")
    return [
        _input(bench, leaf, given) for leaf, given in zip(leaves, operation.inputs, strict=True)
    ]


def _input(bench: Bench, leaf: Leaf, given: CapturedInput) -> Any:
    value = tf.constant(_array(bench, leaf))
    dtype = tf.as_dtype(given.dtype)
    if value.dtype != dtype:  # quantised types, which NumPy lacks
        value = tf.bitcast(value, dtype)
    if given.kind == "constant":
        return value.numpy()
    return value if given.kind == "value" else _Content(value)


def _array(bench: Bench, leaf: Leaf) -> Any:
    if leaf.dtype != STRING:
        return bench.placed(leaf.array)
    return np.array(list(leaf.strings()) or [b""], object)[: leaf.size].reshape(leaf.shape)


def _outputs(graph: Any, inputs: list[Any], folder: Path) -> list[Any]:
    """Add the captured operation to the graph being traced, and return its outputs."""
    from tensorflow.python.eager import context  # no public interface

    alone = tf.compat.v1.GraphDef(versions=graph.versions, library=graph.library)
    alone.node.extend(node for node in graph.node if node.op != "Placeholder")
    try:
        for function in graph.library.function:
            context.context().add_function_def(function)
        [operation] = tf.graph_util.import_graph_def(
            alone,
            {f"input_{place}:0": value for place, value in enumerate(inputs)},
            [captured.OPERATION],
            name="",
        )
    except (ValueError, tf.errors.OpError) as error:
        raise UsageError(f"{folder}: {str(error).splitlines()[0]}") from None
    outputs = [out for out in operation.outputs if out.dtype not in (tf.resource, tf.variant)]
    if not outputs and not any(value.dtype == tf.resource for value in inputs):
        raise UnusableOutput(f"{operation.type} gives nothing that can be compared")
    return outputs
