"""The probe in graphs: digests beside every operation of every function that TensorFlow makes.

``from_func_graph`` is the one place where a graph becomes a function that runs: the user's
``tf.function``, the bodies of loops and branches, gradients, Keras, saved models and the functions
of ``tf.data``. The probe adds nodes that only read. A graph runs each of its operations once, so
one execution gives one frame.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import tensorflow as tf

from detcost.evidence.recording import Graph, Operation
from detcost.workers.contract import Watched
from detcost.workers.in_worker.probe import attaching, digesting, taps, variables
from detcost.workers.in_worker.probe.columns import GraphColumns
from detcost.workers.in_worker.probe.describing import described

#: Operations whose output is their input.
_ALIASES = ("Identity", "IdentityN", "StopGradient", "PreventGradient", "EnsureShape")
_MUST_COMPILE = "_XlaMustCompile"
#: What TensorFlow adds to the name of a function, and the numbers that make names unique.
_DECORATION = re.compile(r"^(__inference_|__forward_|__backward_)+|_\d+(?=_|$)|_rewritten$")

OnOperation = Callable[[Any, str, str], None]


class GraphProbe:
    """The graphs made from :meth:`watch` on.

    Parameters
    ----------
    watched
        Which operations get digests.
    on_operation
        Called with each operation of a graph that may be changed, before it becomes a function,
        and with the names of its graph and of itself.

    Attributes
    ----------
    graphs
        What was watched, in the order of the numbers in frames.
    unwatched
        Why some graphs have no digests.
    """

    def __init__(
        self, watched: Watched, on_operation: OnOperation = lambda operation, graph, name: None
    ):
        self.graphs: list[Graph] = []
        self.unwatched: set[str] = set()
        self._watched = watched
        self._on_operation = on_operation
        self._names: Counter[str] = Counter()
        self._by_function: dict[str, str] = {}
        self._seen: dict[int, tuple[Any, str]] = {}  # holds the graph, so that no id comes twice
        self._compiling: list[bool] = []
        self._compiled: set[int] = set()

    def name_of(self, function: str) -> str:
        """Return the name of the graph that a function of TensorFlow's runs."""
        return self._by_function.get(function, undecorated(function))

    def watch(self) -> None:
        """Add digests to every graph that becomes a function from now on."""
        from tensorflow.python.eager.polymorphic_function import (
            atomic_function,
            tracing_compilation,
        )

        make, trace = atomic_function.from_func_graph, tracing_compilation._create_concrete_function

        def made(name: Any, graph: Any, attrs: Any, *args: Any, **kwargs: Any) -> Any:
            self._instrument(tf.compat.as_str(name), graph, bool((attrs or {}).get(_MUST_COMPILE)))
            return make(name, graph, attrs, *args, **kwargs)

        def traced(kind: Any, context: Any, graph: Any, options: Any, *args: Any) -> Any:
            self._compiling.append(bool((options.attributes or {}).get(_MUST_COMPILE)))
            try:
                return trace(kind, context, graph, options, *args)
            finally:
                self._compiling.pop()

        atomic_function.from_func_graph = made
        tracing_compilation._create_concrete_function = traced
        attaching.keep_frames()

    def _instrument(self, function: str, graph: Any, compiled: bool) -> None:
        """Give a graph its digests, once: later additions only keep values for gradients."""
        if id(graph) not in self._seen:
            base = undecorated(function)
            self._names[base] += 1
            name = base if self._names[base] == 1 else f"{base}#{self._names[base]}"
            self._seen[id(graph)] = graph, name
            self._by_function[function] = name
            if compiled or self._is_compiled(graph):
                self._compiled.add(id(graph))
                self.graphs.append(Graph(name, "function", 0, (), compiled=True))
            elif not any(op.name.startswith(digesting.PREFIX) for op in graph.get_operations()):
                for operation in graph.get_operations():
                    self._on_operation(operation, name, operation.name)
                with attaching.inside(graph):
                    self.graphs.append(self._digested(graph, name, len(self.graphs)))
        self._by_function[function] = self._seen[id(graph)][1]

    def _is_compiled(self, graph: Any) -> bool:
        """Return whether XLA compiles a graph, because it is a part of one that XLA compiles."""
        outer = getattr(graph, "outer_graph", None)
        return any(self._compiling) or (outer is not None and id(outer) in self._compiled)

    def _digested(self, graph: Any, name: str, number: int) -> Graph:
        """Add the digests to a graph, and describe it."""
        columns = GraphColumns()
        made = attaching.condition(graph) or graph.get_operations()
        made = [op for op in made if not op.name.startswith(taps.SCOPE)]
        arguments = {tensor.op for tensor in graph.inputs}
        watches = self._watched.operations
        operations: list[Operation] = []
        for op in made:
            if op.type in _ALIASES and len(op.inputs) == len(op.outputs):
                columns.alias(op)
                continue
            is_watched = watches is None or (name, op.name) in watches
            operations.append(
                self._operation(op, columns, len(operations), is_watched, op in arguments)
            )
        taken = [columns.of(tensor) for tensor in graph.inputs]
        known = tuple(column for column in taken if column >= 0)
        returned = tuple(columns.of(tensor) for tensor in graph.outputs)
        if columns.digests:
            frame = digesting.hand_out(number, columns.digests)
            attaching.attach(graph, frame, columns.writes)
        return Graph(
            name,
            "function",
            len(columns.digests),
            tuple(_with_arguments(operation, known) for operation in operations),
            tuple(taken),
            returned,
        )

    def _operation(
        self, op: Any, columns: GraphColumns, index: int, is_watched: bool, is_argument: bool
    ) -> Operation:
        """Add the digests of one operation, and describe it."""
        reads = [column for column in map(columns.of, op.inputs) if column >= 0]
        after = {
            columns.maker(tensor) for tensor in op.inputs if columns.of(tensor) < 0
        }  # a resource, a variant, or what is not watched
        calls = tuple(self.name_of(called) for called in _called(op))
        gives: list[int] = []
        stateful = bool(op._is_stateful) and not is_argument
        in_loop = op._get_control_flow_context() is not None  # of TensorFlow 1: not once a frame
        if in_loop:
            self.unwatched.add("loops and branches of TensorFlow 1")
        elif is_watched:
            gives = [columns.add(tensor) for tensor in op.outputs if digesting.has_digest(tensor)]
            inner = any(calls) and not any(self.is_compiled(called) for called in calls)
            before, later = ([], []) if inner else variables.contents(op)
            reads += [columns.add_content(value) for value in before]
            gives += [columns.add_content(value) for value in later]
            columns.writes = columns.writes or bool(later)
            if op.type == "ReadVariableOp":  # what it reads is what it gives
                reads = list(gives)
            stateful = stateful and not before  # its state is among its inputs then
        for tensor in op.outputs:
            columns.made(tensor, index)
        return described(op, reads, gives, sorted(after - {-1}), calls, stateful, is_argument)

    def is_compiled(self, name: str) -> bool:
        """Return whether XLA compiles a graph."""
        return any(graph.name == name and graph.compiled for graph in self.graphs)


def undecorated(function: str) -> str:
    """Return the name of a function without what differs from run to run."""
    return _DECORATION.sub("", _DECORATION.sub("", function)) or function


def _called(op: Any) -> Iterator[str]:
    """Give the names of the functions that an operation runs."""
    for name in op.op_def.attr:
        if name.type in ("func", "list(func)"):
            with suppress(ValueError):
                value = op.get_attr(name.name)
                for function in value if isinstance(value, list) else [value]:
                    yield function.name


def _with_arguments(operation: Operation, arguments: tuple[int, ...]) -> Operation:
    """Let a stateful operation depend on where it runs: on the arguments of its graph."""
    if not operation.stateful or operation.reads == operation.gives:
        return operation
    reads = tuple(dict.fromkeys((*operation.reads, *arguments)))
    return Operation(**{**_fields(operation), "reads": reads})


def _fields(operation: Operation) -> dict[str, Any]:
    return {name: getattr(operation, name) for name in operation.__struct_fields__}
