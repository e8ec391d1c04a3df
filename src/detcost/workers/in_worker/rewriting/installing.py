"""Puts another way to compute an operation into a program, in graphs and in eager code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from detcost.workers.contract import CellError, Rewriting
from detcost.workers.in_worker.probe.graphs import undecorated
from detcost.workers.in_worker.probe.places import place_here
from detcost.workers.in_worker.rewriting.original import Original, definition, grouped
from detcost.workers.in_worker.rewriting.transformations import ARGUMENTS, CallRewriter
from detcost.workers.in_worker.rewriting.ways import WAYS

_SCOPE = "detcost_rewriting/"


class Rewriter:
    """Computes one operation in another way, in every graph or eager call made from now on.

    Without a rewriting, it changes nothing.
    """

    def __init__(self, rewriting: Rewriting | None):
        self._done = rewriting is None
        self._rewriting = rewriting or Rewriting("", "", "")
        self._names: Counter[str] = Counter()
        self._seen: dict[int, Any] = {}
        self._calls: CallRewriter | None = None

    def install(self) -> None:
        """Begin to rewrite."""
        graph = self._rewriting.graph
        if self._rewriting.name in ARGUMENTS:
            method = self._rewriting.operation.partition("/")[0]
            self._calls = CallRewriter(method, self._rewriting.place, self._rewriting.name)
            self._calls.install()
        elif not self._done:
            (self._watch_eager if " " in graph else self._watch_graphs)()

    def check(self) -> None:
        """Verify, after the first call, that the operation was found.

        Raises
        ------
        CellError
            ``not_applicable`` if it was not.
        """
        if not self._done and not (self._calls and self._calls.done):
            raise CellError("not_applicable", f"{self._rewriting.operation} cannot be rewritten")

    def _watch_graphs(self) -> None:
        from tensorflow.python.eager.polymorphic_function import atomic_function

        make = atomic_function.from_func_graph

        def made(name: Any, graph: Any, *args: Any, **kwargs: Any) -> Any:
            self._rewrite_graph(undecorated(tf.compat.as_str(name)), graph)
            return make(name, graph, *args, **kwargs)

        atomic_function.from_func_graph = made

    def _rewrite_graph(self, base: str, graph: Any) -> None:
        """Rewrite a graph, once, if it has the name of the one asked for."""
        if id(graph) in self._seen:
            return
        self._seen[id(graph)] = graph
        self._names[base] += 1
        name = base if self._names[base] == 1 else f"{base}#{self._names[base]}"
        if name != self._rewriting.graph:
            return
        for op in graph.get_operations():
            if op.name == self._rewriting.operation:
                _replace(op, self._rewriting.name)
                self._done = True

    def _watch_eager(self) -> None:
        from tensorflow.python import pywrap_tfe  # no public interface

        run = pywrap_tfe.TFE_Py_FastPathExecute
        base = self._rewriting.graph.partition("#")[0]
        own = False
        memory: dict[Any, Any] = {}

        def execute(context: Any, kind: str, name: Any, *arguments: Any) -> Any:
            nonlocal own
            if own or kind != self._rewriting.operation or f"{_line()} {kind}" != base:
                return run(context, kind, name, *arguments)
            own = True
            try:
                outputs = WAYS[self._rewriting.name](_eager_original(kind, arguments, memory))
            finally:
                own = False
            self._done = True
            return None if outputs is None or not definition(kind).output_arg else outputs

        pywrap_tfe.TFE_Py_FastPathExecute = execute


def _line() -> str:
    place = place_here()
    return place[0].partition(" in ")[0] if place else "TensorFlow"


def _eager_original(kind: str, arguments: Sequence[Any], memory: dict[Any, Any]) -> Original:
    """Describe an eager call: its inputs come first, then names and values of attributes."""
    count = len(definition(kind).input_arg)
    attributes = dict(zip(arguments[count::2], arguments[count + 1 :: 2], strict=True))
    inputs = [
        value if isinstance(value, list | tuple) else tf.convert_to_tensor(value)
        for value in arguments[:count]
    ]
    types = {
        argument.type_attr: value.dtype
        for argument, value in zip(definition(kind).input_arg, inputs, strict=True)
        if argument.type_attr and not isinstance(value, list | tuple)
    }
    return Original(kind, inputs, lambda name: attributes.get(name, types.get(name)), memory)


def _replace(op: Any, name: str) -> None:
    """Compute an operation of a graph in another way, for all that use it."""
    graph = op.graph
    with _inside(op):
        original = Original(
            op.type, grouped(op.type, list(op.inputs), op.get_attr), _attributes(op)
        )
        made = WAYS[name](original)
    outputs = tf.nest.flatten(made) if op.outputs else []
    for old, new in zip(op.outputs, outputs, strict=True):
        new.set_shape(old.shape)
        for consumer in old.consumers():
            if not consumer.name.startswith(_SCOPE):
                _reconnect(consumer, old, new)
        graph.outputs = [new if each is old else each for each in graph.outputs]
    last = outputs[0].op if outputs else graph.get_operations()[-1]
    for follower in graph.get_operations():
        if op in follower.control_inputs:
            others = [other for other in follower.control_inputs if other is not op]
            follower._remove_all_control_inputs()
            follower._add_control_inputs([*others, last])
    kept = [last if each is op else each for each in graph.control_outputs]
    graph.control_outputs[:] = kept


def _attributes(op: Any) -> Any:
    def attribute(name: str) -> Any:
        value = op.get_attr(name)
        return tf.compat.as_str(value) if isinstance(value, bytes) else value

    return attribute


def _reconnect(consumer: Any, old: Any, new: Any) -> None:
    for index, taken in enumerate(list(consumer.inputs)):
        if taken is old:
            consumer._update_input(index, new)


@contextmanager
def _inside(op: Any) -> Iterator[None]:
    """Build beside an operation: on its device, after what it waits for, unseen by gradients."""
    from tensorflow.python.eager import record
    from tensorflow.python.framework import ops

    with (
        op.graph.as_default(),
        record.stop_recording(),
        ops.control_dependencies(None),
        ops.control_dependencies(op.control_inputs),
        tf.device(op.device),
        tf.name_scope(_SCOPE),
    ):
        yield
