"""A recording: the digests of what every operation of a run took and gave.

A worker with a probe makes it (:mod:`detcost.workers.in_worker.probe`), and :mod:`detcost.locating`
compares several. A recording is a file, so that runs of two machines or two versions can be
compared. It is untrusted input: it is read by its schema, and never executed.

A *graph* is a function of TensorFlow, one line of eager code, or a ``tf.data`` pipeline. Each
execution of a graph is a *frame*: one digest of 64 bits for each of the graph's columns. A column
is a tensor that an operation gave, the value of an argument or a constant, or the content of a
variable before or after an operation.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from detcost.atomic_file import replacing
from detcost.errors import UsageError

SCHEMA = 1
SUFFIX = ".recording"
#: Bytes of one digest.
WIDTH = 8
_MAGIC = b"detcost recording\n"
#: Bytes that a recording may have when it is unpacked. Strangers' files may be made to explode.
_LIMIT = 1 << 30
#: Columns and calls that a recording may have.
_MOST = 1 << 24

Digests = npt.NDArray[np.uint64]
GraphKind = Literal["function", "eager", "pipeline"]


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """One operation of a graph.

    Attributes
    ----------
    name
        Its name in its graph. In eager code, its place and a number.
    type
        TensorFlow's type, such as ``Conv2D``; the class of a transformation, such as
        ``ParallelMapDataset``. ``Argument`` is a value that the graph gets from its caller.
        ``Python`` is a value that Python code made, such as a constant or a NumPy array.
        ``Read`` is a value that Python code reads, and may make others from.
    reads
        The columns that its outputs may depend on: its digested inputs, the content of variables
        before it, and, where it is stateful, the arguments of its graph.
    gives
        The columns of its outputs, and of the content of variables after it.
    after
        Operations of this graph, by index, that give it something without a digest: a resource,
        or a variant such as a list of tensors or a data set.
    calls
        The names of the graphs that it runs, such as a loop's body.
    stateful
        Whether it may give other outputs for equal inputs in one run, as a random operation does.
        Its outputs are then compared with those of the same call in another run.
    outputs
        Type and shape of each output, such as ``float32[32,?]``.
    device
        The device that it asks for, such as ``CPU:0``. Empty if TensorFlow chooses.
    place
        The user's lines that made it, innermost first, such as ``model.py:41 in step``.
    note
        What the program says that lets it give other outputs, such as ``deterministic=False``.
    """

    name: str
    type: str
    reads: tuple[int, ...] = ()
    gives: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    calls: tuple[str, ...] = ()
    stateful: bool = False
    outputs: tuple[str, ...] = ()
    device: str = ""
    place: tuple[str, ...] = ()
    note: str = ""


class Graph(msgspec.Struct, frozen=True, array_like=True):
    """One graph: its operations in the order in which they were made.

    Attributes
    ----------
    name
        Unique in the recording, and equal in every run of the same program.
    kind
        ``eager`` graphs have one operation, its arguments, and the values that Python gave it.
        The operations of a ``pipeline`` are its transformations. It has passes, and its frames
        come from a comparison of several runs' passes (:mod:`detcost.locating.elements`).
    arguments, returns
        The column of each argument and of each returned value. ``-1`` has no digest.
    compiled
        Whether XLA compiles it. Nothing inside it has a digest then.
    """

    name: str
    kind: GraphKind
    columns: int
    operations: tuple[Operation, ...]
    arguments: tuple[int, ...] = ()
    returns: tuple[int, ...] = ()
    compiled: bool = False


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One execution of a graph. ``call`` is 0 while the program is built, and 1 in its first step.

    ``digests`` has :data:`WIDTH` bytes for each column.
    """

    graph: int
    call: int
    digests: bytes

    def columns(self) -> Digests:
        """Return the digests, shape (columns,)."""
        return np.frombuffer(self.digests, np.uint64)


class Pass(msgspec.Struct, frozen=True, array_like=True):
    """The elements that one iterator of a data set gave, in order.

    How many of them a run digests differs from run to run, since transformations read ahead.

    Attributes
    ----------
    graph, operation
        The transformation, by index.
    call
        The call in which the pass began.
    arguments
        The digest of what the transformation was told, such as its seed or what its function
        captured.
    digests
        :data:`WIDTH` bytes for each element.
    ended
        Whether the data set had no more elements.
    """

    graph: int
    operation: int
    call: int
    arguments: int
    digests: bytes
    ended: bool

    def elements(self) -> Digests:
        """Return the digests, shape (elements,)."""
        return np.frombuffer(self.digests, np.uint64)


class Recording(msgspec.Struct, frozen=True):
    """What one process gave, call by call.

    Attributes
    ----------
    scenario, setting, device, size, dtype, seed
        The cell.
    conditions
        The name of the conditions around it, such as ``3`` for a pool of three threads.
    processor, versions
        The machine, as evidence has them, for a comparison with another machine.
    outputs
        The digest of the step's outputs, for each call from the first.
    unprobed
        What has no digests, and why, in a sentence each.
    """

    scenario: str
    setting: str
    device: str
    size: str
    dtype: str
    seed: int
    conditions: str
    outputs: tuple[str, ...]
    graphs: tuple[Graph, ...]
    frames: tuple[Frame, ...]
    processor: dict[str, str | None] = {}
    versions: dict[str, str | None] = {}
    unprobed: tuple[str, ...] = ()
    passes: tuple[Pass, ...] = ()
    schema: int = SCHEMA


def write(recording: Recording, path: Path) -> None:
    """Write a recording, as a whole or not at all."""
    packed = zlib.compress(msgspec.msgpack.encode(recording), level=1)
    with replacing(path) as file:
        file.write(_MAGIC + packed)


def check(path: Path) -> None:
    """Refuse a place that holds something else than a recording, before any work.

    Raises
    ------
    UsageError
        If it is a folder, or a file that no recording begins like.
    """
    if path.is_dir():
        raise UsageError(f"{path}: a folder; name a file, such as {path / f'mine{SUFFIX}'}")
    if not path.exists():
        return
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise UsageError(f"{path}: holds something else than a recording; name another file")


def read(path: Path) -> Recording:
    """Read a recording.

    Raises
    ------
    UsageError
        If the file is missing, is no recording, is of a newer schema, or contradicts itself.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    if not content.startswith(_MAGIC):
        raise UsageError(f"{path} is no recording; make one with detcost locate --record {path}")
    try:
        return _parsed(content[len(_MAGIC) :])
    except (msgspec.MsgspecError, zlib.error, ValueError) as error:
        raise UsageError(f"{path} is damaged: {error}; record it again") from None


def _parsed(packed: bytes) -> Recording:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, _LIMIT)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("its data is cut off, or larger than a recording can be")
    version = msgspec.msgpack.decode(data, type=_Version).schema
    if version != SCHEMA:
        raise ValueError(f"its schema is {version}, and this detcost reads {SCHEMA}")
    recording = msgspec.msgpack.decode(data, type=Recording)
    _check(recording)
    return recording


class _Version(msgspec.Struct):
    schema: int


def _check(recording: Recording) -> None:
    """Refuse what would make a later index fail, or take all memory."""
    _check_sizes(recording)
    for frame in recording.frames:
        if not 0 <= frame.graph < len(recording.graphs):
            raise ValueError(f"a frame names graph {frame.graph}, which is missing")
        graph = recording.graphs[frame.graph]
        if len(frame.digests) != WIDTH * graph.columns:
            raise ValueError(f"a frame of {graph.name} has {len(frame.digests)} bytes")
    for graph in recording.graphs:
        for operation in graph.operations:
            _check_indices(graph, operation)
    for each in recording.passes:
        if not 0 <= each.graph < len(recording.graphs):
            raise ValueError(f"a pass names graph {each.graph}, which is missing")
        graph = recording.graphs[each.graph]
        if not 0 <= each.operation < len(graph.operations) or len(each.digests) % WIDTH:
            raise ValueError(f"a pass over {graph.name} contradicts itself")


def _check_sizes(recording: Recording) -> None:
    if sum(max(graph.columns, 0) for graph in recording.graphs) > _MOST:
        raise ValueError("it has more columns than a program can have")
    calls = [frame.call for frame in recording.frames] + [one.call for one in recording.passes]
    if not all(0 <= call <= _MOST for call in calls):
        raise ValueError("it has a call with an impossible number")
    for graph in recording.graphs:
        if not all(-1 <= column < graph.columns for column in (*graph.arguments, *graph.returns)):
            raise ValueError(f"{graph.name} has an argument or a returned value outside of it")


def _check_indices(graph: Graph, operation: Operation) -> None:
    columns = (*operation.reads, *operation.gives)
    inside = all(0 <= column < graph.columns for column in columns)
    if not inside or not all(0 <= other < len(graph.operations) for other in operation.after):
        raise ValueError(f"{operation.name} of {graph.name} has an index outside its graph")
