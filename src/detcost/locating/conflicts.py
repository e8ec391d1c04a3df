"""Operations that gave other outputs for equal inputs, and where runs first deviate.

An operation without state is keyed by its data: over all runs and calls, one tuple of inputs has
one tuple of outputs. One with state, or with inputs that have no digest, is compared with the same
call of another run. A call may execute it often and in any order, so sets with counts are compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from detcost.evidence.recording import Digests, Operation
from detcost.locating.deviations import Flags, Moment, by_call, keys, mixed, moment
from detcost.locating.executions import PSEUDO, Executions, Integers
from detcost.locating.matching import Matched

#: Elements that are sorted at once.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Conflict:
    """An operation with other outputs for equal inputs, or one that ran more often in one run.

    Attributes
    ----------
    divergent, trials
        Of the comparisons with equal inputs, how many differed.
    call, iteration
        The first frame that differed.
    moments
        For each run that conflicts with the first one: the run of the frame that differed first,
        and when.
    in_step
        The runs in which it was executed equally often before, in this call.
    counted
        Whether it ran more often in one run. Calls of the step are compared then.
    since
        For some runs, the call of the first frame that differed, if ``moments`` has a later one.
    """

    operation: int
    divergent: int
    trials: int
    call: int
    iteration: int
    moments: dict[int, tuple[int, Moment]]
    in_step: frozenset[int] = frozenset()
    since: dict[int, int] = field(default_factory=dict)
    counted: bool = False


def is_closed(program: Matched, operation: int) -> bool:
    """Return whether the outputs depend on nothing but inputs that have digests.

    An operation on variables has their contents among its inputs, and takes a resource as well.
    """
    return not program.operations[operation].stateful and all(
        _gives_only_resources(program.operations[other]) for other in program.after[operation]
    )


def _gives_only_resources(operation: Operation) -> bool:
    unknown = len(operation.outputs) - len(operation.gives)
    resources = sum(output.startswith("resource") for output in operation.outputs)
    return 0 < resources == unknown


def conflicts(program: Matched, executions: Executions, differs: Flags) -> Iterator[Conflict]:
    """Give the operations that conflict. ``differs`` has a flag for each column of the program."""
    selected = [
        (operation, reads, gives)
        for operation, reads, gives in zip(
            executions.operations, executions.reads, executions.gives, strict=True
        )
        if program.operations[operation].type not in PSEUDO
        and differs[list(program.gives[operation])].any()
    ]
    size = max(1, _CHUNK // max(1, len(executions.run)))
    for begin in range(0, len(selected), size):
        part = selected[begin : begin + size]
        taken = keys(executions.digests, [reads for _, reads, _ in part])
        given = keys(executions.digests, [gives for _, _, gives in part])
        closed = np.array([is_closed(program, operation) for operation, _, _ in part], bool)
        taken = np.where(closed, taken, mixed(taken + by_call(executions)))
        for index in np.flatnonzero(_ambiguous(taken, given)):
            find = _without_state if closed[index] else _with_state
            found = find(executions, part[index][0], taken[:, index], given[:, index])
            if found.divergent:
                yield found


def _ambiguous(taken: Digests, given: Digests) -> Flags:
    """Return for each operation whether one key of its inputs has two of its outputs."""
    return _counts(taken) < _counts(mixed(mixed(taken) ^ given))


def _counts(values: Digests) -> Integers:
    """Return how many values each column has."""
    columns = np.sort(np.ascontiguousarray(values.T), axis=1)
    counts: Integers = (columns[:, 1:] != columns[:, :-1]).sum(axis=1)
    return counts


def _without_state(
    executions: Executions, operation: int, taken: Digests, given: Digests
) -> Conflict:
    divergent, trials = _from_first(taken, given)
    moments: dict[int, tuple[int, Moment]] = {}
    for run in executions.runs:
        rows = np.flatnonzero((executions.run == 0) | (executions.run == run))
        between, _ = _from_first(taken[rows], given[rows])
        if run and len(between):
            row = _earliest(executions, rows[between])
            moments[run] = int(executions.run[row]), moment(executions, row)
    first = _earliest(executions, divergent) if len(divergent) else 0
    return Conflict(operation, len(divergent), trials, *_where(executions, first), moments)


def _from_first(taken: Digests, given: Digests) -> tuple[Integers, int]:
    """Compare each output with the first of equal inputs: those that differ, and how many."""
    known, first, which = np.unique(taken, return_index=True, return_inverse=True)
    return np.flatnonzero(given != given[first][which]), len(taken) - len(known)


def _with_state(executions: Executions, operation: int, taken: Digests, given: Digests) -> Conflict:
    divergent = trials = 0
    moments: dict[int, tuple[int, Moment]] = {}
    found: list[int] = []
    in_step: set[int] = set()
    since: dict[int, int] = {}
    groups = _groups(executions, taken, 0)
    for run in executions.runs:
        rows = []
        for key, theirs in _groups(executions, taken, run).items() if run else ():
            ours = groups.get(key, [])
            counts = Counter(given[ours].tolist())
            unmatched = [row for row in theirs if not _take(counts, int(given[row]))]
            compared = min(len(ours), len(theirs))
            missing = compared - (len(theirs) - len(unmatched))
            trials += compared
            divergent += missing
            rows += unmatched if missing else []
        if rows:
            aligned = [row for row in rows if _is_in_step(executions, groups, taken, row)]
            in_step |= {run} if aligned else set()
            row = _earliest(executions, np.array(aligned or rows))
            moments[run] = run, moment(executions, row)
            since[run] = int(executions.call[rows].min())
            found.append(row)
    first = _earliest(executions, np.array(found)) if found else 0
    where = _where(executions, first)
    return Conflict(operation, divergent, trials, *where, moments, frozenset(in_step), since)


def _is_in_step(
    executions: Executions, groups: dict[int, list[int]], taken: Digests, row: int
) -> bool:
    """Return whether the first run had these inputs after equally many executions in the call."""
    number = executions.iteration[row]
    return any(executions.iteration[other] == number for other in groups[int(taken[row])])


def _groups(executions: Executions, taken: Digests, run: int) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero(executions.run == run).tolist():
        groups[int(taken[row])].append(row)
    return groups


def _take(counts: Counter[int], value: int) -> bool:
    """Take a value away, if there is one."""
    has = counts[value] > 0
    counts[value] -= has
    return has


def _earliest(executions: Executions, rows: Integers) -> int:
    order = np.lexsort((executions.iteration[rows], executions.call[rows]))
    return int(rows[order[0]])


def _where(executions: Executions, row: int) -> tuple[int, int]:
    return int(executions.call[row]), int(executions.iteration[row])
