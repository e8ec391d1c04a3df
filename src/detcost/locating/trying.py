"""Runs a cell in fresh processes, and counts how many outputs differ from the first."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from detcost.experiment.sequences import CallDigests, Digests, Sequences
from detcost.host.noisy_neighbours import NeighbourLost
from detcost.locating.schema import Rate
from detcost.outputs import severity
from detcost.outputs.severity import Severity
from detcost.workers.contract import UNPERTURBED, Cell, CellError, Conditions, Worker, WorkerFactory

#: Fresh processes, and outputs of each: at least 100 comparisons. Few processes take less time,
#: where a difference comes from call to call.
MANY, FEW = (21, 5), (7, 18)
#: Seconds after which no further process starts. A long step then has fewer comparisons.
SECONDS = 60.0


@dataclass(frozen=True)
class Sides:
    """What the compared processes differ in.

    Attributes
    ----------
    reference
        The conditions of the first process.
    others
        The conditions of the other processes, in turn.
    pythons
        The number of Python processes that start them.
    """

    reference: Conditions = UNPERTURBED
    others: tuple[Conditions, ...] = (UNPERTURBED,)
    pythons: int = 1

    @property
    def alike(self) -> bool:
        """Whether the first process runs in the conditions of the others."""
        return self.others == (self.reference,)

    @property
    def few(self) -> tuple[int, int]:
        """How many processes and calls suffice to see whether anything differs."""
        return FEW if self.alike and self.pythons == 1 else MANY


@dataclass(frozen=True)
class Tried:
    """How often the outputs of a cell differed from the first.

    ``reason`` says why it could not be run.
    """

    rate: Rate
    processes: int = 0
    severity: Severity | None = None
    reason: str | None = None

    @property
    def differs(self) -> bool:
        """Whether any output differed."""
        return self.rate.divergent > 0


@dataclass
class _Trial:
    """The processes of one cell so far."""

    factory: WorkerFactory
    cell: Cell
    sides: Sides
    folder: Path
    calls: int
    end: float
    processes: list[Digests] = field(default_factory=list)
    sequences: Sequences = field(default_factory=Sequences)
    worst: Severity | None = None
    error: CellError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def first(self) -> None:
        """Run the first process, which the others are compared with."""
        worker = self.factory.start(self.cell, self.sides.reference)
        digests: list[str] = []
        try:
            for call in range(self.calls):
                digests += worker.repeat(1) if call else [worker.build().digest]
                if digests[-1] not in digests[:-1]:
                    worker.save_outputs(str(self.folder / digests[-1]))
        finally:
            worker.close()
        self._add(0, self.sides.reference, tuple(digests))

    def another(self, number: int) -> None:
        """Run another process. If it cannot run, others may."""
        if time.monotonic() > self.end:
            return
        conditions = self.sides.others[number % len(self.sides.others)]
        python = number % self.sides.pythons
        try:
            worker = self.factory.start(self.cell, conditions, python=python)
            try:
                digests, distance = self._compared(worker)
            finally:
                worker.close()
        except CellError as error:
            self.error = error
            return
        with self._lock:
            self._add(python, conditions, digests)
            self.worst = severity.worst(self.worst, distance)

    def _compared(self, worker: Worker) -> tuple[Digests, Severity | None]:
        """Return the digests of a process, and the distance of the first that differs."""
        digests: list[str] = []
        distance: Severity | None = None
        for call, reference in enumerate(self.processes[0]):
            digests += worker.repeat(1) if call else [worker.build().digest]
            if distance is None and digests[-1] != reference:
                distance = worker.severity(str(self.folder / reference))
        return tuple(digests), distance

    def _add(self, python: int, conditions: Conditions, digests: Digests) -> None:
        self.processes.append(digests)
        self.sequences.add(CallDigests(python, conditions.label, digests))

    def rate(self) -> Rate:
        """Compare all outputs with the first, or with the same call's if the cell has a state."""
        reference, *others = self.processes
        moves = self.sequences.carries_state
        expected = reference if moves else reference[:1] * self.calls
        pairs = [pair for process in others for pair in zip(process, expected, strict=True)]
        if self.sides.alike and not moves:
            pairs += zip(reference[1:], expected[1:], strict=True)
        return Rate.of(sum(a != b for a, b in pairs), len(pairs))


def compare(
    factory: WorkerFactory,
    cell: Cell,
    sides: Sides,
    amount: tuple[int, int] = MANY,
    *,
    seconds: float = SECONDS,
) -> Tried:
    """Run a cell in fresh processes, as many at once as there are cores.

    Parameters
    ----------
    factory, cell
        What to run.
    sides
        What the processes differ in.
    amount
        How many processes run, and how often each calls the step.
    seconds
        When no further process starts. Two run at least.
    """
    kinds = {conditions.neighbour for conditions in (sides.reference, *sides.others)} - {None}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="detcost-locate-")))
        trial = _Trial(factory, cell, sides, folder, amount[1], time.monotonic() + seconds)
        try:
            stack.enter_context(_beside(factory, kinds))
            trial.first()
            with ThreadPoolExecutor(os.cpu_count() or 1) as executor:
                list(executor.map(trial.another, range(amount[0] - 1)))
        except (CellError, NeighbourLost) as error:
            return Tried(Rate.of(0, 0), reason=str(error))
    processes = len(trial.sequences)
    if processes < 2 and trial.error:
        return Tried(Rate.of(0, 0), reason=trial.error.reason)
    return Tried(trial.rate(), processes, trial.worst)


def _beside(factory: WorkerFactory, kinds: set[str | None]):  # type: ignore[no-untyped-def]
    kind = next(iter(kinds), None)
    return factory.neighbour(kind) if kind else nullcontext()
