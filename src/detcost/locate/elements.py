"""Runs of a ``tf.data`` pipeline side by side, element by element.

A transformation reads ahead: how many elements it took when the run ended is another number in
each run. So two passes are compared as far as both go. A transformation that only passes on cannot
be blamed by this. Where its elements differ, it had read all that it made them of, in both runs,
and that differs as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from detcost.evidence.recording import Frame, Graph, Pass, Recording

T = TypeVar("T")
#: The passes over one transformation, in one run.
OfRun = Sequence[Pass]


def aligned(recordings: Sequence[Recording]) -> list[Recording]:
    """Give the pipelines of recordings their frames.

    A frame has one digest for each of its graph's columns: equal in two runs if what they gave
    is equal. In a pipeline whose transformations were all passed over equally often, each pass is
    a frame. Otherwise, as where ``repeat`` reads its input again, all passes are one frame.
    """
    names = dict.fromkeys(
        graph.name for each in recordings for graph in each.graphs if graph.kind == "pipeline"
    )
    frames: list[list[Frame]] = [[] for _ in recordings]
    for name in names:
        for run, frame in _frames(recordings, name):
            frames[run].append(frame)
    return [
        msgspec.structs.replace(each, frames=(*each.frames, *own))
        for each, own in zip(recordings, frames, strict=True)
    ]


def how(recordings: Sequence[Recording], graph: str, operation: str) -> str:
    """Return how the elements of a transformation differ, and from which element on.

    Empty if they do not differ.
    """
    runs = [_passes(each, graph, operation) for each in recordings]
    for run in runs[1:]:
        pairs = zip(runs[0], run, strict=False)
        if _is_inner(recordings, graph):
            pairs = zip(*_unmatched(runs[0], run), strict=False)
        for number, (one, other) in enumerate(pairs, start=1):
            if not _agree(one, other):
                where = f" of pass {number}" if len(run) > 1 else ""
                return _difference(one, other, where)
    return ""


def _difference(one: Pass, other: Pass, where: str) -> str:
    first, second = one.elements(), other.elements()
    common = min(len(first), len(second))
    differing = np.flatnonzero(first[:common] != second[:common])
    if not len(differing):
        return f"{len(first)} elements and {len(second)} elements{where}"
    begin = f"from element {differing[0] + 1}{where} on"
    if _same_elements(one, other):
        return f"the same elements in another order, {begin}"
    return f"other elements, {begin}"


def _same_elements(one: Pass, other: Pass) -> bool:
    """Return whether two passes differ in the order of their elements only, as far as it is known.

    Where one of them was not read to its end, each element of the shorter one has to be in the
    longer one, but for those that a few threads may have moved.
    """
    first, second = Counter(one.elements().tolist()), Counter(other.elements().tolist())
    if one.ended and other.ended:
        return first == second
    shorter = min(first.total(), second.total())
    return (first & second).total() > shorter / 2


def _frames(recordings: Sequence[Recording], name: str) -> Iterator[tuple[int, Frame]]:
    """Give the frames of one pipeline, with the index of each's recording."""
    found = [_find(each, name) for each in recordings]
    graph = next(graph for _, graph in found if graph)
    runs = [
        [_passes(each, name, operation.name) for operation in graph.operations]
        for each in recordings
    ]
    root = next((passes for run in runs for passes in reversed(run) if passes), ())
    counts = {
        len(passes)
        for run in runs
        for passes, operation in zip(run, graph.operations, strict=True)
        if operation.gives
    }
    if len(counts) == 1 and not _is_inner(recordings, name):
        frames = [
            (each.call, _columns([[passes[k : k + 1] for passes in run] for run in runs], k))
            for k, each in enumerate(root)
        ]
    else:
        frames = [(root[0].call, _columns(runs, 0))] if root else []
    for call, columns in frames:
        for run, ((index, own), digests) in enumerate(zip(found, columns, strict=True)):
            if own and own.columns == len(digests):
                yield run, Frame(index, call, np.array(digests, np.uint64).tobytes())


def _columns(runs: Sequence[Sequence[OfRun]], number: int) -> list[list[int]]:
    """Return the digests of each run's frame: of the elements, and then of the arguments."""
    rows = []
    for agree in (_all_agree, _arguments_agree):
        for passes in zip(*runs, strict=True):
            rows.append([(number << 32) + each for each in _classes(passes, agree)])
    return [list(column) for column in zip(*rows, strict=True)]


def _classes(values: Sequence[T], agree: Callable[[T, T], bool]) -> list[int]:
    """Give each value a number; those that agree have one number."""
    kinds: list[T] = []
    numbers = []
    for value in values:
        number = next((k for k, kind in enumerate(kinds) if agree(kind, value)), len(kinds))
        if number == len(kinds):
            kinds.append(value)
        numbers.append(number)
    return numbers


def _all_agree(one: OfRun, other: OfRun) -> bool:
    """Return whether the passes agree, in any order: iterators may run at once.

    Passes that only one run has count for nothing: they were read ahead.
    """
    left, right = _unmatched(one, other)
    return not left or not right


def _arguments_agree(one: OfRun, other: OfRun) -> bool:
    left, right = (Counter(each.arguments for each in passes) for passes in (one, other))
    return not left - right or not right - left


def _unmatched(one: OfRun, other: OfRun) -> tuple[list[Pass], list[Pass]]:
    """Return the passes of either run that agree with none of the other's."""
    waiting: dict[int | None, list[Pass]] = {}
    for each in one:
        waiting.setdefault(_first(each), []).append(each)
    right = []
    for each in other:
        alike = waiting.get(_first(each), [])
        match = next((k for k, mine in enumerate(alike) if _agree(mine, each)), None)
        if match is None:
            right.append(each)
        else:
            del alike[match]
    left = {id(each) for alike in waiting.values() for each in alike}
    return [each for each in one if id(each) in left], right


def _first(each: Pass) -> int | None:
    elements = each.elements()
    return int(elements[0]) if len(elements) else None


def _agree(one: Pass, other: Pass) -> bool:
    """Return whether two passes gave the same, as far as both go."""
    first, second = one.elements(), other.elements()
    common = min(len(first), len(second))
    if not np.array_equal(first[:common], second[:common]):
        return False
    shorter = one if len(first) < len(second) else other
    return len(first) == len(second) or not shorter.ended


def _is_inner(recordings: Sequence[Recording], name: str) -> bool:
    """Return whether a pipeline is made in a function of another one, and may run many times."""
    return any(
        name in operation.calls
        for each in recordings
        for graph in each.graphs
        if graph.kind == "pipeline"
        for operation in graph.operations
    )


def _find(recording: Recording, name: str) -> tuple[int, Graph | None]:
    for index, graph in enumerate(recording.graphs):
        if graph.name == name:
            return index, graph
    return -1, None


def _passes(recording: Recording, graph: str, operation: str) -> list[Pass]:
    index, found = _find(recording, graph)
    if found is None:
        return []
    number = next((k for k, each in enumerate(found.operations) if each.name == operation), -1)
    return [each for each in recording.passes if (each.graph, each.operation) == (index, number)]
