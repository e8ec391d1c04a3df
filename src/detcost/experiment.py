"""The experiment: one scenario on one device, every setting beside ``default``.

A *block* is one fresh worker of every setting, alive side by side, taking turns
sample by sample in a random order drawn from the seed. Blocks are independent
of each other; nothing finer is. This module knows workers only by their
contract, so the whole of it is tested against fake ones.
"""

from __future__ import annotations

import math
import os
import random
import statistics as stdlib_statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from detcost.arm import Arm
from detcost.profiles import Profile
from detcost.settings import DEFAULT
from detcost.statistics import block_log_ratio
from detcost.workers.contract import Built, Cell, CellError, Worker, WorkerLost, Workers

WARM_UP_STEPS = 3
#: Seconds a sample lasts at least, so that reading the clock is far under 1 % of it.
SAMPLE_SECONDS = 1e-3


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


@dataclass(eq=False)
class _Seat:
    """An arm's place in a block: its worker, and how many steps make a sample."""

    arm: Arm
    worker: Worker
    first: str = ""
    steps: int = 1
    samples: list[float] = field(default_factory=list)
    severity_known: bool = False


class _TooTight(Exception):
    """Device memory does not hold every setting's worker at once."""


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
        The scopes of divergence to compare in; ``repeat`` comes free with the timing.
    on_block
        Called after every block, so that what is measured so far can be kept.
    on_progress
        Called whenever a worker is done.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        profile: Profile,
        workers: Workers,
        *,
        scopes: Sequence[str] = ("repeat", "process"),
        on_block: Callable[[], None] = lambda: None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        assert cells[0].setting == DEFAULT
        self.profile = profile
        self.arms = [Arm(cell) for cell in cells]
        self.same = Arm(cells[0], control=True)
        self.two_at_a_time = False
        self.stopped_by: Literal["width", "time", "blocks"] | None = None
        self.scopes = tuple(scopes)
        self._workers = workers
        self._random = random.Random(cells[0].seed)
        self._on_block = on_block
        self._on_progress = on_progress
        self._clock = clock
        self._started = clock()
        self._cores = os.cpu_count() or 1
        self._workers_done = 0
        self._blocks_done = 0

    def run(self) -> None:
        """Measure until the intervals are narrow enough or the time is up, then the rest."""
        with tempfile.TemporaryDirectory(prefix="detcost-reference-") as self._directory:
            self._run_blocks()
            if "process" in self.scopes:
                self._run_processes()

    # -- blocks: cost ---------------------------------------------------------------

    def _run_blocks(self) -> None:
        while self.stopped_by is None and any(arm.running for arm in self.arms):
            self._run_block()
            self._blocks_done += 1
            self._on_block()
            self.stopped_by = self._reason_to_stop()

    def _reason_to_stop(self) -> Literal["width", "time", "blocks"] | None:
        """Stop on width, on time or on count; never on what the figures say."""
        profile = self.profile
        if not self.arms[0].running:
            return "blocks"  # with no default there is nothing to be compared with
        if self._blocks_done in profile.looks and self._narrow_enough():
            return "width"
        if self._blocks_done >= profile.looks[-1]:
            return "blocks"
        # Three blocks are the fewest an interval is worth printing from.
        if self._blocks_done >= 3 and self._clock() - self._started > profile.seconds:
            return "time"
        return None

    def _narrow_enough(self) -> bool:
        compared = [arm for arm in (*self.arms[1:], self.same) if arm.running]
        widths = [arm.ratio().half_width for arm in compared]
        return all(width is not None and width < self.profile.half_width for width in widths)

    def _run_block(self) -> None:
        everyone = [arm for arm in (self.arms[0], self.same, *self.arms[1:]) if arm.running]
        if not self.two_at_a_time:
            try:
                self._take_turns(everyone)
                return
            except _TooTight:
                self.two_at_a_time = True
        for arm in everyone[1:]:
            self._take_turns([everyone[0], arm])

    def _take_turns(self, arms: Sequence[Arm]) -> None:
        with self._seated(arms) as seats:
            for seat in list(seats):
                if not self._persist(seat, partial(self._warm_up, seat)):
                    seats.remove(seat)
            for _ in range(self.profile.rounds):
                self._random.shuffle(seats)
                for seat in list(seats):
                    if not self._persist(seat, partial(self._sample, seat)):
                        seats.remove(seat)
            self._reduce(seats)
            for seat in seats:
                self._retire(seat)

    def _reduce(self, seats: Sequence[_Seat]) -> None:
        """Turn the block's samples into one number a setting."""
        baseline = next((seat for seat in seats if seat.arm is self.arms[0]), None)
        for seat in seats:
            seat.arm.block_seconds.append(stdlib_statistics.median(seat.samples))
            if baseline and seat is not baseline:
                seat.arm.log_ratios.append(block_log_ratio(seat.samples, baseline.samples))

    # -- workers: fresh processes ------------------------------------------------------

    @contextmanager
    def _seated(self, arms: Sequence[Arm]) -> Iterator[list[_Seat]]:
        """Start and build a worker for every arm; those that fail have no seat."""
        seats: list[_Seat] = []
        quiet = self._blocks_done < self.profile.quiet_builds

        def take(arm: Arm) -> None:
            seat = self._seat(arm, timed=quiet, of=len(arms))
            if seat:
                seats.append(seat)  # at once, so that it is closed whatever befalls the others

        try:
            with ThreadPoolExecutor(1 if quiet else self._cores) as pool:
                list(pool.map(take, arms))
            seats.sort(key=lambda seat: arms.index(seat.arm))  # the seed decides the turns alone
            yield seats
        finally:
            for seat in seats:
                seat.worker.close()

    def _seat(self, arm: Arm, timed: bool, of: int) -> _Seat | None:
        """Return the arm's seat with a built worker, or ``None`` once the cell is given up."""
        while arm.running:
            try:
                seat = _Seat(arm, self._workers.start(arm.cell))
            except CellError as error:
                arm.fail(error)
                continue
            try:
                self._note_build(seat, seat.worker.build(), timed)
                return seat
            except CellError as error:
                seat.worker.close()
                if error.status == "out_of_memory" and of > 2:
                    raise _TooTight from None
                arm.fail(error)
        return None

    def _note_build(self, seat: _Seat, built: Built, timed: bool) -> None:
        arm = seat.arm
        seat.first = built.digest
        arm.applied = built.applied
        if timed:
            arm.first_calls.append(built.seconds)
        if arm.reference is None:
            arm.reference = built.digest
            arm.reference_file = str(Path(self._directory) / str(id(arm)))
            seat.worker.save_outputs(arm.reference_file)
        elif arm.processes.compare(built.digest, arm.reference):
            self._note_severity(seat)

    def _warm_up(self, seat: _Seat) -> None:
        seconds = seat.worker.warm_up(WARM_UP_STEPS)
        seat.steps = max(1, math.ceil(SAMPLE_SECONDS / max(seconds, 1e-9)))

    def _sample(self, seat: _Seat) -> None:
        sample = seat.worker.sample(seat.steps)
        self._note_repeats(seat, [sample.digest])
        seat.samples.append(sample.seconds / seat.steps)

    def _note_repeats(self, seat: _Seat, digests: Sequence[str]) -> None:
        """Compare outputs of one process with its own first, and the last one's values once."""
        differ = [seat.arm.repeats.compare(digest, seat.first) for digest in digests]
        if differ[-1]:
            self._note_severity(seat)

    def _note_severity(self, seat: _Seat) -> None:
        """Compare the values the worker holds with the reference's; once a worker is enough."""
        if seat.severity_known or seat.arm.reference_file is None:
            return
        seat.severity_known = True
        seat.arm.add_severity(seat.worker.severity(seat.arm.reference_file))

    def _persist(self, seat: _Seat, action: Callable[[], None]) -> bool:
        """Do it, with a new worker where the old one is lost; false once the cell is given up."""
        cold = False
        while True:
            try:
                if cold:
                    self._warm_up(seat)
                action()
                return True
            except CellError as error:
                seat.arm.fail(error)
                seat.worker.close()
            replacement = self._seat(seat.arm, timed=False, of=1)
            if replacement is None:
                return False
            seat.worker, seat.first = replacement.worker, replacement.first
            seat.severity_known = False
            cold = True

    def _retire(self, seat: _Seat) -> None:
        with suppress(WorkerLost):  # everything it was started for is already here
            seat.arm.usages.append(seat.worker.usage())
        self._workers_done += 1
        self._report("blocks")

    # -- processes: divergence ---------------------------------------------------------

    def _run_processes(self) -> None:
        """Bring every cell to the number of fresh processes fixed in advance.

        Nothing is timed here, so as many run at once as there are cores.
        """
        jobs = [
            arm
            for arm in self.arms
            if arm.running
            for _ in range(self.profile.processes - arm.processes.trials)
        ]
        with ThreadPoolExecutor(1 if self.two_at_a_time else self._cores) as pool:
            list(pool.map(self._run_process, jobs))

    def _run_process(self, arm: Arm) -> None:
        seat = self._seat(arm, timed=False, of=1)
        if seat is None:
            return
        try:
            if self._persist(
                seat,
                lambda: self._note_repeats(seat, seat.worker.repeat(self.profile.rounds)),
            ):
                self._retire(seat)
        finally:
            seat.worker.close()

    def _report(self, doing: str) -> None:
        done = self._workers_done
        alive = sum(arm.running for arm in self.arms)
        rest = 0
        if "process" in self.scopes:
            rest = sum(
                max(0, self.profile.processes + 1 - len(arm.usages))
                for arm in self.arms
                if arm.running
            )
        if self.stopped_by is None:
            next_look = next((n for n in self.profile.looks if n > self._blocks_done), 0)
            rest = max(rest, (next_look - self._blocks_done) * (alive + 1))
        elapsed = self._clock() - self._started
        cell = self.arms[0].cell
        self._on_progress(
            Progress(
                cell.scenario,
                cell.device,
                f"block {self._blocks_done + 1}" if self.stopped_by is None else "fresh processes",
                done / (done + rest),
                elapsed / done * rest,
            )
        )
