"""Seats: an arm's worker, replaced where it is lost, and what its outputs are compared with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from detcost.experiment.arm import Arm
from detcost.experiment.sequences import Run
from detcost.workers.contract import (
    QUIET,
    Burst,
    CellError,
    Circumstances,
    Worker,
    WorkerLost,
    Workers,
)


class TooTight(Exception):
    """Device memory does not hold every setting's worker at once."""


@dataclass(eq=False)
class Seat:
    """An arm's place in a block: its worker, and the bursts it was timed in."""

    arm: Arm
    worker: Worker
    bursts: list[Burst] = field(default_factory=list)

    @property
    def samples(self) -> list[float]:
        """Seconds a step, a burst each."""
        return [burst.step for burst in self.bursts]


class Seats:
    """Gives arms their workers.

    Parameters
    ----------
    workers
        Where workers come from.
    directory
        Where reference outputs are kept while the experiment runs.
    calls
        Outputs that every worker gives, to be compared, before anything else is asked of it.
    """

    def __init__(self, workers: Workers, directory: Path, calls: int):
        self.workers = workers
        self.directory = directory
        self.calls = calls
        self.float64_file: str | None = None

    def take(
        self,
        arm: Arm,
        *,
        timed: bool,
        of: int,
        python: int = 0,
        circumstances: Circumstances = QUIET,
    ) -> Seat | None:
        """Return the arm's seat with a worker whose first outputs are compared.

        ``None`` once the cell is given up.

        Raises
        ------
        TooTight
            If memory ran out and more than two workers were meant to live side by side.
        """
        while arm.running:
            try:
                return self.start(arm, timed=timed, python=python, circumstances=circumstances)
            except CellError as error:
                if error.status == "out_of_memory" and of > 2:
                    raise TooTight from None
                arm.refuse(error)
        return None

    def start(self, arm: Arm, *, timed: bool, python: int, circumstances: Circumstances) -> Seat:
        """Start a worker and compare its first outputs; raises what the worker does."""
        seat = Seat(arm, self.workers.start(arm.cell, circumstances, python=python))
        try:
            self._note_outputs(seat, timed, Run(python, circumstances.label, ()))
        except BaseException:
            seat.worker.close()
            raise
        return seat

    def persist(self, seat: Seat, action: Callable[[], None], *, python: int) -> bool:
        """Do it, with a new worker where the old one is lost.

        Returns false once the cell is given up.
        """
        while True:
            try:
                action()
                return True
            except CellError as error:
                seat.arm.fail(error)
                seat.worker.close()
            replacement = self.take(seat.arm, timed=False, of=1, python=python)
            if replacement is None:
                return False
            seat.worker = replacement.worker

    def retire(self, seat: Seat) -> None:
        """Take down what the worker used; everything else it was started for is here."""
        with suppress(WorkerLost):
            seat.arm.usages.append(seat.worker.usage())

    def _note_outputs(self, seat: Seat, timed: bool, run: Run) -> None:
        arm, worker = seat.arm, seat.worker
        built = worker.build()
        arm.applied, arm.overridden = built.applied, built.overridden
        if timed:
            arm.first_calls.append(built.seconds)
        is_reference = not arm.sequences
        if is_reference:
            self._save_first(seat)
        elif built.digest != arm.sequences.reference[0]:
            self._note_severity(seat, "process", arm.first_output_file)
        later = worker.repeat(self.calls - 1)
        arm.sequences.add(Run(run.python, run.label, (built.digest, *later)))
        if is_reference:
            self._save_last(seat)
        else:
            self._compare_last(seat, later[-1], built.digest)

    def _save_first(self, seat: Seat) -> None:
        arm = seat.arm
        arm.first_output_file = str(self.directory / f"{id(arm)}-first")
        seat.worker.save_outputs(arm.first_output_file)
        if self.float64_file:
            arm.accuracy = seat.worker.accuracy(self.float64_file)

    def _save_last(self, seat: Seat) -> None:
        arm = seat.arm
        if arm.sequences.moves:
            arm.last_output_file = str(self.directory / f"{id(arm)}-last")
            seat.worker.save_outputs(arm.last_output_file)

    def _compare_last(self, seat: Seat, last: str, first: str) -> None:
        """Measure how far the last output is off, which the worker still holds."""
        arm = seat.arm
        if arm.sequences.carries_state:
            if last != arm.sequences.reference[-1]:
                self._note_severity(seat, "repeat", arm.last_output_file)
        elif last != first:
            self._note_severity(seat, "repeat", arm.first_output_file)

    def _note_severity(self, seat: Seat, scope: str, reference_file: str | None) -> None:
        if reference_file:
            seat.arm.tallies[scope].add_severity(seat.worker.severity(reference_file))
