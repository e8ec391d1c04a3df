"""Who is to blame: of all operations that conflict, those that nothing else explains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from detcost.evidence.recording import Recording
from detcost.locating.conflicts import Conflict, conflicts, is_closed
from detcost.locating.dataflow import Dataflow
from detcost.locating.deviations import Moment, deviation
from detcost.locating.entries import (
    decided_lines,
    is_consequence,
    other_counts,
    outside_values,
    python_values,
)
from detcost.locating.executions import PYTHON, Executions
from detcost.locating.paths import Spread, ends

#: They run Python code, which may remember anything that it has seen.
_REMEMBERS = ("PyFunc", "EagerPyFunc")


@dataclass
class Suspects:
    """What conflicts in one program.

    Attributes
    ----------
    strong
        The operations that conflict and that nothing explains, and the values from Python.
    weak
        Those that something else may explain: what differs in a graph that they run, or what they
        depend on without a digest.
    undecided
        Values that Python may have computed from what it read, which differed.
    decided
        Lines that ran more often in one run, perhaps because of what Python had read.
    """

    flow: Dataflow
    strong: list[Conflict] = field(default_factory=list)
    weak: list[Conflict] = field(default_factory=list)
    undecided: list[Conflict] = field(default_factory=list)
    decided: list[Conflict] = field(default_factory=list)

    @cached_property
    def presence(self) -> Dataflow:
        """How a difference can spread, if what ran in one run only differs."""
        return Dataflow(self.flow.program, presence=True)

    def ends(self, recordings: Sequence[Recording]) -> list[int]:
        """Return the operations that gave the outputs that differ, or may have."""
        return ends(self.flow, recordings) or ends(self.presence, recordings)

    @classmethod
    def of(cls, flow: Dataflow) -> Suspects:
        """Find them."""
        differs = np.logical_or.reduce(flow.differs)
        found = [
            each
            for executions in flow.program.executions
            for each in conflicts(flow.program, executions, differs)
        ]
        calling = [each for each in found if _runs_graphs(flow, each.operation)]
        plain = [each for each in found if not _runs_graphs(flow, each.operation)]
        suspects = cls(flow)
        for each in plain:
            suspects._sort(each, _is_unexplained(flow, each))
        candidates = {each.operation for each in suspects.strong}
        candidates |= {each.operation for each in calling if _is_unexplained(flow, each)}
        for each in calling:
            is_enclosing = _is_enclosing(flow, each, candidates)
            suspects._sort(each, each.operation in candidates and not is_enclosing)
        for value in python_values(flow):
            if is_consequence(flow, value):
                suspects.undecided.append(value)
            else:
                suspects.strong.append(value)
        suspects.decided += [each for each in decided_lines(flow) if is_consequence(flow, each)]
        flow.from_python = list(suspects._made_by_python())
        return suspects

    def _made_by_python(self) -> Iterator[int]:
        """Give where a difference goes that Python read: to values, and to what lines gave."""
        yield from (each.operation for each in self.undecided)
        for each in self.decided:
            yield from self.flow.handed_on(each.operation, self.flow.program.gives[each.operation])

    def _sort(self, conflict: Conflict, is_strong: bool) -> None:
        (self.strong if is_strong else self.weak).append(conflict)


def named(
    suspects: Suspects, recordings: Sequence[Recording], calls: int
) -> list[tuple[Conflict, Spread]]:
    """Return the conflicts that explain the outputs, the earliest first, and where they lead.

    What never reaches the outputs is named only if nothing reaches them. What reaches them only
    if Python looked at it and computed on, is named only if nothing else explains the outputs.
    """
    flow = suspects.flow
    outputs = set(suspects.ends(recordings))
    firsts = [first_difference(recordings[0], each, calls) for each in recordings]
    by_python = flow.from_python
    for flow.from_python in ([], by_python):
        found = [(each, Spread.of(flow, each.operation)) for each in suspects.strong]
        reaching = [each for each in found if each[1].reaches(outputs)]
        unexplained = [
            run
            for run, first in enumerate(firsts)
            if first and not any(_explains(each, run, first) for each, _ in reaching)
        ]
        if not unexplained:
            break
    for run in unexplained:
        reaching += _next_best(suspects, run, outputs, reaching)
    chosen = reaching or found
    unique = list({each[0].operation: each for each in chosen}.values())
    return sorted(unique, key=lambda each: _place_in_order(each, unique))


def first_difference(one: Recording, other: Recording, calls: int) -> int:
    """Return the first call, from 1, whose outputs differ between runs. 0 if none does."""
    pairs = enumerate(zip(one.outputs[:calls], other.outputs[:calls], strict=True), start=1)
    return next((call for call, (a, b) in pairs if a != b), 0)


def _explains(conflict: Conflict, run: int, call: int) -> bool:
    if run not in conflict.moments:
        return False
    return conflict.since.get(run, conflict.moments[run][1].call) <= call


def _next_best(
    suspects: Suspects, run: int, outputs: set[int], known: list[tuple[Conflict, Spread]]
) -> list[tuple[Conflict, Spread]]:
    """Return what explains a run's outputs if nothing certain does."""
    taken = {each.operation for each, _ in known}
    for choose, flow in (
        *((choose, suspects.flow) for choose in (_earliest_weak, _undecided, outside_values_of)),
        (other_counts_of, suspects.presence),
    ):
        for group in choose(suspects, run):
            found = [(each, Spread.of(flow, each.operation)) for each in group]
            reaching = [each for each in found if each[1].reaches(outputs)]
            if reaching:
                return [each for each in reaching if each[0].operation not in taken]
    return []


def _earliest_weak(suspects: Suspects, run: int) -> Iterator[list[Conflict]]:
    able = [each for each in suspects.weak if run in each.moments]
    for each in sorted(able, key=lambda one: _order(one, run)):
        yield [each]


def _undecided(suspects: Suspects, run: int) -> Iterator[list[Conflict]]:
    yield [each for each in suspects.undecided if run in each.moments]


def outside_values_of(suspects: Suspects, run: int) -> Iterator[list[Conflict]]:
    """Give the values that come from where nothing was watched."""
    yield outside_values(suspects.flow, run)


def other_counts_of(suspects: Suspects, run: int) -> Iterator[list[Conflict]]:
    """Give what ran more often in one run."""
    yield other_counts(suspects.flow, run)


def _order(conflict: Conflict, run: int) -> tuple[int, int, int, int]:
    when = conflict.moments[run][1]
    return when.call, when.kind, when.end, conflict.operation


def _place_in_order(
    item: tuple[Conflict, Spread], all_named: Sequence[tuple[Conflict, Spread]]
) -> tuple[int, int, int, int, int]:
    """Sort by who reaches whom, and then by time."""
    conflict, _ = item
    reached_by = sum(
        conflict.operation in spread.parents
        for other, spread in all_named
        if other.operation != conflict.operation
    )
    first = min((_order(conflict, run) for run in conflict.moments), default=(0, 0, 0, 0))
    return reached_by, *first


def _runs_graphs(flow: Dataflow, operation: int) -> bool:
    return bool(flow.calls(operation))


def _is_enclosing(flow: Dataflow, conflict: Conflict, candidates: set[int]) -> bool:
    """Return whether something in the graphs that an operation runs explains its conflict."""
    inside = flow.calls(conflict.operation)
    if any(flow.program.graph_of[each] in inside for each in candidates - {conflict.operation}):
        return True
    if flow.kind(conflict.operation) == "pipeline":  # elements in another order differ inside too
        return False
    return any(_differs_inside(flow, each, run) for each in inside for run in conflict.moments)


def _differs_inside(flow: Dataflow, graph: int, run: int) -> bool:
    for operation in flow.program.inside(graph):
        columns = flow.program.gives[operation]
        is_made_here = flow.program.operations[operation].type != PYTHON
        if is_made_here and columns and flow.differs[run, list(columns)].any():
            return True
    return False


def _is_unexplained(flow: Dataflow, conflict: Conflict) -> bool:
    """Return whether, in one run at least, all that an operation depends on was equal."""
    if is_closed(flow.program, conflict.operation):
        return True
    return any(
        not _has_other_past(flow, conflict, run)
        and not any(
            _precedes(flow, conflict, other, columns, run)
            for other, columns in flow.unseen_inputs(conflict.operation).items()
        )
        for run in conflict.moments
    )


def _has_other_past(flow: Dataflow, conflict: Conflict, run: int) -> bool:
    """Return whether an operation with state ran more often before, or on other values."""
    executions = flow.executions(conflict.operation)
    described = flow.program.operations[conflict.operation]
    if executions is None or not described.stateful:
        return False
    if not flow.program.calls[conflict.operation] and run not in conflict.in_step:
        return not _is_only_reordered(flow, conflict.operation, executions, run)
    where, when = conflict.moments[run]
    before = executions.call < when.call
    counts = [int((before & (executions.run == each)).sum()) for each in (0, run)]
    if counts[0] != counts[1]:
        return True
    if described.type not in _REMEMBERS:
        return False
    place = executions.operations.index(conflict.operation)
    past = deviation(executions, executions.reads[place], run)
    return past is not None and where in past and past[where].end < when.end


def _is_only_reordered(flow: Dataflow, operation: int, executions: Executions, run: int) -> bool:
    """Return whether an operation took the same in another order, by the order of threads alone.

    All that runs its graph was told the same in both runs then.
    """
    calls = [executions.call[executions.run == each] for each in (0, run)]
    if flow.kind(operation) != "function" or not np.array_equal(*calls):
        return False
    waiting, seen = [operation], set[int]()
    while waiting:
        each = waiting.pop()
        if flow.differs[run, list(flow.program.reads[each])].any():
            return False
        seen.add(each)
        waiting += set(flow.program.callers.get(flow.program.graph_of[each], ())) - seen
    return True


def _precedes(
    flow: Dataflow, conflict: Conflict, other: int, columns: tuple[int, ...], run: int
) -> bool:
    """Return whether some columns of another operation differed before a conflict."""
    executions = flow.executions(other)
    if executions is None or not columns:
        return False
    where, when = conflict.moments[run]
    past = deviation(executions, _indices(executions, columns), run)
    if not past:
        return False
    if where not in past:
        return _precedes_in_call(past, when)
    same_graph = flow.program.graph_of[other] == flow.program.graph_of[conflict.operation]
    is_later = same_graph and other > conflict.operation
    return past[where].precedes(when, within_frame=not is_later)


def _precedes_in_call(past: dict[int, Moment], when: Moment) -> bool:
    return any(each.call <= when.call for each in past.values())


def _indices(executions: Executions, columns: tuple[int, ...]) -> tuple[int, ...]:
    place = {int(column): index for index, column in enumerate(executions.columns)}
    return tuple(place[column] for column in columns if column in place)
