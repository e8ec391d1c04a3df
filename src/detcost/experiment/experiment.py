"""The experiment: one scenario on one device, every setting beside ``default``.

A *block* is one fresh worker of every setting, alive side by side, taking turns
sample by sample in a random order drawn from the seed. Blocks are independent
of each other; nothing finer is. This module knows workers only by their
contract, so the whole of it is tested against fake ones.
"""

from __future__ import annotations

import os
import random
import statistics as stdlib_statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from detcost.experiment import trials
from detcost.experiment.arm import Arm
from detcost.experiment.profiles import Profile
from detcost.experiment.scopes import Variants
from detcost.experiment.supervisor import DeviceMemoryExceeded, WorkerSession, WorkerSupervisor
from detcost.intervals import block_log_ratio
from detcost.settings.grammar import DEFAULT
from detcost.workers.contract import Cell, CellError, Conditions, WorkerFactory


@dataclass(frozen=True)
class Progress:
    """How far an experiment is; ``seconds_left`` is a guess from the workers run so far."""

    scenario: str
    device: str
    doing: str
    fraction: float
    seconds_left: float

    @property
    def time_left(self) -> str:
        """``40 s`` or ``3 min``."""
        if self.seconds_left < 90:
            return f"{self.seconds_left:.0f} s"
        return f"{self.seconds_left / 60:.0f} min"

    def __str__(self) -> str:
        return f"{self.scenario} on {self.device}: {self.doing}, about {self.time_left} left"


class Experiment:
    """Measures the cells of one scenario on one device.

    Parameters
    ----------
    cells
        The cells to compare, alike but for their settings; ``default`` first.
    profile
        How much to measure.
    workers
        Where workers come from.
    scopes
        The scopes to compare in by trials of fresh workers, and the conditions of each;
        ``repeat`` comes free with the timing.
    float64_reference
        Whether the program can be built in float64, to tell how far off the others are.
    checkpoint
        Called after every block and every trial, so that what is measured so far can be kept.
    on_progress
        Called whenever a worker is done.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        profile: Profile,
        workers: WorkerFactory,
        *,
        scopes: Mapping[str, Variants],
        float64_reference: bool = False,
        checkpoint: Callable[[], None] = lambda: None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        assert cells[0].setting == DEFAULT
        self.profile = profile
        self.arms = [Arm(cell) for cell in cells]
        self.aa_arm = Arm(cells[0], control=True)
        self.two_at_a_time = False
        self.stopped_by: Literal["width", "time", "blocks"] | None = None
        self._scopes = scopes
        self._float64_reference = float64_reference
        self._workers = workers
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
        """Measure until the intervals are narrow enough or the time is up, then the rest."""
        with tempfile.TemporaryDirectory(prefix="detcost-reference-") as directory:
            self._supervisor = WorkerSupervisor(self._workers, Path(directory), self.profile.calls)
            if self._float64_reference:
                self._make_float64_reference()
            self._run_blocks()
            self._run_trials()

    # -- blocks: cost ---------------------------------------------------------------

    def _run_blocks(self) -> None:
        while self.stopped_by is None and any(arm.running for arm in self.arms):
            self._run_block()
            self._blocks_done += 1
            self._checkpoint()
            self.stopped_by = self._reason_to_stop()

    def _reason_to_stop(self) -> Literal["width", "time", "blocks"] | None:
        """Stop on width, on time or on count; never on what the figures say."""
        profile = self.profile
        if not self.arms[0].running:
            return "blocks"  # with no default there is nothing to be compared with
        if self._blocks_done in profile.looks:
            self._narrow = [arm for arm in self._compared() if self._is_narrow(arm)]
            if len(self._narrow) == len(self._compared()):
                return "width"
        if self._blocks_done >= profile.looks[-1]:
            return "blocks"
        # Three blocks are the fewest an interval is worth printing from.
        if self._blocks_done >= 3 and self._clock() - self._started > profile.seconds:
            return "time"
        return None

    def _compared(self) -> list[Arm]:
        return [arm for arm in (*self.arms[1:], self.aa_arm) if arm.running]

    def _is_narrow(self, arm: Arm) -> bool:
        width = arm.ratio().half_width
        return width is not None and width < self.profile.half_width

    def _run_block(self) -> None:
        """Run a block of what is not narrow yet, beside both workers of ``default``."""
        done = [arm for arm in self._narrow if arm is not self.aa_arm]
        everyone = [arm for arm in (self.arms[0], self.aa_arm, *self.arms[1:]) if arm.running]
        everyone = [arm for arm in everyone if arm not in done]
        if not self.two_at_a_time:
            try:
                self._run_interleaved(everyone)
                return
            except DeviceMemoryExceeded:
                self.two_at_a_time = True
        for arm in everyone[1:]:
            self._run_interleaved([everyone[0], arm])

    def _run_interleaved(self, arms: Sequence[Arm]) -> None:
        with self._seated(arms) as supervisor:
            for _ in range(self.profile.rounds):
                self._random.shuffle(supervisor)
                for session in list(supervisor):
                    if not self._supervisor.retry(
                        session, partial(self._time_burst, session), python=self._python
                    ):
                        supervisor.remove(session)
            self._reduce(supervisor)
            for session in supervisor:
                self._supervisor.record_usage(session)
                self._work_done += 1
                self._report(f"block {self._blocks_done + 1}")

    def _reduce(self, supervisor: Sequence[WorkerSession]) -> None:
        """Turn the block's bursts into one number a setting.

        Both workers of ``default`` are what the others are compared with: their mean strays
        less than one of them. The second against the first is the A/A arm.
        """
        by_arm = {id(session.arm): session.samples for session in supervisor}
        first, second = by_arm.get(id(self.arms[0])), by_arm.get(id(self.aa_arm))
        both = [times for times in (first, second) if times]
        for session in supervisor:
            session.arm.block_seconds.append(stdlib_statistics.median(session.samples))
            first_steps = [burst.first for burst in session.bursts]
            session.arm.cold_steps.append(stdlib_statistics.median(first_steps))
            if first and session.arm is self.aa_arm:
                session.arm.log_ratios.append(block_log_ratio(session.samples, first))
            elif first and session.arm is not self.arms[0]:
                rounds = zip(*both, strict=True)
                baseline = [stdlib_statistics.geometric_mean(times) for times in rounds]
                session.arm.log_ratios.append(block_log_ratio(session.samples, baseline))

    @contextmanager
    def _seated(self, arms: Sequence[Arm]) -> Iterator[list[WorkerSession]]:
        """Start and build a worker for every arm; those that fail have no session."""
        supervisor: list[WorkerSession] = []
        quiet = self._blocks_done < self.profile.quiet_builds

        def take(arm: Arm) -> None:
            session = self._supervisor.start(arm, timed=quiet, of=len(arms), python=self._python)
            if session:
                supervisor.append(
                    session
                )  # at once, so that it is closed whatever befalls the others

        try:
            with ThreadPoolExecutor(1 if quiet else self._cores) as pool:
                list(pool.map(take, arms))
            supervisor.sort(
                key=lambda session: arms.index(session.arm)
            )  # the seed decides the turns alone
            yield supervisor
        finally:
            for session in supervisor:
                session.worker.close()

    def _time_burst(self, session: WorkerSession) -> None:
        profile = self.profile
        session.bursts.append(session.worker.burst(profile.settle_seconds, profile.burst_seconds))

    @property
    def _python(self) -> int:
        """The Python of this block: each has its turn."""
        return self._blocks_done % self.profile.pythons

    # -- what else there is to know -------------------------------------------------

    def _make_float64_reference(self) -> None:
        """Run the program once in float64; without it the error of the others stays unknown."""
        path = str(Path(self._supervisor.directory) / "float64")
        with suppress(CellError):
            worker = self._workers.start(self.arms[0].cell, Conditions(float64=True))
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
        to_do = self._plan_trials(self._random)
        self._trials_left = len(to_do)
        trials.Trials(self._supervisor, at_once=self._at_once, on_trial=self._note_trial).run(to_do)

    # -- progress -------------------------------------------------------------------

    @property
    def _at_once(self) -> int:
        """WorkerFactory that may run side by side where nothing is timed."""
        return 1 if self.two_at_a_time else self._cores

    def _note_trial(self) -> None:
        self._trials_left -= 1
        self._work_done += 1 / self._at_once
        self._checkpoint()
        self._report("fresh processes")

    def _report(self, doing: str) -> None:
        """Tell how far it is, in workers that run one after the other."""
        left = self._trials_left / self._at_once
        if self.stopped_by is None:
            next_look = next((n for n in self.profile.looks if n > self._blocks_done), 0)
            in_a_block = 2 + sum(arm not in self._narrow for arm in self.arms[1:])
            left += (next_look - self._blocks_done) * in_a_block
        done = self._work_done
        elapsed = self._clock() - self._started
        cell = self.arms[0].cell
        self._on_progress(
            Progress(cell.scenario, cell.device, doing, done / (done + left), elapsed / done * left)
        )
