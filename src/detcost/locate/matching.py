"""Recordings of one program side by side: which operation of one is which of another.

Graphs are matched by name. Where the operations of two graphs of one name are not the same, and
where eager code stands against a graph, each operation is matched on its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from detcost.evidence.recording import Digests, Graph, Operation, Recording
from detcost.locate import elements

#: What is no operation: a value from the graph's caller, from Python, or returned by the step.
ARGUMENT, PYTHON, OUTPUT = "Argument", "Python", "Output"
PSEUDO = (ARGUMENT, PYTHON, OUTPUT)
#: Kinds of graphs. Within one kind, frames are in the order in which they ended.
_KINDS = ("function", "eager", "pipeline")

Integers = npt.NDArray[np.int64]
#: A graph's name, and how many graphs of this name precede it.
GraphKey = tuple[str, int]
#: An operation of a recording: the index of its graph, and its own.
Ref = tuple[int, int]


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


@dataclass
class Matched:
    """One program, with the executions of all its runs.

    Operations, columns and graphs have numbers. ``reads``, ``gives`` and ``after`` are those of
    :class:`~detcost.evidence.recording.Operation` by these numbers, as are ``calls``.
    """

    runs: int
    graphs: list[Graph] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    graph_of: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    reads: list[tuple[int, ...]] = field(default_factory=list)
    gives: list[tuple[int, ...]] = field(default_factory=list)
    after: list[tuple[int, ...]] = field(default_factory=list)
    calls: list[tuple[int, ...]] = field(default_factory=list)
    arguments: list[tuple[int, ...]] = field(default_factory=list)
    returns: list[frozenset[int]] = field(default_factory=list)
    callers: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    columns: int = 0
    executions: list[Executions] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    is_same: bool = True

    def inside(self, graph: int) -> range:
        """Return the operations of a graph."""
        return range(self.first[graph], self.first[graph] + len(self.graphs[graph].operations))

    def called_by(self, operation: int) -> set[int]:
        """Return the graphs that an operation runs, and those that they run."""
        found: set[int] = set()
        waiting = list(self.calls[operation])
        while waiting:
            graph = waiting.pop()
            if graph not in found:
                found.add(graph)
                waiting += [g for inner in self.inside(graph) for g in self.calls[inner]]
        return found


class _Run:
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

    def rows(self, index: int) -> tuple[Digests, Integers, Integers]:
        """Return the digests, the calls and the times of the frames of a graph."""
        columns = self.graphs[index].columns
        times = np.array(self._frames[index], np.int64)
        frames = [self._recording.frames[time] for time in self._frames[index]]
        data = np.frombuffer(b"".join(frame.digests for frame in frames), np.uint64)
        calls = np.array([frame.call for frame in frames], np.int64)
        order = np.argsort(calls, kind="stable")
        return data.reshape(len(frames), columns)[order], calls[order], times[order]


def matched(recordings: Sequence[Recording], calls: int) -> Matched:
    """Match the graphs and operations of recordings, over the calls that all of them have."""
    runs = [_Run(recording, calls) for recording in elements.aligned(recordings)]
    program = Matched(len(runs))
    pairs = [_pairs(runs[0], other) for other in runs[1:]]
    taken = [{ref[0] for ref in found.values()} for found in pairs]
    split = {graph for found in pairs for graph, _ in found}
    keys: dict[GraphKey, int] = dict.fromkeys(runs[0].keys, 0)
    for number, run in enumerate(runs[1:], start=1):
        for key, index in run.keys.items():
            if key not in keys and index not in taken[number - 1]:
                keys[key] = number
    for key, number in keys.items():
        graph = runs[number].graphs[runs[number].keys[key]]
        offset = _add(program, graph)
        if number == 0 and runs[0].keys[key] in split:
            _add_parts(program, runs, pairs, runs[0].keys[key], offset)
        else:
            program.executions.append(_whole(program, runs, key, offset))
    _connect(program)
    program.is_same = not split
    program.unmatched += list(_leftovers(runs, pairs, split))
    return program


def _add(program: Matched, graph: Graph) -> int:
    """Add a graph, and return the number of its first column."""
    offset, first = program.columns, len(program.operations)
    program.columns += graph.columns
    program.graphs.append(graph)
    program.first.append(first)
    program.arguments.append(tuple(c + offset if c >= 0 else -1 for c in graph.arguments))
    program.returns.append(frozenset(c + offset for c in graph.returns if c >= 0))
    for operation in graph.operations:
        program.operations.append(operation)
        program.graph_of.append(len(program.graphs) - 1)
        program.reads.append(tuple(column + offset for column in operation.reads))
        program.gives.append(tuple(column + offset for column in operation.gives))
        program.after.append(tuple(other + first for other in operation.after))
    return offset


def _connect(program: Matched) -> None:
    """Find the graphs that operations run. Graphs of one name are all run."""
    named: dict[str, list[int]] = defaultdict(list)
    for number, graph in enumerate(program.graphs):
        named[graph.name].append(number)
    for operation, described in enumerate(program.operations):
        own = program.graph_of[operation]
        called = tuple(g for name in described.calls for g in named.get(name, ()) if g != own)
        program.calls.append(called)
        for inner in called:
            program.callers[inner].append(operation)


def _whole(program: Matched, runs: Sequence[_Run], key: GraphKey, offset: int) -> Executions:
    """Return the executions of a graph that is the same in all runs, or missing in some."""
    number = len(program.graphs) - 1
    graph = program.graphs[number]
    parts = [(n, run.rows(run.keys[key])) for n, run in enumerate(runs) if key in run.keys]
    return _executions(
        tuple(program.inside(number)),
        np.arange(offset, offset + graph.columns),
        tuple(operation.reads for operation in graph.operations),
        tuple(operation.gives for operation in graph.operations),
        parts,
        graph,
        tuple(range(len(runs))),
        tuple(column for column in graph.arguments if column >= 0),
    )


def _add_parts(
    program: Matched, runs: Sequence[_Run], pairs: Sequence[dict[Ref, Ref]], index: int, offset: int
) -> None:
    """Add the executions of a graph operation by operation."""
    number = len(program.graphs) - 1
    graph = program.graphs[number]
    cache = [dict[int, tuple[Digests, Integers, Integers]]() for _ in runs]
    for position, operation in enumerate(graph.operations):
        refs = [(0, (index, position))]
        refs += [
            (run, found[index, position])
            for run, found in enumerate(pairs, start=1)
            if (index, position) in found
        ]
        if len(refs) < 2:
            continue
        parts = []
        for run, (other, place) in refs:
            if other not in cache[run]:
                cache[run][other] = runs[run].rows(other)
            digests, call, time = cache[run][other]
            theirs = runs[run].graphs[other].operations[place]
            parts.append((run, (digests[:, [*theirs.reads, *theirs.gives]], call, time)))
        reads, gives = len(operation.reads), len(operation.gives)
        program.executions.append(
            _executions(
                (program.first[number] + position,),
                np.array([*operation.reads, *operation.gives], np.int64) + offset,
                (tuple(range(reads)),),
                (tuple(range(reads, reads + gives)),),
                parts,
                graph,
                tuple(run for run, _ in refs),
            )
        )


def _executions(
    operations: tuple[int, ...],
    columns: Integers,
    reads: tuple[tuple[int, ...], ...],
    gives: tuple[tuple[int, ...], ...],
    parts: Sequence[tuple[int, tuple[Digests, Integers, Integers]]],
    graph: Graph,
    runs: tuple[int, ...],
    arguments: tuple[int, ...] = (),
) -> Executions:
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


def _pairs(one: _Run, other: _Run) -> dict[Ref, Ref]:
    """Match the operations of graphs that are not the same in two runs, one by one."""
    pairs: dict[Ref, Ref] = {}
    for key, index in one.keys.items():
        if key in other.keys and not _alike(one.graphs[index], other.graphs[other.keys[key]]):
            left = list(_real(one, [index]))
            right = list(_real(other, [other.keys[key]]))
            pairs |= _paired(left, right, (_by_name, _by_place))
    missing = [index for key, index in one.keys.items() if key not in other.keys]
    extra = [index for key, index in other.keys.items() if key not in one.keys]
    for kind in ("function", "eager"):  # lines of eager code have names that say all
        left = list(_real(one, (i for i in missing if one.graphs[i].kind == kind)))
        right = list(_real(other, (i for i in extra if {kind, other.graphs[i].kind} != {"eager"})))
        used = set(pairs.values())
        pairs |= _paired(left, [each for each in right if each[0] not in used], (_by_place,))
    return pairs


def _alike(one: Graph, other: Graph) -> bool:
    return one.columns == other.columns and [
        (each.type, each.name, each.reads, each.gives) for each in one.operations
    ] == [(each.type, each.name, each.reads, each.gives) for each in other.operations]


def _real(run: _Run, indices: Iterable[int]) -> Iterator[tuple[Ref, Operation]]:
    """Give the operations of graphs that are more than a value from elsewhere."""
    for index in indices:
        for position, operation in enumerate(run.graphs[index].operations):
            if operation.type not in PSEUDO:
                yield (index, position), operation


def _by_name(operation: Operation) -> Hashable:
    return operation.type, operation.name


def _by_place(operation: Operation) -> Hashable:
    return operation.place[:1] and (operation.type, operation.place[0])


def _paired(
    left: Sequence[tuple[Ref, Operation]],
    right: Sequence[tuple[Ref, Operation]],
    keys: Sequence[Callable[[Operation], Hashable]],
) -> dict[Ref, Ref]:
    """Pair operations of equal keys, in their order, with the first key that pairs them."""
    pairs: dict[Ref, Ref] = {}
    for key in keys:
        waiting: dict[Hashable, list[tuple[Ref, Operation]]] = defaultdict(list)
        used = set(pairs.values())
        for each in reversed(right):
            if each[0] not in used:
                waiting[key(each[1])].append(each)
        for ref, operation in left:
            known = key(operation)
            if ref not in pairs and known and waiting[known]:
                other, theirs = waiting[known].pop()
                if _is_comparable(operation, theirs):
                    pairs[ref] = other
    return pairs


def _is_comparable(one: Operation, other: Operation) -> bool:
    return len(one.reads) == len(other.reads) and len(one.gives) == len(other.gives)


def _leftovers(
    runs: Sequence[_Run], pairs: Sequence[dict[Ref, Ref]], split: set[int]
) -> Iterator[str]:
    """Say which operations of split graphs have no counterpart."""
    for index in sorted(split):
        graph = runs[0].graphs[index]
        for number, found in enumerate(pairs, start=2):
            alone = [op for ref, op in _real(runs[0], [index]) if ref not in found]
            if alone and any(ref[0] == index for ref in found):
                example = f"{alone[0].type} {alone[0].name}"
                yield (
                    f"{len(alone)} of the operations of {graph.name} have no counterpart in run "
                    f"{number}, such as {example}"
                )
