"""What a cell's processes gave, call by call: races told from state.

A step may carry something on from the last call: weights, a layer's generator. Its outputs then
differ from call to call, and the same ones come in every process. That is state and no race. So
each process runs the step equally often, and outputs are compared by their place in the sequence
wherever the sequence repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import xxhash

Sequence = tuple[str, ...]


@dataclass(frozen=True)
class CallDigests:
    """The digests of one process's first calls.

    ``python`` numbers the Python it was started from, ``label`` names its conditions.
    """

    python: int
    label: str
    digests: Sequence

    @property
    def moves(self) -> bool:
        """Whether the outputs differ from call to call."""
        return len(set(self.digests)) > 1


@dataclass(frozen=True)
class BitComparison:
    """One comparison: in which conditions, of what, and from which call on it differs."""

    label: str
    output: str
    reference: str
    first_call: int | None = None

    @property
    def differs(self) -> bool:
        """Whether the outputs differ."""
        return self.output != self.reference


class Sequences:
    """The runs of one cell. The first is the reference."""

    def __init__(self) -> None:
        self._runs: list[CallDigests] = []

    def add(self, run: CallDigests) -> None:
        """Keep a run; each has equally many calls."""
        self._runs.append(run)

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def reference(self) -> Sequence:
        """The digests of the first run; none before there is one."""
        return self._runs[0].digests if self._runs else ()

    @property
    def moves(self) -> bool:
        """Whether the reference's outputs differ from call to call."""
        return len(set(self.reference)) > 1

    @property
    def carries_state(self) -> bool | None:
        """Whether outputs move on and the same ones come again in other processes.

        They do where more outputs equal the one at the same place in the first run of the same
        Python than equal their own process's first. A race gives neither. ``None`` with too
        few runs to tell.
        """
        if not self._runs or not any(run.moves for run in self._runs):
            return False if self._runs else None
        if len(self._runs) < 2:
            return None
        # With one process of each Python so far, the first of all is the best there is.
        pairs = list(self._pairs()) or [(run, self._runs[0]) for run in self._runs[1:]]
        in_place = sum(a == b for run, first in pairs for a, b in _later(run, first.digests))
        standing = sum(a == run.digests[0] for run, _ in pairs for a in run.digests[1:])
        return in_place > standing

    def within(self) -> Iterator[BitComparison]:
        """Give the comparisons of scope ``repeat``: of every later call of every process.

        Without state each is compared with its own process's first output, with state with
        that of the same call of the first process of the same Python.
        """
        if not self.carries_state:
            for run in self._runs:
                for output in run.digests[1:]:
                    yield BitComparison(run.label, output, run.digests[0])
            return
        for run, first in self._pairs():
            for call, (output, reference) in enumerate(_later(run, first.digests), start=2):
                yield BitComparison(
                    run.label, output, reference, call if output != reference else None
                )

    def between(self) -> Iterator[BitComparison]:
        """Give the comparisons of scope ``process``: of every further process with the first.

        All calls count: what a program does first may be steady and what it does then may race.
        """
        for run in self._runs[1:]:
            yield self.compare(run.digests, run.label)

    def compare(self, digests: Sequence, label: str) -> BitComparison:
        """Compare a process with the reference, call by call as far as both go."""
        reference = self.reference[: len(digests)]
        return BitComparison(
            label,
            combined(digests),
            combined(reference),
            first_difference(digests, reference) if len(set(reference)) > 1 else None,
        )

    def _pairs(self) -> Iterator[tuple[CallDigests, CallDigests]]:
        """Give every run but the first of each Python, with that first one."""
        first: dict[int, CallDigests] = {}
        for run in self._runs:
            if run.python in first:
                yield run, first[run.python]
            else:
                first[run.python] = run


def first_difference(digests: Sequence, reference: Sequence) -> int | None:
    """Return the first call, counted from 1, whose outputs differ; ``None`` if none does."""
    pairs = enumerate(zip(digests, reference, strict=False), start=1)
    return next((call for call, (a, b) in pairs if a != b), None)


def combined(digests: Sequence) -> str:
    """Return one digest for a sequence: that of its outputs, if they are all the same."""
    if len(set(digests)) == 1:
        return digests[0]
    return xxhash.xxh3_128_hexdigest("".join(digests).encode())


def _later(run: CallDigests, reference: Sequence) -> Iterator[tuple[str, str]]:
    """Pair every output but the first with the reference's at the same call."""
    return zip(run.digests[1:], reference[1:], strict=True)
