"""Starts workers for arms, replaces lost workers, and compares the workers' first outputs."""

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
    """Device memory does not hold the workers of all settings at once."""


@dataclass(eq=False)
class WorkerSession:
    """An arm's part in a block: its worker, and the bursts that were timed."""

    arm: Arm
    worker: Worker
    bursts: list[Burst] = field(default_factory=list)

    @property
    def samples(self) -> list[float]:
        """The seconds of a step, one figure for each burst."""
        return [burst.step for burst in self.bursts]


class WorkerSupervisor:
    """Starts workers for arms.

    Parameters
    ----------
    factory
        The factory that starts the workers.
    directory
        The folder for reference outputs.
    calls
        Outputs that every worker gives for comparison, before it does anything else.
    """

    def __init__(self, factory: WorkerFactory, directory: Path, calls: int):
        self.factory = factory
        self.directory = directory
        self.calls = calls
        self.float64_file: str | None = None
        self._saved: dict[str, str] = {}  # files of outputs, by their digest
        self._any_started = False
        self._hangs: str | None = None

    def start(
        self, arm: Arm, *, timed: bool, side_by_side: int, python: int
    ) -> WorkerSession | None:
        """Start a worker and compare its first outputs. Try again if the worker is lost.

        If the very first worker hangs, all others would hang too. None of them is waited for.

        Parameters
        ----------
        arm
            The arm.
        timed
            Whether to record the seconds of the first call.
        side_by_side
            The number of workers that are to be alive at once.
        python
            The number of the Python process to fork from.

        Returns
        -------
        session or None
            The session with the new worker; ``None`` if the cell is given up.

        Raises
        ------
        DeviceMemoryExceeded
            If memory runs out with more than two workers side by side.
        """
        while arm.running and not self._hangs:
            try:
                return self.start_once(arm, timed=timed, python=python, conditions=UNPERTURBED)
            except CellError as error:
                if error.status == "out_of_memory" and side_by_side > 2:
                    raise DeviceMemoryExceeded from None
                arm.fail_at_start(error)
                if error.status == "timed_out" and not self._any_started:
                    self._hangs = f"{error.reason} under {arm.cell.setting}"
        if arm.running:
            arm.fail(CellError("timed_out", f"{self._hangs}; no other worker was waited for"))
        return None

    def start_once(
        self, arm: Arm, *, timed: bool, python: int, conditions: Conditions
    ) -> WorkerSession:
        """Start a worker and compare its first outputs. Raises what the worker raises."""
        session = WorkerSession(arm, self.factory.start(arm.cell, conditions, python=python))
        try:
            self._compare_outputs(session, timed, python, conditions.label)
        except BaseException:
            session.worker.close()
            raise
        return session

    def retry(self, session: WorkerSession, action: Callable[[], None], *, python: int) -> bool:
        """Run an action, with a new worker whenever the session's worker is lost.

        Returns
        -------
        bool
            Whether the action succeeded; false if the cell is given up.
        """
        while True:
            try:
                action()
                return True
            except CellError as error:
                session.arm.fail(error)
                session.worker.close()
            replacement = self.start(session.arm, timed=False, side_by_side=1, python=python)
            if replacement is None:
                return False
            session.worker = replacement.worker

    def record_usage(self, session: WorkerSession) -> None:
        """Record the worker's memory. A loss is ignored: the worker's results are complete."""
        with suppress(WorkerLost):
            session.arm.usages.append(session.worker.usage())

    def _compare_outputs(
        self, session: WorkerSession, timed: bool, python: int, label: str
    ) -> None:
        """Build the program, run the first calls, and compare the outputs with the reference."""
        arm, worker = session.arm, session.worker
        built = worker.build()
        arm.applied, arm.overridden = built.applied, built.overridden
        if timed:
            arm.first_calls.append(built.seconds)
        is_reference = not arm.sequences
        if is_reference:
            self._save_first(session, built.digest)
        elif built.digest != arm.sequences.reference[0]:
            self._record_severity(session, "process", arm.first_output_file)
        later = worker.repeat(self.calls - 1)
        self._any_started = True
        arm.sequences.add(CallDigests(python, label, (built.digest, *later)))
        if is_reference:
            self._save_last(session)
        else:
            self._compare_last(session, later[-1], built.digest)

    def _save_first(self, session: WorkerSession, digest: str) -> None:
        arm = session.arm
        arm.first_output_file = self._save(session, digest)
        if self.float64_file:
            arm.accuracy = session.worker.accuracy(self.float64_file)

    def _save_last(self, session: WorkerSession) -> None:
        arm = session.arm
        if arm.sequences.moves:
            arm.last_output_file = self._save(session, arm.sequences.reference[-1])

    def _save(self, session: WorkerSession, digest: str) -> str:
        """Return a file with the worker's last outputs. Another arm may have saved these bytes."""
        if digest not in self._saved:
            path = str(self.directory / f"{id(session.arm)}-{len(self._saved)}")
            session.worker.save_outputs(path)
            self._saved[digest] = path
        return self._saved[digest]

    def _compare_last(self, session: WorkerSession, last: str, first: str) -> None:
        """Measure the severity of the last output, which the worker still holds."""
        arm = session.arm
        if arm.sequences.carries_state:
            if last != arm.sequences.reference[-1]:
                self._record_severity(session, "repeat", arm.last_output_file)
        elif last != first:
            self._record_severity(session, "repeat", arm.first_output_file)

    def _record_severity(
        self, session: WorkerSession, scope: str, reference_file: str | None
    ) -> None:
        if reference_file:
            session.arm.tallies[scope].add_severity(session.worker.severity(reference_file))
