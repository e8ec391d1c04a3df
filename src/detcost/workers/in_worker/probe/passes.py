"""From the messages of taps to passes: what each iterator of a data set gave, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from detcost.evidence.recording import Digests

#: In the place of an iterator in a message: an iterator has ended.
END = -1

#: Rows of a data set's number, the iterator's, the element's, the element's digest and the
#: digest of the arguments.
Messages = npt.NDArray[np.int64]


class SeenPass:
    """The elements that one iterator of a data set gave.

    Attributes
    ----------
    began
        The place of its first message among all messages.
    call
        The call of the step in which it began.
    arguments
        The digest of what else the data set depends on.
    digests
        Of each element.
    ended
        Whether there were no more elements.
    """

    def __init__(self, began: int, call: int, arguments: int, digests: Digests):
        self.began, self.call, self.arguments, self.digests = began, call, arguments, digests
        self.ended = False


Passes = dict[int, list[SeenPass]]


def passes_of(messages: Sequence[tuple[int, Messages]]) -> Passes:
    """Return the passes over each tapped data set, by its number.

    Parameters
    ----------
    messages
        Calls of the step, and the messages that came in each.
    """
    if not messages:
        return {}
    rows = np.concatenate([rows for _, rows in messages])
    calls = np.repeat([call for call, _ in messages], [len(rows) for _, rows in messages])
    taps = rows[:, 0]
    order = np.argsort(taps, kind="stable")
    starts = np.flatnonzero(np.diff(taps[order], prepend=-1))
    return {
        int(taps[places[0]]): list(_passes(rows, calls, places))
        for places in np.split(order, starts[1:])
    }


def _passes(rows: Messages, calls: Messages, places: Messages) -> Iterator[SeenPass]:
    """Give the passes over one data set, given the places of its messages, in their order."""
    iterators = rows[places, 1]
    by_iterator = np.argsort(iterators, kind="stable")
    starts = np.flatnonzero(np.diff(iterators[by_iterator], prepend=END))
    found: list[SeenPass] = []
    last: dict[int, int] = {}
    for positions in np.split(by_iterator, starts)[1:]:
        own = places[positions]
        found.append(
            SeenPass(int(own[0]), int(calls[own[0]]), int(rows[own[0], 4]), _digests(rows[own, 3]))
        )
        last[int(own[0])] = int(own[-1])
    ends = places[iterators == END]
    yield from sorted(
        [*found, *_ended(found, last, ends, calls, int(rows[places[0], 4]))],
        key=lambda each: each.began,
    )


def _ended(
    found: Sequence[SeenPass], last: dict[int, int], ends: Messages, calls: Messages, arguments: int
) -> Iterator[SeenPass]:
    """Mark the passes that ended, and give those that ended without an element.

    An end does not say whose it is. It is that of the pass that began last, unless another one was
    still going on.
    """
    began = sorted(found, key=lambda each: each.began)
    firsts = np.array([each.began for each in began], np.int64)
    lasts = np.maximum.accumulate(np.array([0, *(last[each.began] for each in began)], np.int64))
    nothing = _digests(np.empty(0, np.int64))
    for end in ends:
        latest = int(np.searchsorted(firsts, end)) - 1
        if latest < 0 or began[latest].ended:
            empty = SeenPass(int(end), int(calls[end]), arguments, nothing)
            empty.ended = True
            yield empty
        elif lasts[latest] < firsts[latest] and last[int(firsts[latest])] < end:
            began[latest].ended = True


def _digests(values: Messages) -> Digests:
    return np.ascontiguousarray(values).view(np.uint64)
