"""Runs of a ``tf.data`` pipeline side by side, element by element.

A transformation reads ahead: how many elements it took when the run ended is another number in
each run. So two passes are compared as far as both go. A transformation that only passes on cannot
be blamed by this. Where its elements differ, it had read all that it made them of, in both runs,
and that differs as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    runs = [SeenPipelines(each) for each in recordings]
    frames: list[list[Frame]] = [[] for _ in runs]
    for name in dict.fromkeys(name for run in runs for name in run.graphs):
        for number, frame in _frames(runs, name):
            frames[number].append(frame)
    return [
        msgspec.structs.replace(each, frames=(*each.frames, *own))
        for each, own in zip(recordings, frames, strict=True)
    ]


def how(recordings: Sequence[Recording], graph: str, operation: str) -> str:
    """Return how the elements of a transformation differ, and from which element on.

    Empty if they do not differ.
    """
    pipelines = [SeenPipelines(each) for each in recordings]
    is_inner = any(graph in each.inner for each in pipelines)
    first, *others = [each.passes[graph, operation] for each in pipelines]
    for other in others:
        pairs: Iterable[tuple[Pass, Pass]] = zip(first, other, strict=False)
        if is_inner:
            pairs = _told_the_same(*_unmatched(first, other))
        for number, (one, its) in enumerate(pairs, start=1):
            if not _agree(one, its):
                where = f" of pass {number}" if len(other) > 1 and not is_inner else ""
                return _difference(one, its, where)
    return ""


class SeenPipelines:
    """The pipelines of one run.

    Attributes
    ----------
    graphs
        By name, with the graph's index.
    passes
        By the names of the graph and of the operation.
    inner
        The names of the pipelines that are made in functions of other ones. They may run many
        times at once.
    """

    def __init__(self, recording: Recording):
        self.graphs: dict[str, tuple[int, Graph]] = {
            graph.name: (index, graph)
            for index, graph in enumerate(recording.graphs)
            if graph.kind == "pipeline"
        }
        self.inner = {
            called
            for _, graph in self.graphs.values()
            for operation in graph.operations
            for called in operation.calls
            if called in self.graphs
        }
        self.passes: dict[tuple[str, str], list[Pass]] = defaultdict(list)
        for each in recording.passes:
            graph = recording.graphs[each.graph]
            self.passes[graph.name, graph.operations[each.operation].name].append(each)


def _told_the_same(one: OfRun, other: OfRun) -> Iterator[tuple[Pass, Pass]]:
    """Give the pairs of passes with equal arguments."""
    waiting = list(other)
    for each in one:
        match = next((k for k, its in enumerate(waiting) if its.arguments == each.arguments), None)
        if match is not None:
            yield each, waiting.pop(match)


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


def _frames(runs: Sequence[SeenPipelines], name: str) -> Iterator[tuple[int, Frame]]:
    """Give the frames of one pipeline, with the number of each's run."""
    operations = next(run.graphs[name][1].operations for run in runs if name in run.graphs)
    seen = [[run.passes[name, operation.name] for operation in operations] for run in runs]
    tapped = [index for index, operation in enumerate(operations) if operation.gives]
    counts = {len(passes[index]) for passes in seen for index in tapped}
    root = [passes[index] for passes in seen for index in reversed(tapped) if passes[index]]
    is_inner = any(name in run.inner for run in runs)
    if len(counts) == 1 and not is_inner:
        frames = [
            (each.call, _columns([[passes[k : k + 1] for passes in run] for run in seen], k, True))
            for k, each in enumerate(root[0] if root else ())
        ]
    else:
        frames = [(root[0][0].call, _columns(seen, 0, not is_inner))] if root else []
    for call, columns in frames:
        for number, (run, digests) in enumerate(zip(runs, columns, strict=True)):
            index, graph = run.graphs.get(name, (0, None))
            if graph and graph.columns == len(digests):
                yield number, Frame(index, call, np.array(digests, np.uint64).tobytes())


def _columns(runs: Sequence[Sequence[OfRun]], number: int, is_ordered: bool) -> list[list[int]]:
    """Return the digests of each run's frame: of the elements, and then of the arguments."""
    rows = []
    for agree in (_each_agrees if is_ordered else _all_agree, _arguments_agree):
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


def _each_agrees(one: OfRun, other: OfRun) -> bool:
    """Return whether passes agree in their order. A last one may have been read ahead."""
    return all(_agree(*pair) for pair in zip(one, other, strict=False))


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
