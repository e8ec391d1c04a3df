"""Trials: fresh workers, each in conditions of its own, whose first output is compared.

Nothing here is timed, so as many run at once as there are cores.
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
from detcost.experiment.arm import TRIES, Arm
from detcost.experiment.profiles import Profile
from detcost.experiment.scopes import Variants
from detcost.experiment.supervisor import WorkerSupervisor
from detcost.host.noisy_neighbours import NeighbourLost
from detcost.workers.contract import UNPERTURBED, CellError, Conditions, WorkerLost


@dataclass(frozen=True)
class Trial:
    """One fresh worker to start: of which cell, for which scope, in which conditions."""

    arm: Arm
    scope: str
    conditions: Conditions
    python: int = 0


def plan(
    arms: Sequence[Arm], profile: Profile, scopes: Mapping[str, Variants], chance: random.Random
) -> list[Trial]:
    """Return the trials still to run, their number fixed by what is known before they start.

    ``process`` counts what the blocks' workers have compared already. In the other scopes
    every variant is tried equally often. A scope that means nothing to a cell leaves its reason.
    """
    trials = []
    for arm in arms:
        for scope, variants in scopes.items():
            try:
                found = variants(arm.cell)
            except CellError as error:
                arm.tallies[scope].reason = error.reason
                continue
            if scope == "process":
                wanted = _processes(arm, profile)
            else:
                each_way = math.ceil(profile.trials / len(found))
                wanted = [Trial(arm, scope, way) for way in found * each_way]
            arm.tallies[scope].expect(trial.conditions.label for trial in wanted)
            trials += wanted
    chance.shuffle(trials)  # no cell and no variant has a stretch of time to itself
    return trials


def _processes(arm: Arm, profile: Profile) -> list[Trial]:
    """Return the processes still to start, from every Python equally often, as far as it goes."""
    done = max(0, len(arm.sequences) - 1)
    quiet = [UNPERTURBED] * (profile.processes - profile.perturbed - done)
    ways = quiet + perturbations.plan(profile.perturbed, arm.cell.seed)
    return [
        Trial(arm, "process", way, python=number % profile.pythons)
        for number, way in enumerate(ways, start=len(arm.sequences))
    ]


def _counted_in(trial: Trial) -> tuple[str, ...]:
    return ("process", "repeat") if trial.scope == "process" else (trial.scope,)


class Trials:
    """Runs trials.

    Parameters
    ----------
    supervisor
        Gives workers to arms.
    at_once
        WorkerFactory alive at a time.
    on_trial
        Called after every trial.
    """

    def __init__(self, supervisor: WorkerSupervisor, *, at_once: int, on_trial: Callable[[], None]):
        self._supervisor = supervisor
        self._at_once = at_once
        self._on_trial = on_trial

    def run(self, trials: Sequence[Trial]) -> None:
        """Run them all, those that want the same neighbour together."""

        def kind(trial: Trial) -> str:
            return trial.conditions.neighbour or ""

        for wanted, group in itertools.groupby(sorted(trials, key=kind), key=kind):
            together = list(group)
            try:
                with self._supervisor.workers.neighbour(wanted) if wanted else nullcontext():
                    self._run_together(together)
            except NeighbourLost as error:
                for trial in together:
                    for scope in _counted_in(trial):
                        trial.arm.tallies[scope].discard(wanted, str(error))

    def _run_together(self, trials: Sequence[Trial]) -> None:
        with ThreadPoolExecutor(self._at_once) as pool:
            running = [pool.submit(self._run_one, trial) for trial in trials]
            try:
                for one in running:
                    one.result()
                    self._on_trial()
            except BaseException:  # an interrupt must not wait for those still to come
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _run_one(self, trial: Trial) -> None:
        if trial.conditions == UNPERTURBED:
            self._run_quiet(trial)
        else:
            self._run_varied(trial)

    def _run_quiet(self, trial: Trial) -> None:
        """One more process of the cell as it is; a cell that cannot run is given up."""
        session = self._supervisor.start(trial.arm, timed=False, of=1, python=trial.python)
        if session:
            self._supervisor.record_usage(session)
            session.worker.close()

    def _run_varied(self, trial: Trial) -> None:
        """One process in other conditions; if it cannot run, those are skipped, not the cell."""
        arm, label = trial.arm, trial.conditions.label
        tally = arm.tallies[trial.scope]
        for attempt in range(1, TRIES + 1):
            if label in tally.skipped or not arm.running:
                return
            try:
                self._compare(trial)
                return
            except WorkerLost as error:
                if attempt == TRIES:
                    tally.skip(label, f"{error.reason} (given up after {TRIES} workers)")
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
            self._compare_once(trial)

    def _compare_once(self, trial: Trial) -> None:
        """Compare the first output, or with state all of the first calls."""
        arm = trial.arm
        worker = self._supervisor.workers.start(arm.cell, trial.conditions)
        try:
            digests: tuple[str, ...] = (worker.build().digest,)
            reference_file = arm.first_output_file
            if arm.sequences.carries_state:
                digests += tuple(worker.repeat(self._supervisor.calls - 1))
                reference_file = arm.last_output_file
            found = arm.sequences.compare(digests, trial.conditions.label)
            arm.tallies[trial.scope].add(found)
            if digests[-1] != arm.sequences.reference[len(digests) - 1] and reference_file:
                arm.tallies[trial.scope].add_severity(worker.severity(reference_file))
        finally:
            worker.close()
