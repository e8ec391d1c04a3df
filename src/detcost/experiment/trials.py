"""Trials: fresh workers, each in its own conditions, whose first outputs are compared.

Nothing is timed here, so as many trials run at once as there are cores.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

from detcost.experiment import perturbations
from detcost.experiment.arm import Arm, given_up, tries
from detcost.experiment.profiles import Profile
from detcost.experiment.scopes import Variants
from detcost.experiment.supervisor import WorkerSupervisor
from detcost.host.noisy_neighbours import NeighbourLost
from detcost.workers.contract import UNPERTURBED, CellError, Conditions, WorkerLost


@dataclass(frozen=True)
class Trial:
    """One fresh worker to start: for which cell and scope, and in which conditions."""

    arm: Arm
    scope: str
    conditions: Conditions
    python: int = 0

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the trial counts for."""
        return ("process", "repeat") if self.scope == "process" else (self.scope,)


def plan(
    arms: Sequence[Arm], profile: Profile, scopes: Mapping[str, Variants], chance: random.Random
) -> list[Trial]:
    """Return the trials to run. Their number is fixed before the first one starts.

    Scope ``process`` needs fewer trials, because the blocks have compared some processes. In the
    other scopes every variant runs equally often. If a scope does not apply to a cell, the cell's
    tally gets the reason.
    """
    trials: list[Trial] = []
    for arm in arms:
        for scope, variants in scopes.items():
            try:
                conditions = variants(arm.cell)
            except CellError as error:
                arm.tallies[scope].reason = error.reason
                continue
            if scope == "process":
                planned = _processes(arm, profile)
            else:
                times = math.ceil(profile.trials / len(conditions))
                planned = [Trial(arm, scope, variant) for variant in conditions * times]
            arm.tallies[scope].expect(trial.conditions.label for trial in planned)
            trials += planned
    chance.shuffle(trials)  # so that no cell and no variant runs in one stretch of time
    return trials


def _processes(arm: Arm, profile: Profile) -> list[Trial]:
    """Return the processes still to start, as equally as possible from every Python."""
    done = max(0, len(arm.sequences) - 1)
    unperturbed = [UNPERTURBED] * (profile.processes - profile.perturbed - done)
    conditions = unperturbed + perturbations.plan(profile.perturbed, arm.cell.seed)
    return [
        Trial(arm, "process", variant, python=number % profile.pythons)
        for number, variant in enumerate(conditions, start=len(arm.sequences))
    ]


class TrialRunner:
    """Runs trials.

    Parameters
    ----------
    supervisor
        Starts the workers.
    at_once
        The number of workers that may be alive at once.
    on_trial
        A function to call after every trial.
    time_is_up
        A function that returns whether no further trial may begin.
    """

    def __init__(
        self,
        supervisor: WorkerSupervisor,
        *,
        at_once: int,
        on_trial: Callable[[], None],
        time_is_up: Callable[[], bool] = lambda: False,
    ):
        self._supervisor = supervisor
        self._at_once = at_once
        self._on_trial = on_trial
        self._time_is_up = time_is_up

    def run(self, trials: Sequence[Trial]) -> None:
        """Run all trials. Trials that need the same neighbour run together."""

        def neighbour(trial: Trial) -> str:
            return trial.conditions.neighbour or ""

        for kind, group in itertools.groupby(sorted(trials, key=neighbour), key=neighbour):
            together = list(group)
            try:
                with self._supervisor.factory.neighbour(kind) if kind else nullcontext():
                    self._run_together(together)
            except NeighbourLost as error:
                for trial in together:
                    for scope in trial.scopes:
                        trial.arm.tallies[scope].discard(kind, str(error))

    def _run_together(self, trials: Sequence[Trial]) -> None:
        with ThreadPoolExecutor(self._at_once) as executor:
            running = [executor.submit(self._run_one, trial) for trial in trials]
            try:
                for future in running:
                    future.result()
                    self._on_trial()
            except BaseException:  # an interrupt must not wait for the remaining trials
                executor.shutdown(cancel_futures=True)
                raise

    def _run_one(self, trial: Trial) -> None:
        if self._time_is_up():
            return
        if trial.conditions == UNPERTURBED:
            self._run_unperturbed(trial)
        else:
            self._run_in_conditions(trial)

    def _run_unperturbed(self, trial: Trial) -> None:
        """Run one more process of the cell. If the process cannot run, the cell is given up."""
        session = self._supervisor.start(
            trial.arm, timed=False, side_by_side=1, python=trial.python
        )
        if session:
            self._supervisor.record_usage(session)
            session.worker.close()

    def _run_in_conditions(self, trial: Trial) -> None:
        """Run one process in other conditions. If it cannot run, these conditions are skipped."""
        arm, label = trial.arm, trial.conditions.label
        tally = arm.tallies[trial.scope]
        for attempt in itertools.count(1):
            if label in tally.skipped or not arm.running:
                return
            try:
                self._compare(trial)
                return
            except WorkerLost as error:
                if attempt >= tries(error):
                    tally.skip(label, given_up(error))
            except CellError as error:
                tally.skip(label, error.reason)

    def _compare(self, trial: Trial) -> None:
        if not trial.arm.sequences:
            raise CellError("failed", f"{trial.arm.cell.setting} gave no output to compare with")
        if trial.scope == "process":
            self._supervisor.start_once(
                trial.arm, timed=False, python=trial.python, conditions=trial.conditions
            ).worker.close()
        else:
            self._compare_with_reference(trial)

    def _compare_with_reference(self, trial: Trial) -> None:
        """Compare the first output, or the outputs of all first calls if the cell has state."""
        arm = trial.arm
        tally = arm.tallies[trial.scope]
        worker = self._supervisor.factory.start(arm.cell, trial.conditions)
        try:
            digests: tuple[str, ...] = (worker.build().digest,)
            reference_file = arm.first_output_file
            if arm.sequences.carries_state:
                digests += tuple(worker.repeat(self._supervisor.calls - 1))
                reference_file = arm.last_output_file
            tally.add(arm.sequences.compare(digests, trial.conditions.label))
            if digests[-1] != arm.sequences.reference[len(digests) - 1] and reference_file:
                tally.add_severity(worker.severity(reference_file))
        finally:
            worker.close()
