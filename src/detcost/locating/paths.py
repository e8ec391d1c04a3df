"""The way of a difference from its origin to the step's outputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from detcost.evidence.recording import Recording
from detcost.locating.dataflow import Dataflow
from detcost.locating.deviations import keys
from detcost.locating.executions import PSEUDO
from detcost.locating.schema import Hop

#: Of a longer path, the middle is left out.
LONGEST = 12


@dataclass(frozen=True)
class Spread:
    """Where a difference goes: each operation reached, and from which it is reached first."""

    origin: int
    parents: dict[int, int]

    @classmethod
    def of(cls, flow: Dataflow, origin: int) -> Spread:
        """Follow a difference from its origin, nearest first."""
        parents = {origin: -1}
        waiting = deque([origin])
        while waiting:
            node = waiting.popleft()
            for other in flow.after(node):
                if other not in parents:
                    parents[other] = node
                    waiting.append(other)
        return cls(origin, parents)

    def reaches(self, nodes: set[int]) -> bool:
        """Return whether one of some operations is reached, or is the origin."""
        return not nodes.isdisjoint(self.parents)

    def path(self, flow: Dataflow, ends: Sequence[int]) -> tuple[Hop, ...]:
        """Return the shortest way to the last of some operations, with the origin."""
        end = next((each for each in reversed(ends) if each in self.parents), None)
        if end is None:
            return ()
        nodes = []
        while end >= 0:
            nodes.append(end)
            end = self.parents[end]
        program = flow.program
        hops = tuple(
            _hop(flow, node)
            for node in reversed(nodes)
            if node == self.origin
            or (node < len(program.operations) and program.operations[node].type not in PSEUDO)
        )
        return hops if len(hops) <= LONGEST else (*hops[: LONGEST // 2], *hops[-LONGEST // 2 :])

    def consequences(self, flow: Dataflow, culprits: set[int]) -> int:
        """Count the operations that differ because of the origin."""
        program = flow.program
        return sum(
            1
            for node in self.parents
            if node < len(program.operations)
            and node not in culprits
            and program.operations[node].type not in PSEUDO
            and flow.differs[:, list(program.gives[node])].any()
        )


def ends(flow: Dataflow, recordings: Sequence[Recording]) -> list[int]:
    """Return the operations that gave the outputs that differ, or may have, in order of time.

    Where recordings do not tell what the step returned, it is whatever Python could see and
    differed, in no call in which the outputs were equal.
    """
    known = [each for each in flow.outputs() if flow.differing_columns(flow.program.reads[each])]
    if known:
        return known
    visible = [
        each
        for each, described in enumerate(flow.program.operations)
        if described.type not in PSEUDO
        and flow.changes(each)
        and flow.is_visible(each)
        and not _differs_without_outputs(flow, recordings, each)
    ]
    return sorted(visible, key=lambda each: _last(flow, each))


def _differs_without_outputs(
    flow: Dataflow, recordings: Sequence[Recording], operation: int
) -> bool:
    """Return whether an operation differed in a call in which the outputs were equal."""
    executions = flow.executions(operation)
    if executions is None:
        return False
    place = executions.operations.index(operation)
    key = keys(executions.digests, [executions.gives[place]])[:, 0]
    for run, recording in enumerate(recordings):
        both = zip(recordings[0].outputs, recording.outputs, strict=False)
        for call, (one, other) in enumerate(both, start=1):
            in_call = executions.call == call
            ours, theirs = (sorted(key[in_call & (executions.run == n)]) for n in (0, run))
            if one == other and ours != theirs:
                return True
    return False


def _last(flow: Dataflow, operation: int) -> int:
    executions = flow.executions(operation)
    return -1 if executions is None else int(executions.time.max(initial=-1))


def _hop(flow: Dataflow, operation: int) -> Hop:
    described = flow.program.operations[operation]
    graph = flow.program.graphs[flow.program.graph_of[operation]]
    return Hop(described.type, described.name, graph.name, next(iter(described.place), ""))
