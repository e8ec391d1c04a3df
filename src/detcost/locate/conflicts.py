"""Operations that gave other outputs for equal inputs, and where runs first deviate.

An operation without state is keyed by its data: over all runs and calls, one tuple of inputs has
one tuple of outputs. One with state, or with inputs that have no digest, is compared with the same
call of another run. A call may execute it often and in any order, so sets with counts are compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcost.evidence.recording import Digests, Operation
from detcost.locate.executions import PSEUDO, Executions, Integers
from detcost.locate.matching import Matched

Flags = npt.NDArray[np.bool_]
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)
#: Elements that are sorted at once.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Moment:
    """When a frame ended, and when the frame of the same graph before it did.

    Times of different kinds of graphs cannot be compared within a call.
    """

    call: int
    kind: int
    begin: int
    end: int

    def precedes(self, other: Moment, within_frame: bool = True) -> bool:
        """Return whether this may have come before another."""
        if self.kind != other.kind:
            return self.call <= other.call
        return (self.begin if within_frame else self.end) < other.end


@dataclass(frozen=True)
class Conflict:
    """An operation with other outputs for equal inputs.

    Attributes
    ----------
    divergent, trials
        Of the comparisons with equal inputs, how many differed.
    call, iteration
        The first frame that differed.
    moments
        For each run that conflicts with the first one: the run of the frame that differed first,
        and when.
    """

    operation: int
    divergent: int
    trials: int
    call: int
    iteration: int
    moments: dict[int, tuple[int, Moment]]


def mixed(values: Digests) -> Digests:
    """Return hashes of 64 bits of integers of 64 bits."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


def keys(digests: Digests, columns: Sequence[tuple[int, ...]]) -> Digests:
    """Return one key for some columns of each frame, shape (frames, len(columns))."""
    found = np.zeros((len(digests), len(columns)), np.uint64)
    lengths = np.array([len(each) for each in columns], np.int64)
    for position in range(max(lengths, default=0)):
        longer = np.flatnonzero(lengths > position).tolist()
        taken = digests[:, [columns[each][position] for each in longer]]
        found[:, longer] = mixed(found[:, longer] + taken + _STEP)
    return found


def differing(executions: Executions, run: int) -> Flags:
    """Return which columns differ between a run and the first, shape (columns,)."""
    none = np.zeros(len(executions.columns), bool)
    if run not in executions.runs:
        return none
    own, other = executions.run == 0, executions.run == run
    one, two = executions.digests[own], executions.digests[other]
    calls = executions.call[own]
    if not np.array_equal(calls, executions.call[other]):
        return _other_sets(executions, own, other)
    unequal: Flags = (one != two).any(axis=0)
    if executions.is_ordered or not unequal.any():
        return unequal
    columns = np.flatnonzero(unequal)
    same_calls = np.broadcast_to(calls[:, None], (len(calls), len(columns)))
    left, right = (_sorted(rows[:, columns], same_calls) for rows in (one, two))
    others = (left != right).any(axis=0)
    if not others[np.isin(columns, executions.arguments)].any():
        # The same values may have gone to other executions, as draws of a loop's turns do.
        left, right = (_of_executions(executions, rows, columns) for rows in (one, two))
        left, right = (_sorted(rows, same_calls) for rows in (left, right))
        others |= (left != right).any(axis=0)
    unequal[columns] = others
    return unequal


def _of_executions(executions: Executions, rows: Digests, columns: Integers) -> Digests:
    """Return digests of values together with the arguments of their execution."""
    told = keys(rows, [executions.arguments])
    return mixed(rows[:, columns] ^ told)


def _sorted(rows: Digests, calls: Integers) -> Digests:
    order = np.lexsort((rows, calls), axis=0)
    return np.take_along_axis(rows, order, axis=0)


def _other_sets(executions: Executions, own: Flags, other: Flags) -> Flags:
    """Compare which digests the calls have: a loop that ran longer need not give others."""
    calls = mixed(executions.call.astype(np.uint64) + _STEP)[:, None]
    marked = mixed(executions.digests ^ calls)
    return np.array(
        [
            not np.array_equal(np.unique(column[own]), np.unique(column[other]))
            for column in marked.T
        ],
        bool,
    )


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
        calls = mixed(executions.call.astype(np.uint64) + _STEP)[:, None]
        taken = np.where(closed, taken, mixed(taken + calls))
        for index in np.flatnonzero(_ambiguous(taken, given)):
            find = _without_state if closed[index] else _with_state
            found = find(executions, part[index][0], taken[:, index], given[:, index])
            if found.divergent:
                yield found


def _ambiguous(taken: Digests, given: Digests) -> Flags:
    """Return for each operation whether one key of its inputs has two of its outputs."""
    order = np.lexsort((given, taken), axis=0)
    taken, given = (np.take_along_axis(each, order, axis=0) for each in (taken, given))
    same, other = taken[1:] == taken[:-1], given[1:] != given[:-1]
    found: Flags = (same & other).any(axis=0)
    return found


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
            row = _earliest(executions, np.array(rows))
            moments[run] = run, moment(executions, row)
            found.append(row)
    first = _earliest(executions, np.array(found)) if found else 0
    return Conflict(operation, divergent, trials, *_where(executions, first), moments)


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


def moment(executions: Executions, row: int) -> Moment:
    """Return when a frame ended."""
    has_earlier = row > 0 and executions.run[row - 1] == executions.run[row]
    begin = int(executions.time[row - 1]) if has_earlier else -1
    call, end = int(executions.call[row]), int(executions.time[row])
    return Moment(call, executions.kind, begin, end)


def deviation(
    executions: Executions, columns: tuple[int, ...], run: int
) -> dict[int, Moment] | None:
    """Return when some columns first deviate between a run and the first one, in both.

    Parameters
    ----------
    columns
        As indices into ``executions.columns``.
    """
    if run not in executions.runs or not columns:
        return None
    key = keys(executions.digests, [columns])[:, 0]
    rows = [np.flatnonzero(executions.run == each) for each in (0, run)]
    for call in np.unique(executions.call):
        ours, theirs = (each[executions.call[each] == call] for each in rows)
        one, two = key[ours], key[theirs]
        if not executions.is_ordered and np.array_equal(np.sort(one), np.sort(two)):
            continue
        common = min(len(one), len(two))
        unequal = np.flatnonzero(one[:common] != two[:common])
        if len(unequal) or len(one) != len(two):
            place = int(unequal[0]) if len(unequal) else common
            return {
                number: moment(executions, int(own[place]))
                for number, own in ((0, ours), (run, theirs))
                if place < len(own)
            }
    return None
