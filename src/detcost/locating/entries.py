"""Differences that no operation made: values from Python, and what ran in one run only.

A step's Python values differ from call to call, as batches do. So they are compared between runs,
call by call and in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from detcost.locating.conflicts import Conflict
from detcost.locating.dataflow import Dataflow
from detcost.locating.deviations import Moment, aligned, deviation, keys, moment
from detcost.locating.executions import ARGUMENT, PSEUDO, PYTHON, READ, Executions


def python_values(flow: Dataflow) -> list[Conflict]:
    """Return the values from Python that differ between runs."""
    found = [
        _compared(flow, operation, flow.program.gives[operation])
        for operation, described in enumerate(flow.program.operations)
        if described.type == PYTHON and _differs(flow, flow.program.gives[operation])
    ]
    return [each for each in found if each.moments]


def outside_values(flow: Dataflow, run: int) -> list[Conflict]:
    """Return what first comes in differing in a run, from where nothing was watched.

    That is an argument of a graph whose caller is unknown, or the content of a variable.
    """
    found = [
        _compared(flow, operation, columns)
        for operation, columns in _unknown_origins(flow)
        if flow.differs[run, list(columns)].any()
    ]
    moments = [(each.moments[run][1], each) for each in found if run in each.moments]
    first = min((_order(when) for when, _ in moments), default=None)
    return [each for when, each in moments if _order(when) == first]


def other_counts(flow: Dataflow, run: int) -> list[Conflict]:
    """Return what ran more often in one run than in the other, where this is seen first.

    It tells nothing where the runs are not made of the same operations.
    """
    if not flow.program.is_same:
        return []
    found = []
    for executions in flow.program.executions:
        if each := _counted(flow, executions, run):
            callers = flow.program.callers.get(flow.program.graph_of[each.operation], [])
            operation = callers[0] if callers else each.operation
            found.append(replace(each, operation=operation))
    return sorted(found, key=lambda each: _order(each.moments[run][1]))[:1]


def decided_lines(flow: Dataflow) -> list[Conflict]:
    """Return the lines of eager code that ran more often in one run than in the first."""
    found = []
    for executions in flow.program.executions:
        if executions.operations and flow.kind(executions.operations[-1]) == "eager":
            counted = [_counted(flow, executions, run) for run in executions.runs[1:]]
            some = [each for each in counted if each]
            moments = {run: when for each in some for run, when in each.moments.items()}
            found += [replace(each, moments=moments) for each in some[:1]]
    return found


def _counted(flow: Dataflow, executions: Executions, run: int) -> Conflict | None:
    """Return the last operation of a graph, if it ran more often in one run."""
    compared = _counts(executions, run)
    real = [n for n in executions.operations if flow.program.operations[n].type not in PSEUDO]
    if not compared or not real:
        return None
    calls, moments = compared
    return Conflict(real[-1], *calls, moments[1].call, 1, {run: moments}, counted=True)


def is_consequence(flow: Dataflow, value: Conflict) -> bool:
    """Return whether Python may have computed a value, or run a line, because of what it read.

    It may have, if it read something that differed before, in all runs in which this differs.
    """
    reading = [n for n, each in enumerate(flow.program.operations) if each.type == READ]
    return all(
        any(_is_read_before(flow, operation, value, run) for operation in reading)
        for run in value.moments
    )


def _is_read_before(flow: Dataflow, reading: int, value: Conflict, run: int) -> bool:
    read = _deviation(flow, reading, flow.program.reads[reading], run)
    entered = _entered(flow, value, run)
    if not read or not entered:
        return False
    if read.kind == entered.kind:
        return read.end < entered.end
    return read.call < entered.call


def _entered(flow: Dataflow, value: Conflict, run: int) -> Moment | None:
    """Return when a value came in: a constant comes with the line that runs its graph."""
    lines = list(_lines(flow, value.operation))
    found = [_deviation(flow, line, flow.program.gives[line], run) for line in lines]
    known = [each for each in found if each]
    return min(known, key=_order, default=value.moments[run][1])


def _lines(flow: Dataflow, operation: int) -> Iterator[int]:
    """Give the lines of eager code that run a graph with an operation in it."""
    seen: set[int] = set()
    waiting = [operation]
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting += flow.program.callers.get(flow.program.graph_of[each], [])
            if flow.kind(each) == "eager" and each != operation:
                yield each


def _deviation(flow: Dataflow, operation: int, columns: tuple[int, ...], run: int) -> Moment | None:
    executions = flow.executions(operation)
    if executions is None:
        return None
    found = deviation(executions, _places(executions, columns), run)
    return found.get(run) if found else None


def _places(executions: Executions, columns: tuple[int, ...]) -> tuple[int, ...]:
    """Return columns of the program as indices into those of executions of a whole graph."""
    return tuple(column - int(executions.columns[0]) for column in columns)


def _differs(flow: Dataflow, columns: tuple[int, ...]) -> bool:
    return bool(flow.differs[:, list(columns)].any())


def _unknown_origins(flow: Dataflow) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Give what comes from where nothing was watched, by who takes it, and its columns."""
    program = flow.program
    made = {column for gives in program.gives for column in gives}
    for operation, described in enumerate(program.operations):
        if described.type == ARGUMENT:
            is_outer = not program.callers.get(program.graph_of[operation])
            if is_outer and flow.kind(operation) == "function":
                yield operation, program.gives[operation]
        elif flow.kind(operation) != "pipeline":
            contents = tuple(column for column in program.reads[operation] if column not in made)
            if contents:
                yield operation, contents


def _compared(flow: Dataflow, operation: int, columns: tuple[int, ...]) -> Conflict:
    """Compare values between runs, call by call and in order."""
    executions = flow.executions(operation)
    if executions is None:
        return Conflict(operation, 0, 0, 0, 1, {})
    places = tuple(np.flatnonzero(np.isin(executions.columns, columns)).tolist())
    key = keys(executions.digests, [places])[:, 0]
    divergent = trials = 0
    moments: dict[int, tuple[int, Moment]] = {}
    rows: list[int] = []
    for run in executions.runs[1:]:
        ours, theirs = aligned(executions, run)
        unequal = np.flatnonzero(key[ours] != key[theirs])
        trials += len(ours)
        divergent += len(unequal)
        if len(unequal) and flow.differs[run, list(columns)].any():
            rows.append(int(theirs[unequal[0]]))
            moments[run] = run, moment(executions, rows[-1])
    row = min(rows, key=lambda each: int(executions.call[each]), default=None)
    where = (0, 1) if row is None else (int(executions.call[row]), int(executions.iteration[row]))
    return Conflict(operation, divergent, trials, *where, moments)


def _counts(executions: Executions, run: int) -> tuple[tuple[int, int], tuple[int, Moment]] | None:
    """Compare how often a graph ran in each call: how many calls differ, and the first frame."""
    if run not in executions.runs:
        return None
    rows = [np.flatnonzero(executions.run == each) for each in (0, run)]
    calls = np.unique(executions.call[np.concatenate(rows)])
    counts = [[int((executions.call[own] == call).sum()) for own in rows] for call in calls]
    unequal = [k for k, (one, two) in enumerate(counts) if one != two]
    if not unequal:
        return None
    first, (one, two) = calls[unequal[0]], counts[unequal[0]]
    longer = 0 if one > two else 1
    of_call = rows[longer][executions.call[rows[longer]] == first]
    found = moment(executions, int(of_call[min(one, two)]))
    return (len(unequal), len(calls)), ((0, run)[longer], found)


def _order(when: Moment) -> tuple[int, int, int]:
    return when.call, when.kind, when.end
