"""The outputs of a cell's processes, call by call. They show whether a cell races or has state.

A step may carry state from one call to the next, such as weights or a layer's generator. Its
outputs then differ from call to call, and the same outputs come in every process. That is state,
and not a race. So every process runs the step equally often. Where the outputs repeat from process
to process, they are compared with the output of the same call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import xxhash

#: The digests of a process's outputs, in the order of the calls.
Digests = tuple[str, ...]


@dataclass(frozen=True)
class CallDigests:
    """The digests of the first calls of one process.

    Attributes
    ----------
    python
        The number of the Python process that it was forked from.
    label
        The name of its conditions.
    digests
        The digests.
    """

    python: int
    label: str
    digests: Digests

    @property
    def moves(self) -> bool:
        """Whether the outputs differ from call to call."""
        return len(set(self.digests)) > 1


@dataclass(frozen=True)
class BitComparison:
    """One comparison of an output with a reference.

    Attributes
    ----------
    label
        The name of the conditions.
    output, reference
        The two digests.
    first_call
        The first call whose outputs differ, counted from 1. ``None`` if outputs do not move.
    """

    label: str
    output: str
    reference: str
    first_call: int | None = None

    @property
    def differs(self) -> bool:
        """Whether the outputs differ."""
        return self.output != self.reference


class Sequences:
    """The digests of every process of one cell. The first process is the reference."""

    def __init__(self) -> None:
        self._processes: list[CallDigests] = []

    def add(self, process: CallDigests) -> None:
        """Add a process. All processes have the same number of calls."""
        self._processes.append(process)

    def __len__(self) -> int:
        return len(self._processes)

    @property
    def reference(self) -> Digests:
        """The digests of the first process. Empty before there is one."""
        return self._processes[0].digests if self._processes else ()

    @property
    def moves(self) -> bool:
        """Whether the outputs of the reference differ from call to call."""
        return len(set(self.reference)) > 1

    @property
    def carries_state(self) -> bool | None:
        """Whether outputs move from call to call, and the same outputs come in other processes.

        The test counts outputs. Some equal the output of the same call in the first process of the
        same Python. Some equal the first output of their own process. A cell carries state if the
        former are more. A race makes neither. ``None`` if there are too few processes.
        """
        if not self._processes:
            return None
        if not any(process.moves for process in self._processes):
            return False
        if len(self._processes) < 2:
            return None
        # With one process of each Python so far, the first process of all is the best reference.
        pairs = list(self._pairs()) or [(p, self._processes[0]) for p in self._processes[1:]]
        repeated = sum(a == b for process, first in pairs for a, b in _later(process, first))
        constant = sum(a == process.digests[0] for process, _ in pairs for a in process.digests[1:])
        return repeated > constant

    def within(self) -> Iterator[BitComparison]:
        """Give the comparisons of scope ``repeat``: one for every later call of every process.

        Without state, the reference is the first output of the same process. With state, it is
        the output of the same call in the first process of the same Python.
        """
        if not self.carries_state:
            for process in self._processes:
                for output in process.digests[1:]:
                    yield BitComparison(process.label, output, process.digests[0])
            return
        for process, first in self._pairs():
            for call, (output, reference) in enumerate(_later(process, first), start=2):
                yield BitComparison(
                    process.label, output, reference, call if output != reference else None
                )

    def between(self) -> Iterator[BitComparison]:
        """Give the comparisons of scope ``process``: every further process with the first.

        All calls count, because a program may be steady in its first call and race in later ones.
        """
        for process in self._processes[1:]:
            yield self.compare(process.digests, process.label)

    def compare(self, digests: Digests, label: str) -> BitComparison:
        """Compare a process with the reference, over the calls that both have."""
        reference = self.reference[: len(digests)]
        return BitComparison(
            label,
            combined(digests),
            combined(reference),
            first_difference(digests, reference) if len(set(reference)) > 1 else None,
        )

    def _pairs(self) -> Iterator[tuple[CallDigests, CallDigests]]:
        """Pair every process with the first process of the same Python."""
        first: dict[int, CallDigests] = {}
        for process in self._processes:
            if process.python in first:
                yield process, first[process.python]
            else:
                first[process.python] = process


def first_difference(digests: Digests, reference: Digests) -> int | None:
    """Return the first call, counted from 1, whose outputs differ. ``None`` if none does."""
    pairs = enumerate(zip(digests, reference, strict=False), start=1)
    return next((call for call, (a, b) in pairs if a != b), None)


def combined(digests: Digests) -> str:
    """Return one digest for all calls. If all outputs are equal, it is their digest."""
    if len(set(digests)) == 1:
        return digests[0]
    return xxhash.xxh3_128_hexdigest("".join(digests).encode())


def _later(process: CallDigests, reference: CallDigests) -> Iterator[tuple[str, str]]:
    """Pair every output but the first with the reference's output of the same call."""
    return zip(process.digests[1:], reference.digests[1:], strict=True)
