"""Seats: an arm's worker, replaced where it is lost, and what its outputs are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from detcost.arm import Arm
from detcost.workers.contract import (
    QUIET,
    Built,
    CellError,
    Worker,
    WorkerLost,
    Workers,
)

WARM_UP_STEPS = 3
#: Seconds a sample lasts at least, so that reading the clock is far under 1 % of it.
SAMPLE_SECONDS = 1e-3


class TooTight(Exception):
    """Device memory does not hold every setting's worker at once."""


@dataclass(eq=False)
class Seat:
    """An arm's place in a block: its worker, and how many steps make a sample."""

    arm: Arm
    worker: Worker
    first: str = ""
    steps: int = 1
    samples: list[float] = field(default_factory=list)
    severity_known: bool = False


class Seats:
    """Gives arms their workers.

    Parameters
    ----------
    workers
        Where workers come from.
    directory
        Where reference outputs are kept while the experiment runs.
    """

    def __init__(self, workers: Workers, directory: Path):
        self.workers = workers
        self.directory = directory
        self.float64_file: str | None = None

    def take(self, arm: Arm, *, timed: bool, of: int) -> Seat | None:
        """Return the arm's seat with a built worker, or ``None`` once the cell is given up.

        Raises
        ------
        TooTight
            If memory ran out and more than two workers were meant to live side by side.
        """
        while arm.running:
            try:
                seat = Seat(arm, self.workers.start(arm.cell))
            except CellError as error:
                arm.fail(error)
                continue
            try:
                self._note_build(seat, seat.worker.build(), timed)
                return seat
            except CellError as error:
                seat.worker.close()
                if error.status == "out_of_memory" and of > 2:
                    raise TooTight from None
                arm.fail(error)
        return None

    def warm_up(self, seat: Seat) -> None:
        """Run the first steps, and see how many make a sample."""
        seconds = seat.worker.warm_up(WARM_UP_STEPS)
        seat.steps = max(1, math.ceil(SAMPLE_SECONDS / max(seconds, 1e-9)))

    def persist(self, seat: Seat, action: Callable[[], None]) -> bool:
        """Do it, with a new, warmed worker where the old one is lost.

        Returns false once the cell is given up.
        """
        cold = False
        while True:
            try:
                if cold:
                    self.warm_up(seat)
                action()
                return True
            except CellError as error:
                seat.arm.fail(error)
                seat.worker.close()
            replacement = self.take(seat.arm, timed=False, of=1)
            if replacement is None:
                return False
            seat.worker, seat.first = replacement.worker, replacement.first
            seat.severity_known = False
            cold = True

    def note_repeats(self, seat: Seat, digests: Sequence[str], label: str = QUIET.label) -> None:
        """Compare outputs of one process with its own first, and the last one's values once."""
        tally = seat.arm.tallies["repeat"]
        differ = [tally.compare(digest, seat.first, label) for digest in digests]
        if differ[-1]:
            self.note_severity(seat, "repeat", seat.arm.reference_file)

    def note_severity(self, seat: Seat, scope: str, reference_file: str | None) -> None:
        """Compare the values the worker holds with the reference's; once a worker is enough."""
        if seat.severity_known or reference_file is None:
            return
        seat.severity_known = True
        seat.arm.tallies[scope].add_severity(seat.worker.severity(reference_file))

    def retire(self, seat: Seat) -> None:
        """Take down what the worker used; everything else it was started for is here."""
        with suppress(WorkerLost):
            seat.arm.usages.append(seat.worker.usage())

    def _note_build(self, seat: Seat, built: Built, timed: bool) -> None:
        arm = seat.arm
        seat.first = built.digest
        arm.applied = built.applied
        if timed:
            arm.first_calls.append(built.seconds)
        if arm.reference is None:
            arm.reference = built.digest
            arm.reference_file = str(self.directory / str(id(arm)))
            seat.worker.save_outputs(arm.reference_file)
            if self.float64_file:
                arm.accuracy = seat.worker.accuracy(self.float64_file)
        elif arm.tallies["process"].compare(built.digest, arm.reference):
            self.note_severity(seat, "process", arm.reference_file)
