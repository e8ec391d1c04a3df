"""Which columns differ between runs, and when they first do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcost.evidence.recording import Digests
from detcost.locating.executions import Executions, Integers

Flags = npt.NDArray[np.bool_]
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)


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


def differing(executions: Executions, run: int, presence: bool) -> Flags:
    """Return which columns differ between a run and the first, shape (columns,).

    Parameters
    ----------
    presence
        Whether what ran in a call of one run only differs.
    """
    none = np.zeros(len(executions.columns), bool)
    if run not in executions.runs:
        return none
    own, other = executions.run == 0, executions.run == run
    one, two = executions.digests[own], executions.digests[other]
    calls = executions.call[own]
    if not np.array_equal(calls, executions.call[other]):
        ours, theirs = aligned(executions, run)
        in_order = (executions.digests[ours] != executions.digests[theirs]).any(axis=0)
        unequal_sets: Flags = in_order | _other_sets(executions, own, other, presence)
        return unequal_sets
    unequal: Flags = (one != two).any(axis=0)
    if executions.is_ordered or not unequal.any():
        return unequal
    if unequal[list(executions.arguments)].any():  # frames came in another order
        unequal[:] = True
    columns = np.flatnonzero(unequal)
    left, right = (_sorted(rows[:, columns], calls) for rows in (one, two))
    others = (left != right).any(axis=1)
    if not others[np.isin(columns, executions.arguments)].any():
        # The same values may have gone to other executions, as draws of a loop's turns do.
        left, right = (_of_executions(executions, rows, columns) for rows in (one, two))
        left, right = (_sorted(rows, calls) for rows in (left, right))
        others |= (left != right).any(axis=1)
    unequal[columns] = others
    return unequal


def _of_executions(executions: Executions, rows: Digests, columns: Integers) -> Digests:
    """Return digests of values together with the arguments of their execution."""
    told = keys(rows, [executions.arguments])
    return mixed(rows[:, columns] ^ told)


def _sorted(rows: Digests, calls: Integers) -> Digests:
    """Sort each column within each call, shape (columns, frames). Frames are sorted by call."""
    columns = np.ascontiguousarray(rows.T)
    for call in np.split(columns, np.flatnonzero(np.diff(calls)) + 1, axis=1):
        call.sort(axis=1)
    return columns


def aligned(executions: Executions, run: int) -> tuple[np.ndarray, np.ndarray]:
    """Pair the frames of a run with those of the first: those of one call in their order."""
    index = executions.call * (int(executions.iteration.max(initial=0)) + 1) + executions.iteration
    ours, theirs = (np.flatnonzero(executions.run == each) for each in (0, run))
    _, one, two = np.intersect1d(index[ours], index[theirs], return_indices=True)
    return ours[one], theirs[two]


def _other_sets(executions: Executions, own: Flags, other: Flags, presence: bool) -> Flags:
    """Compare which digests the calls have: a loop that ran longer need not give others."""
    marked = mixed(executions.digests ^ by_call(executions))
    if not presence:
        both = np.intersect1d(executions.call[own], executions.call[other])
        shared = np.isin(executions.call, both)
        own, other = own & shared, other & shared
    return np.array(
        [
            not np.array_equal(np.unique(column[own]), np.unique(column[other]))
            for column in marked.T
        ],
        bool,
    )


def by_call(executions: Executions) -> Digests:
    """Return a digest of each frame's call, shape (frames, 1)."""
    return mixed(executions.call.astype(np.uint64) + _STEP)[:, None]


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
