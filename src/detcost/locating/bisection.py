"""Bisection by sets of outputs, for divergences that vanish when everything is watched.

Few watched outputs disturb less. The first set has only what functions return. What differs there
has suspects: the unwatched operations that it depends on. The next set has it and the later half of
them, and so on, until an operation differs all of whose inputs are watched and equal.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from detcost.evidence.recording import Graph, Recording
from detcost.locating import origins
from detcost.locating.origins import Origins
from detcost.locating.runs import Runs, Seen
from detcost.locating.schema import Culprit
from detcost.workers.contract import Watched

#: Runs that a set gets before it is given up.
_RUNS = 8

Named = tuple[str, str]


def search(runs: Runs, full: Seen, calls: int, end: float) -> tuple[Origins, Seen]:
    """Return the origins, and the runs of the last set in which outputs differed.

    An operation with unwatched inputs is no origin. If the time ends, or a larger set hides the
    difference, it is said to be undecided.

    Parameters
    ----------
    runs
        Makes the runs.
    full
        Runs in which everything was watched. They say what operations there are.
    calls
        The calls of each run.
    end
        When to stop, on :func:`time.monotonic`'s clock.
    """
    graphs = {graph.name: graph for graph in full.recordings[0].graphs}
    watched = frozenset(_returned(full.recordings[0]))
    best = Origins(), full
    while time.monotonic() < end:
        seen = _watch(runs, watched, calls, end)
        if not seen.rate.divergent:
            break
        found = origins.find(seen.recordings)
        if not found.culprits:
            reason = f"the step's outputs differ, and none of {len(watched)} watched ones does"
            return Origins(unmatched=(reason,)), seen
        suspects = {each: _suspects(graphs, each, watched) for each in found.culprits}
        best = _decided(found, suspects), seen
        waiting = next((each for each, those in suspects.items() if those), None)
        if waiting is None:
            break
        half = suspects[waiting][len(suspects[waiting]) // 2 :]
        watched = frozenset(
            {(waiting.graph, waiting.name), *half, *_pipelines(graphs, half, watched)}
        )
    return best


def _decided(found: Origins, suspects: dict[Culprit, list[Named]]) -> Origins:
    """Keep the culprits that have no suspects before them."""
    undecided = [
        f"{culprit.type} at {(*culprit.place, culprit.name)[0]} differs, or one of the "
        f"{len(those)} operations before it; watching more of them was not possible"
        for culprit, those in suspects.items()
        if those
    ]
    return Origins(
        tuple(culprit for culprit, those in suspects.items() if not those),
        (*found.unmatched, *undecided),
    )


def _watch(runs: Runs, watched: frozenset[Named], calls: int, end: float) -> Seen:
    seen = Seen(runs.scope)
    for number in range(_RUNS):
        runs.probed(seen, calls, Watched(watched))
        if number and (seen.rate.divergent or time.monotonic() > end):
            break
    return seen


def _returned(recorded: Recording) -> list[Named]:
    """Return the operations whose outputs functions return."""
    return [
        (graph.name, operation.name)
        for graph in recorded.graphs
        if graph.kind == "function"
        for operation in graph.operations
        if set(operation.gives) & set(graph.returns)
    ]


def _pipelines(
    graphs: dict[str, Graph], half: Sequence[Named], watched: frozenset[Named]
) -> Iterator[Named]:
    """Yield every transformation, if one is watched. The probe taps all of them or none."""
    kinds = {graphs[graph].kind for graph, _ in (*half, *watched) if graph in graphs}
    if "pipeline" in kinds:
        for graph in graphs.values():
            if graph.kind == "pipeline":
                yield from _transformations(graph)


def _transformations(graph: Graph) -> Iterator[Named]:
    return ((graph.name, operation.name) for operation in graph.operations if operation.gives)


def _suspects(graphs: dict[str, Graph], culprit: Culprit, watched: frozenset[Named]) -> list[Named]:
    """Return the unwatched operations that a culprit may depend on, in their order.

    An operation that takes elements depends on the transformations of the pipelines it may take
    them from.
    """
    graph = graphs.get(culprit.graph)
    if graph is None:
        return []
    numbers = {operation.name: number for number, operation in enumerate(graph.operations)}
    makers = {column: n for n, each in enumerate(graph.operations) for column in each.gives}
    reached: set[int] = set()
    elements: dict[Named, None] = {}
    waiting = [numbers[culprit.name]] if culprit.name in numbers else []
    while waiting:
        operation = graph.operations[waiting.pop()]
        for called in operation.calls:
            if called in graphs and graphs[called].kind == "pipeline":
                elements |= dict.fromkeys(_transformations(graphs[called]))
        needed = {makers[column] for column in operation.reads if column in makers}
        for number in (needed | set(operation.after)) - reached:
            if (graph.name, graph.operations[number].name) not in watched:
                reached.add(number)
                waiting.append(number)
    before = [(graph.name, graph.operations[number].name) for number in sorted(reached)]
    return [*(each for each in elements if each not in watched), *before]
