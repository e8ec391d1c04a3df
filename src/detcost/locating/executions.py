"""The frames of graphs in all runs, as arrays."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcost.evidence.recording import Digests, Graph, Recording

#: What is no operation: a value from the graph's caller, from Python, read by it, or returned.
ARGUMENT, PYTHON, READ, OUTPUT = "Argument", "Python", "Read", "Output"
PSEUDO = (ARGUMENT, PYTHON, READ, OUTPUT)
#: Kinds of graphs. Within one kind, frames are in the order in which they ended.
_KINDS = ("function", "eager", "pipeline")

Integers = npt.NDArray[np.int64]
#: A graph's name, and how many graphs of this name precede it.
GraphKey = tuple[str, int]
#: The digests, the calls and the times of frames.
Rows = tuple[Digests, Integers, Integers]


@dataclass(frozen=True)
class Executions:
    """The frames of one graph, or the parts of frames about one operation, of all runs.

    Attributes
    ----------
    operations, columns
        Their numbers in the program, shape (operations,) and (columns,).
    reads, gives
        Of each operation, as indices into ``columns``.
    digests
        Shape (frames, columns). Frames are sorted by run, call and time.
    run, call, time, iteration
        Of each frame, shape (frames,). Iterations count a call's frames from 1.
    kind
        The kind of the graph, as an index: a clock of its own.
    arguments
        Of the graph, as indices into ``columns``: they tell one execution from another.
    runs
        The runs that can be compared.
    """

    operations: tuple[int, ...]
    columns: Integers
    reads: tuple[tuple[int, ...], ...]
    gives: tuple[tuple[int, ...], ...]
    digests: Digests
    run: Integers
    call: Integers
    time: Integers
    iteration: Integers
    kind: int
    runs: tuple[int, ...]
    arguments: tuple[int, ...] = ()

    @property
    def is_ordered(self) -> bool:
        """Whether frames come in the program's own order, and not in that of threads."""
        return _KINDS[self.kind] != "function"


class RunGraphs:
    """The graphs of one recording by key, and their frames."""

    def __init__(self, recording: Recording, calls: int):
        counts: Counter[str] = Counter()
        self.keys: dict[GraphKey, int] = {}
        self.graphs = recording.graphs
        for index, graph in enumerate(recording.graphs):
            self.keys[graph.name, counts[graph.name]] = index
            counts[graph.name] += 1
        self._frames: dict[int, list[int]] = defaultdict(list)
        for time, frame in enumerate(recording.frames):
            if frame.call <= calls:
                self._frames[frame.graph].append(time)
        self._recording = recording

    def rows(self, index: int) -> Rows:
        """Return the digests, the calls and the times of the frames of a graph."""
        columns = self.graphs[index].columns
        times = np.array(self._frames[index], np.int64)
        frames = [self._recording.frames[time] for time in self._frames[index]]
        data = np.frombuffer(b"".join(frame.digests for frame in frames), np.uint64)
        calls = np.array([frame.call for frame in frames], np.int64)
        order = np.argsort(calls, kind="stable")
        return data.reshape(len(frames), columns)[order], calls[order], times[order]


def joined(
    operations: tuple[int, ...],
    columns: Integers,
    reads: tuple[tuple[int, ...], ...],
    gives: tuple[tuple[int, ...], ...],
    parts: Sequence[tuple[int, Rows]],
    graph: Graph,
    runs: tuple[int, ...],
    arguments: tuple[int, ...] = (),
) -> Executions:
    """Return executions of some operations of a graph, given the rows of each run."""
    run = np.concatenate([np.full(len(call), number) for number, (_, call, _) in parts])
    call = np.concatenate([call for _, (_, call, _) in parts])
    return Executions(
        operations,
        columns,
        reads,
        gives,
        np.concatenate([digests for _, (digests, _, _) in parts]),
        run,
        call,
        np.concatenate([time for _, (_, _, time) in parts]),
        _iterations(run, call),
        _KINDS.index(graph.kind),
        runs,
        arguments,
    )


def _iterations(run: Integers, call: Integers) -> Integers:
    """Return the number of each frame in its call, from 1. Frames are sorted by run and call."""
    if not len(run):
        return run
    begins = np.flatnonzero(np.r_[True, (np.diff(run) != 0) | (np.diff(call) != 0)])
    lengths = np.diff(np.r_[begins, len(run)])
    numbers: Integers = np.arange(len(run)) - np.repeat(begins, lengths) + 1
    return numbers
