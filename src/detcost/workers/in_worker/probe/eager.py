"""The probe in eager code: a frame for every operation that runs outside of graphs."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
#: The type of what is no operation: Python code reads a value.
_READING = "Read"

#: The user's lines that gave a value, innermost first. ``None`` if an operation gave it.
Source = tuple[str, ...] | None
#: Attributes that are new at each execution.
_NEW = ("seed", "seed2", "metadata", "config_proto")

OnCall = Callable[[str, str, Sequence[Any], Any], None]


@dataclass(frozen=True)
class _Site:
    """What the executions of one graph have in common.

    Attributes
    ----------
    kind, called
        The type of the operation, and the graph that it runs if it is a call.
    sources
        For each column that it reads, where the value came from.
    gives
        The number of columns that it gives.
    unknown
        Whether it takes something without a digest.
    attributes
        What else its outputs depend on. One line may have ``keepdims=True`` and ``False``.
    """

    place: tuple[str, ...]
    kind: str
    called: str
    sources: tuple[Source, ...]
    gives: int
    unknown: bool
    attributes: tuple[str, ...]


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
        self._numbers: dict[_Site, int] = {}
        self._names: Counter[str] = Counter()
        self._made: set[int] = set()
        self._constants: dict[int, tuple[str, ...]] = {}
        self._contents: dict[int, bytes] = {}

    def watch(self) -> None:
        """Watch this thread from now on."""
        from tensorflow.python.framework import constant_op, op_callbacks  # no public interface

        op_callbacks.add_op_callback(self._on_op)
        self._watch_reading()
        convert = constant_op.convert_to_eager_tensor

        @functools.wraps(convert)
        def converted(*args: Any, **kwargs: Any) -> Any:
            tensor = convert(*args, **kwargs)
            if not digesting.are_unseen():
                self._constants[tensor._id] = place_here()
            return tensor

        constant_op.convert_to_eager_tensor = converted

    def from_python(self, tensor: Any) -> Source:
        """Return the lines that made a tensor from a value of Python's, if they are known."""
        identity = getattr(tensor, "_id", -1)  # variables have none
        return None if identity in self._made else self._constants.get(identity)

    def _watch_reading(self) -> None:
        """Note what Python code reads: what it computes from then on may depend on it."""
        from tensorflow.python.framework import ops

        read, thread = ops._EagerTensorBase._numpy, threading.get_ident()

        def noted(tensor: Any) -> Any:
            if not digesting.are_unseen() and threading.get_ident() == thread:
                with digesting.unseen(), tf.init_scope():
                    self._note_reading(tensor)
            return read(tensor)

        ops._EagerTensorBase._numpy = noted

    def _note_reading(self, tensor: Any) -> None:
        if tensor._id in self._made and digesting.has_digest(tensor):
            number = self._number(_Site(place_here(), _READING, "", (None,), 0, False, ()), ())
            self.frames.append(Frame(number, self.call, b"".join(_digests([tensor]))))

    def _number(self, site: _Site, outputs: Sequence[Any]) -> int:
        """Return the number of the graph of a site."""
        if site not in self._numbers:
            self._numbers[site] = len(self.graphs)
            self.graphs.append(self._described(site, outputs))
        return self._numbers[site]

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
        called = self._name_of(kind) if kind.startswith(_FUNCTION) else ""
        here = place_here()
        values = [tensor for tensor in inputs if digesting.has_digest(tensor)]
        given = _digests(outputs)
        before, after = self._around(kind, called, inputs)
        read = _digests(values)
        taken = read + before
        pairs = zip(values, read, strict=True)
        sources = [self._source(*pair, here) for pair in pairs] + [None] * len(before)
        self._made.update(tensor._id for tensor in outputs)
        site = _Site(
            here,
            kind if not called else _CALL,
            called,
            tuple(sources),
            len(given) + len(after),
            len(taken) < len(inputs),
            () if called else _told(attributes),
        )
        number = self._number(site, outputs)
        self._on_operation(self.graphs[number].name, kind, inputs, attributes)
        self.frames.append(Frame(number, self.call, b"".join((*taken, *given, *after))))

    def _source(self, tensor: Any, digest: bytes, here: tuple[str, ...]) -> Source:
        """Return the lines that made a tensor from a value of Python's, if none of TensorFlow.

        Where an operation takes a variable itself, TensorFlow reads it unseen.
        """
        if tensor._id in self._made or digest in self._contents.values():
            return None
        return self._constants.get(tensor._id, here)

    def _around(
        self, kind: str, called: str, inputs: Sequence[Any]
    ) -> tuple[list[bytes], list[bytes]]:
        """Return the contents of variables before an operation that has run, and after it.

        What a watched function does to variables is watched inside of it.
        """
        handles = [tensor for tensor in inputs if variables.is_variable(tensor)]
        before = [self._contents.get(handle._id) for handle in handles]
        if kind.startswith(variables.READING):
            return [], []
        after = [self._content(handle, inputs, kind) for handle in handles]
        if called and not self._is_compiled(called):
            return [], []
        if kind == _OVERWRITE:
            before = []
        return [each for each in before if each], [each for each in after if each]

    def _content(self, handle: Any, inputs: Sequence[Any], kind: str) -> bytes | None:
        """Return the digest of a variable's content after an operation, and remember it."""
        value = inputs[-1]
        if kind != _OVERWRITE or not digesting.has_digest(value):
            try:
                dtype = variables.variable_type(handle)
                value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
            except tf.errors.OpError:  # it has no value yet
                return None
        [self._contents[handle._id]] = _digests([value])
        return self._contents[handle._id]

    def _described(self, site: _Site, outputs: Sequence[Any]) -> Graph:
        operations = [
            Operation(
                f"input {index}",
                "Argument" if source is None else "Python",
                gives=(index,),
                place=site.place if source is None else source,
            )
            for index, source in enumerate(site.sources)
        ]
        reads = tuple(range(len(operations)))
        gives = tuple(range(len(reads), len(reads) + site.gives))
        if site.unknown:
            operations.append(Operation("resources", "Argument", place=site.place))
        reading = site.kind.startswith(variables.READING)
        operation = Operation(
            site.called or site.kind,
            site.kind,
            gives if reading else reads,
            gives,
            (len(reads),) if site.unknown else (),
            (site.called,) if site.called else (),
            bool(site.called) or (_is_stateful(site.kind) and not reading),
            shapes(outputs),
            device(outputs[0].device) if outputs else "",
            site.place,
        )
        columns = len(reads) + len(gives)
        return Graph(self._name(site), "eager", columns, (*operations, operation), reads, gives)

    def _name(self, site: _Site) -> str:
        where = site.place[0].partition(" in ")[0] if site.place else "TensorFlow"
        name = " ".join(filter(None, (where, site.kind, site.called)))
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}#{self._names[name]}"


def _told(attributes: Any) -> tuple[str, ...]:
    """Return attributes as text, but for those that are new at each execution."""
    pairs = zip(attributes[::2], attributes[1::2], strict=True)
    return tuple(
        f"{name}={value!r}"
        for name, value in pairs
        if name not in _NEW and isinstance(value, (int, float, str, bytes, list, tf.DType))
    )


def _digests(tensors: Sequence[Any]) -> list[bytes]:
    """Return the digest of every tensor that has one."""
    found = (digesting.fingerprint(each) for each in tensors if digesting.has_digest(each))
    arrays: list[np.ndarray[Any, Any]] = [each.numpy() for each in found]
    return [array.tobytes() for array in arrays]


@functools.cache
def _is_stateful(kind: str) -> bool:
    from tensorflow.python.framework import op_def_registry  # no public interface

    definition = op_def_registry.get(kind)
    return definition is None or bool(definition.is_stateful)
