"""Recordings of one program side by side: which operation of one is which of another.

Graphs are matched by name. Where the operations of two graphs of one name are not the same, and
where eager code stands against a graph, each operation is matched on its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import msgspec
import numpy as np

from detcost.evidence.recording import Graph, Operation, Recording
from detcost.locating.counterparts import Ref, alike, leftovers, pairs_of
from detcost.locating.executions import Executions, GraphKey, Rows, RunGraphs, joined
from detcost.workers.contract import Execution


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


def matched(recordings: Sequence[Recording], calls: int) -> Matched:
    """Match the graphs and operations of recordings, over the calls that all of them have."""
    runs = [RunGraphs(recording, calls) for recording in recordings]
    program = Matched(len(runs))
    pairs = [pairs_of(runs[0], other) for other in runs[1:]]
    taken = [{ref[0] for ref in found.values()} for found in pairs]
    split = {graph for found in pairs for graph, _ in found}
    keys: dict[GraphKey, int] = dict.fromkeys(runs[0].keys, 0)
    for number, run in enumerate(runs[1:], start=1):
        for key, index in run.keys.items():
            if key not in keys and index not in taken[number - 1]:
                keys[key] = number
    for key, number in keys.items():
        graph = runs[number].graphs[runs[number].keys[key]]
        others = [run.graphs[run.keys[key]] for run in runs if key in run.keys]
        is_compiled = any(other.compiled for other in others)
        offset = _add(program, msgspec.structs.replace(graph, compiled=is_compiled))
        if number == 0 and runs[0].keys[key] in split:
            _add_parts(program, runs, pairs, runs[0].keys[key], offset)
        else:
            program.executions.append(_whole(program, runs, key, offset))
    _connect(program)
    executions = {each.conditions for each in recordings} & set(get_args(Execution))
    program.is_same = not split and not executions  # eager code is made of other operations
    program.unmatched += list(leftovers(runs, pairs, split))
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


def _whole(program: Matched, runs: Sequence[RunGraphs], key: GraphKey, offset: int) -> Executions:
    """Return the executions of a graph, in the runs in which it is the same or missing."""
    number = len(program.graphs) - 1
    graph = program.graphs[number]
    own = {n: run.keys[key] for n, run in enumerate(runs) if key in run.keys}
    unlike = {n for n, index in own.items() if not alike(graph, runs[n].graphs[index])}
    parts = [(n, runs[n].rows(index)) for n, index in own.items() if n not in unlike]
    return joined(
        tuple(program.inside(number)),
        np.arange(offset, offset + graph.columns),
        tuple(operation.reads for operation in graph.operations),
        tuple(operation.gives for operation in graph.operations),
        parts,
        graph,
        tuple(n for n in range(len(runs)) if n not in unlike),
        tuple(column for column in graph.arguments if column >= 0),
    )


def _add_parts(
    program: Matched,
    runs: Sequence[RunGraphs],
    pairs: Sequence[dict[Ref, Ref]],
    index: int,
    offset: int,
) -> None:
    """Add the executions of a graph operation by operation."""
    number = len(program.graphs) - 1
    graph = program.graphs[number]
    cache = [dict[int, Rows]() for _ in runs]
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
            joined(
                (program.first[number] + position,),
                np.array([*operation.reads, *operation.gives], np.int64) + offset,
                (tuple(range(reads)),),
                (tuple(range(reads, reads + gives)),),
                parts,
                graph,
                tuple(run for run, _ in refs),
            )
        )
