"""The experiment: one scenario on one device, with every setting beside ``default``.

A *block* has one fresh worker of every setting. The workers are alive side by side, and run one
burst each in every round. The seed decides the random order of each round. Only blocks are
independent of each other. This module uses workers only through their contract, so tests can run
whole experiments with fake workers.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

from detcost.experiment import trials
from detcost.experiment.arm import Arm
from detcost.experiment.profiles import Profile
from detcost.experiment.progress import Progress
from detcost.experiment.scopes import Variants
from detcost.experiment.supervisor import DeviceMemoryExceeded, WorkerSession, WorkerSupervisor
from detcost.intervals import block_log_ratio
from detcost.workers.contract import Cell, CellError, Conditions, WorkerFactory

StopReason = Literal["width", "time", "blocks"]


class Experiment:
    """Measures the cells of one scenario on one device.

    Parameters
    ----------
    cells
        The cells to compare. Costs are relative to the first: to the setting ``default``, or to one
        of two programs.
    profile
        How much to measure.
    factory
        The factory that starts the workers.
    scopes
        The scopes that need trials, each with the function that gives its conditions. Scope
        ``repeat`` needs none: its outputs come from all workers.
    float64_reference
        Whether the program can be built in float64, to measure the errors of the others.
    checkpoint
        A function to call after every block and every trial, so that results can be kept.
    on_progress
        A function to call whenever a worker has finished.
    clock
        A function that returns the time in seconds.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        profile: Profile,
        factory: WorkerFactory,
        *,
        scopes: Mapping[str, Variants],
        float64_reference: bool = False,
        checkpoint: Callable[[], None] = lambda: None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.profile = profile
        self.arms = [Arm(cell) for cell in cells]
        self.aa_arm = Arm(cells[0])  # a second default, which gets no record of its own
        self.two_at_a_time = False
        self.stopped_by: StopReason | None = None
        self._scopes = scopes
        self._float64_reference = float64_reference
        self._factory = factory
        self._random = random.Random(cells[0].seed)
        self._checkpoint = checkpoint
        self._on_progress = on_progress
        self._clock = clock
        self._started = clock()
        self._cores = os.cpu_count() or 1
        self._work_done = 0.0
        self._blocks_done = 0
        self._narrow: list[Arm] = []
        self._trials_left = len(self._plan_trials(random.Random(0)))

    def run(self) -> None:
        """Run blocks until the intervals are narrow or the time is up. Then run the trials."""
        with tempfile.TemporaryDirectory(prefix="detcost-reference-") as directory:
            self._supervisor = WorkerSupervisor(self._factory, Path(directory), self.profile.calls)
            if self._float64_reference:
                self._make_float64_reference()
            self._run_blocks()
            self._run_trials()

    # -- blocks: cost ---------------------------------------------------------------

    def _run_blocks(self) -> None:
        while self.stopped_by is None:
            self._run_block()
            self._blocks_done += 1
            self._checkpoint()
            self.stopped_by = self._reason_to_stop()

    def _reason_to_stop(self) -> StopReason | None:
        """Return why to stop: width, time or the number of blocks. Ratios are never a reason."""
        profile = self.profile
        if not self.arms[0].running:
            return "blocks"  # without default there is no baseline
        if self._blocks_done in profile.looks:
            self._narrow = [arm for arm in self._compared() if self._is_narrow(arm)]
            if len(self._narrow) == len(self._compared()):
                return "width"
        if self._blocks_done >= profile.looks[-1]:
            return "blocks"
        # With fewer than three blocks an interval is too wide to be useful.
        if self._blocks_done >= 3 and self._clock() - self._started > profile.seconds:
            return "time"
        return None

    def _compared(self) -> list[Arm]:
        return [arm for arm in (*self.arms[1:], self.aa_arm) if arm.running]

    def _is_narrow(self, arm: Arm) -> bool:
        width = arm.ratio().half_width
        return width is not None and width < self.profile.half_width

    def _run_block(self) -> None:
        """Run a block of both workers of ``default`` and of the arms that are not narrow yet."""
        wide = [arm for arm in self.arms[1:] if arm not in self._narrow]
        first, *others = [arm for arm in (self.arms[0], self.aa_arm, *wide) if arm.running]
        if not self.two_at_a_time:
            try:
                self._run_interleaved([first, *others])
                return
            except DeviceMemoryExceeded:
                self.two_at_a_time = True
        for arm in others:
            self._run_interleaved([first, arm])

    def _run_interleaved(self, arms: Sequence[Arm]) -> None:
        """Time the arms burst by burst, in a new random order in every round."""
        with self._sessions(arms) as sessions:
            for _ in range(self.profile.rounds):
                self._random.shuffle(sessions)
                for session in list(sessions):
                    action = partial(self._time_burst, session)
                    if not self._supervisor.retry(session, action, python=self._python):
                        sessions.remove(session)
            self._reduce(sessions)
            for session in sessions:
                self._supervisor.record_usage(session)
                self._work_done += 1
                self._report(f"block {self._blocks_done + 1}")

    def _reduce(self, sessions: Sequence[WorkerSession]) -> None:
        """Reduce the bursts of the block to one number for each setting.

        The baseline is the mean of both workers of ``default``, which varies less than one of
        them. The ratio of the second worker to the first is the A/A comparison.
        """
        by_arm = {id(session.arm): session.samples for session in sessions}
        first, second = by_arm.get(id(self.arms[0])), by_arm.get(id(self.aa_arm))
        both = [samples for samples in (first, second) if samples]
        for session in sessions:
            arm = session.arm
            arm.block_seconds.append(statistics.median(session.samples))
            arm.cold_steps.append(statistics.median(burst.first for burst in session.bursts))
            if first and arm is self.aa_arm:
                arm.log_ratios.append(block_log_ratio(session.samples, first))
            elif first and arm is not self.arms[0]:
                rounds = zip(*both, strict=True)
                baseline = [statistics.geometric_mean(samples) for samples in rounds]
                arm.log_ratios.append(block_log_ratio(session.samples, baseline))

    @contextmanager
    def _sessions(self, arms: Sequence[Arm]) -> Iterator[list[WorkerSession]]:
        """Start and build a worker for every arm. An arm that fails has no session."""
        sessions: list[WorkerSession] = []
        one_at_a_time = self._blocks_done < self.profile.quiet_builds

        def start(arm: Arm) -> None:
            self._report(f"block {self._blocks_done + 1}: first calls under {arm.cell.setting}")
            session = self._supervisor.start(
                arm, timed=one_at_a_time, side_by_side=len(arms), python=self._python
            )
            if session:
                sessions.append(session)  # at once, so that it is closed if another start fails

        try:
            with ThreadPoolExecutor(1 if one_at_a_time else self._cores) as executor:
                list(executor.map(start, arms))
            # Only the seed decides the order of the rounds, and not who started first.
            sessions.sort(key=lambda session: arms.index(session.arm))
            yield sessions
        finally:
            for session in sessions:
                session.worker.close()

    def _time_burst(self, session: WorkerSession) -> None:
        profile = self.profile
        session.bursts.append(session.worker.burst(profile.settle_seconds, profile.burst_seconds))

    @property
    def _python(self) -> int:
        """The number of this block's Python process. Blocks use all of them in turn."""
        return self._blocks_done % self.profile.pythons

    # -- trials: divergence -----------------------------------------------------------

    def _make_float64_reference(self) -> None:
        """Run the program once in float64. If that fails, the errors stay unknown."""
        path = str(self._supervisor.directory / "float64")
        with suppress(CellError):
            worker = self._factory.start(self.arms[0].cell, Conditions(float64=True))
            try:
                worker.build()
                worker.save_outputs(path)
                self._supervisor.float64_file = path
            finally:
                worker.close()

    def _plan_trials(self, chance: random.Random) -> list[trials.Trial]:
        alive = [arm for arm in self.arms if arm.running]
        return trials.plan(alive, self.profile, self._scopes, chance)

    def _run_trials(self) -> None:
        planned = self._plan_trials(self._random)
        self._trials_left = len(planned)
        end = self._clock() + self.profile.trials_seconds
        trials.TrialRunner(
            self._supervisor,
            at_once=self._at_once,
            on_trial=self._finish_trial,
            time_is_up=lambda: self._clock() > end,
        ).run(planned)

    # -- progress -------------------------------------------------------------------

    @property
    def _at_once(self) -> int:
        """The number of workers that may run side by side while nothing is timed."""
        return 1 if self.two_at_a_time else self._cores

    def _finish_trial(self) -> None:
        self._trials_left -= 1
        self._work_done += 1 / self._at_once
        self._checkpoint()
        self._report("fresh processes")

    def _report(self, doing: str) -> None:
        """Report the progress. The unit of work is one worker, run alone."""
        left = self._trials_left / self._at_once
        if self.stopped_by is None:
            next_look = next(n for n in self.profile.looks if n > self._blocks_done)
            in_a_block = 2 + sum(arm not in self._narrow for arm in self.arms[1:])
            left += (next_look - self._blocks_done) * in_a_block
        done = self._work_done
        elapsed = self._clock() - self._started
        cell = self.arms[0].cell
        seconds_left = elapsed / done * left if done else None
        self._on_progress(
            Progress(cell.scenario, cell.device, doing, done / (done + left), seconds_left)
        )
