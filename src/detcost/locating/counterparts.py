"""Operations of two runs whose graphs are not the same, matched one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from detcost.evidence.recording import Graph, Operation
from detcost.locating.executions import PSEUDO, RunGraphs

#: An operation of a recording: the index of its graph, and its own.
Ref = tuple[int, int]


def pairs_of(one: RunGraphs, other: RunGraphs) -> dict[Ref, Ref]:
    """Match the operations of graphs that are not the same in two runs, one by one."""
    pairs: dict[Ref, Ref] = {}
    for key, index in one.keys.items():
        if key in other.keys and not alike(one.graphs[index], other.graphs[other.keys[key]]):
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


def alike(one: Graph, other: Graph) -> bool:
    """Return whether two graphs of one name have the same operations and columns."""
    return one.columns == other.columns and [
        (each.type, each.name, each.reads, each.gives) for each in one.operations
    ] == [(each.type, each.name, each.reads, each.gives) for each in other.operations]


def _real(run: RunGraphs, indices: Iterable[int]) -> Iterator[tuple[Ref, Operation]]:
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


def leftovers(
    runs: Sequence[RunGraphs], pairs: Sequence[dict[Ref, Ref]], split: set[int]
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
