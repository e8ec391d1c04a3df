"""Two programs side by side, call by call: where their outputs differ, and by how much."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detcost.errors import UsageError
from detcost.experiment.sequences import Digests
from detcost.outputs import digests
from detcost.outputs.digests import Leaf, signature
from detcost.outputs.severity import Severity
from detcost.workers.contract import Cell, CellError, Worker, WorkerFactory

#: How many outputs a message lists.
LISTED = 4


class ProgramFailed(Exception):
    """One of the two programs could not be run.

    ``place`` is 0 for the first program, and 1 for the second.
    """

    def __init__(self, place: int, error: CellError):
        super().__init__(error.reason)
        self.place = place
        self.error = error


@dataclass(frozen=True)
class SideBySide:
    """The outputs of the two programs, by their places in the sequences of calls.

    Attributes
    ----------
    sequences
        The digests of each program's calls.
    outputs
        The path, type and shape of each program's outputs.
    first_call
        The first call, counted from 1, whose outputs differ. ``None`` if none does.
    at_first, at_last
        The distance of the outputs at that call, and at the last call if they differ there.
    """

    sequences: tuple[Digests, Digests]
    outputs: tuple[list[str], list[str]]
    first_call: int | None = None
    at_first: Severity | None = None
    at_last: Severity | None = None


@dataclass(eq=False)
class _Walker:
    """One of the two programs on its way."""

    place: int
    worker: Worker
    file: Path
    digests: list[str] = field(default_factory=list)

    def call(self) -> str:
        """Run the step once; return the digest of its outputs."""
        try:
            if self.digests:
                (digest,) = self.worker.repeat(1)
            else:
                digest = self.worker.build().digest
        except CellError as error:
            raise ProgramFailed(self.place, error) from None
        self.digests.append(digest)
        return digest

    def save(self) -> list[Leaf]:
        """Save the last outputs, and return views of them."""
        try:
            self.worker.save_outputs(str(self.file))
        except CellError as error:
            raise ProgramFailed(self.place, error) from None
        return digests.load(self.file)

    def distance_from(self, other: _Walker) -> Severity:
        """Measure how far the last outputs are from another program's."""
        other.save()
        try:
            severity: Severity = self.worker.severity(str(other.file))
        except CellError as error:
            raise ProgramFailed(self.place, error) from None
        return severity


def run_side_by_side(
    factory: WorkerFactory,
    cells: Sequence[Cell],
    names: Sequence[str],
    calls: int,
    on_call: Callable[[int, int | None], None] = lambda call, first_call: None,
) -> SideBySide:
    """Run two programs in a process each, and compare every call's outputs.

    Parameters
    ----------
    cells, names
        The two programs, and their names in messages.
    calls
        How often each runs its step.
    on_call
        A function to call with the number of every call that both have finished, and with the
        first call so far whose outputs differ.

    Raises
    ------
    UsageError
        If the outputs cannot be compared, because their number, types or shapes differ.
    ProgramFailed
        If one of the programs cannot be run.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="detcost-pair-")))
        walkers = []
        for place, cell in enumerate(cells):
            worker = factory.start(cell)
            stack.callback(worker.close)
            walkers.append(_Walker(place, worker, folder / str(place)))
        return _walk(walkers[0], walkers[1], names, calls, on_call)


def _walk(
    first: _Walker,
    second: _Walker,
    names: Sequence[str],
    calls: int,
    on_call: Callable[[int, int | None], None],
) -> SideBySide:
    first_call, at_first, at_last = None, None, None
    outputs: tuple[list[str], list[str]] = ([], [])
    for call in range(1, calls + 1):
        differs = first.call() != second.call()
        if call == 1:
            leaves = first.save(), second.save()
            refuse_unlike(leaves, names)
            outputs = described(leaves[0]), described(leaves[1])
        if differs and first_call is None:
            first_call, at_first = call, second.distance_from(first)
        on_call(call, first_call)
    if differs:
        at_last = at_first if first_call == calls else second.distance_from(first)
    return SideBySide(
        (tuple(first.digests), tuple(second.digests)), outputs, first_call, at_first, at_last
    )


def described(leaves: Sequence[Leaf]) -> list[str]:
    """Write the path, type and shape of every output."""
    shapes = signature(leaves)
    return [f"{leaf.path} {shape}" for leaf, shape in zip(leaves, shapes, strict=True)]


def refuse_unlike(leaves: Sequence[Sequence[Leaf]], names: Sequence[str]) -> None:
    """Refuse outputs that have no counterpart in the other program.

    A single output has one whatever its path is.

    Raises
    ------
    UsageError
        If the number of outputs, their places, types or shapes differ.
    """
    first, second = leaves
    alike = len(first) == len(second) == 1 or _paths(first) == _paths(second)
    if alike and signature(first) == signature(second):
        return
    if len(first) == len(second):  # of many outputs, those that are unlike say more
        pairs = zip(first, second, described(first), described(second), strict=True)
        unlike = [(a, b) for a, b, ours, theirs in pairs if ours != theirs]
        first, second = ([pair[place] for pair in unlike] for place in (0, 1))
    both = zip(names, (first, second), strict=True)
    has = " and ".join(f"{name} returns {_listed(outputs)}" for name, outputs in both)
    remedy = _remedy(first, second) if alike else "return the same structure of outputs from both"
    raise UsageError(f"{has}; {remedy}")


def _remedy(first: Sequence[Leaf], second: Sequence[Leaf]) -> str:
    pairs = list(zip(first, second, strict=True))
    if all(a.dtype == b.dtype and a.shape and a.shape[1:] == b.shape[1:] for a, b in pairs):
        return "name the rows to compare, as rows=0 in @detcost.scenario"
    return "return outputs of one type and shape from both"


def _paths(leaves: Sequence[Leaf]) -> list[str]:
    return [leaf.path for leaf in leaves]


def _listed(leaves: Sequence[Leaf]) -> str:
    more = f" and {len(leaves) - LISTED} more" if len(leaves) > LISTED else ""
    return ", ".join(described(leaves[:LISTED])) + more
