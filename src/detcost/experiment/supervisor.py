"""Sessions: the worker of an arm, replaced if it is lost, and the comparison of its outputs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from detcost.experiment.arm import Arm
from detcost.experiment.sequences import CallDigests
from detcost.workers.contract import (
    UNPERTURBED,
    Burst,
    CellError,
    Conditions,
    Worker,
    WorkerFactory,
    WorkerLost,
)


class DeviceMemoryExceeded(Exception):
    """Device memory does not hold every setting's worker at once."""


@dataclass(eq=False)
class WorkerSession:
    """An arm's place in a block: its worker, and the bursts it was timed in."""

    arm: Arm
    worker: Worker
    bursts: list[Burst] = field(default_factory=list)

    @property
    def samples(self) -> list[float]:
        """Seconds a step, a burst each."""
        return [burst.step for burst in self.bursts]


class WorkerSupervisor:
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

    def __init__(self, workers: WorkerFactory, directory: Path, calls: int):
        self.workers = workers
        self.directory = directory
        self.calls = calls
        self.float64_file: str | None = None

    def start(
        self,
        arm: Arm,
        *,
        timed: bool,
        of: int,
        python: int = 0,
        conditions: Conditions = UNPERTURBED,
    ) -> WorkerSession | None:
        """Return the arm's session with a worker whose first outputs are compared.

        ``None`` once the cell is given up.

        Raises
        ------
        DeviceMemoryExceeded
            If memory ran out and more than two workers were meant to live side by side.
        """
        while arm.running:
            try:
                return self.start_once(arm, timed=timed, python=python, conditions=conditions)
            except CellError as error:
                if error.status == "out_of_memory" and of > 2:
                    raise DeviceMemoryExceeded from None
                arm.refuse(error)
        return None

    def start_once(
        self, arm: Arm, *, timed: bool, python: int, conditions: Conditions
    ) -> WorkerSession:
        """Start a worker and compare its first outputs; raises what the worker does."""
        session = WorkerSession(arm, self.workers.start(arm.cell, conditions, python=python))
        try:
            self._note_outputs(session, timed, CallDigests(python, conditions.label, ()))
        except BaseException:
            session.worker.close()
            raise
        return session

    def retry(self, session: WorkerSession, action: Callable[[], None], *, python: int) -> bool:
        """Do it, with a new worker where the old one is lost.

        Returns false once the cell is given up.
        """
        while True:
            try:
                action()
                return True
            except CellError as error:
                session.arm.fail(error)
                session.worker.close()
            replacement = self.start(session.arm, timed=False, of=1, python=python)
            if replacement is None:
                return False
            session.worker = replacement.worker

    def record_usage(self, session: WorkerSession) -> None:
        """Take down what the worker used; everything else it was started for is here."""
        with suppress(WorkerLost):
            session.arm.usages.append(session.worker.usage())

    def _note_outputs(self, session: WorkerSession, timed: bool, run: CallDigests) -> None:
        arm, worker = session.arm, session.worker
        built = worker.build()
        arm.applied, arm.overridden = built.applied, built.overridden
        if timed:
            arm.first_calls.append(built.seconds)
        is_reference = not arm.sequences
        if is_reference:
            self._save_first(session)
        elif built.digest != arm.sequences.reference[0]:
            self._note_severity(session, "process", arm.first_output_file)
        later = worker.repeat(self.calls - 1)
        arm.sequences.add(CallDigests(run.python, run.label, (built.digest, *later)))
        if is_reference:
            self._save_last(session)
        else:
            self._compare_last(session, later[-1], built.digest)

    def _save_first(self, session: WorkerSession) -> None:
        arm = session.arm
        arm.first_output_file = str(self.directory / f"{id(arm)}-first")
        session.worker.save_outputs(arm.first_output_file)
        if self.float64_file:
            arm.accuracy = session.worker.accuracy(self.float64_file)

    def _save_last(self, session: WorkerSession) -> None:
        arm = session.arm
        if arm.sequences.moves:
            arm.last_output_file = str(self.directory / f"{id(arm)}-last")
            session.worker.save_outputs(arm.last_output_file)

    def _compare_last(self, session: WorkerSession, last: str, first: str) -> None:
        """Measure how far the last output is off, which the worker still holds."""
        arm = session.arm
        if arm.sequences.carries_state:
            if last != arm.sequences.reference[-1]:
                self._note_severity(session, "repeat", arm.last_output_file)
        elif last != first:
            self._note_severity(session, "repeat", arm.first_output_file)

    def _note_severity(
        self, session: WorkerSession, scope: str, reference_file: str | None
    ) -> None:
        if reference_file:
            session.arm.tallies[scope].add_severity(session.worker.severity(reference_file))
