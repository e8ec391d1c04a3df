"""An arm: one cell of an experiment, with all results so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from detcost import intervals
from detcost.evidence.following import Following
from detcost.evidence.schema import (
    SCOPES,
    Cost,
    Divergence,
    RepeatedDraws,
    SameBits,
    Status,
    StepSeconds,
)
from detcost.experiment.sequences import Sequences
from detcost.experiment.tally import Tally
from detcost.outputs import severity
from detcost.outputs.severity import Severity
from detcost.workers.contract import Cell, CellError, ProgramRaised, Usage, WorkerLost

#: Workers that a cell may lose before it is given up.
TRIES = 3
#: Workers that a cell may lose if the last one hung. Each of them costs its whole time limit.
TRIES_OF_HANGING = 2


def tries(error: WorkerLost) -> int:
    """Return how many workers a cell may lose, if the last one is lost in this way."""
    return TRIES_OF_HANGING if error.status == "timed_out" else TRIES


def given_up(error: WorkerLost) -> str:
    """Return the reason of a cell or a condition that is given up."""
    return f"{error.reason} (given up after {tries(error)} workers)"


@dataclass(eq=False)
class Arm:
    """A cell in the experiment, and its results so far.

    Attributes
    ----------
    lost
        Workers that died or hung.
    failed_at_start
        Whether the program raised an exception when it was built or first called.
    sequences
        The digests of the outputs of its processes.
    tallies
        The comparisons of its trials, by scope.
    following
        Its processes, followed over many steps.
    repeated_draws
        How it was seen that every call draws the same numbers.
    """

    cell: Cell
    status: Status = "ok"
    reason: str | None = None
    lost: int = 0
    failed_at_start: bool = False
    first_output_file: str | None = None
    last_output_file: str | None = None
    applied: dict[str, Any] = field(default_factory=dict)
    overridden: list[str] = field(default_factory=list)
    first_calls: list[float] = field(default_factory=list)
    cold_steps: list[float] = field(default_factory=list)
    block_seconds: list[float] = field(default_factory=list)
    log_ratios: list[float] = field(default_factory=list)
    sequences: Sequences = field(default_factory=Sequences)
    tallies: dict[str, Tally] = field(default_factory=lambda: {scope: Tally() for scope in SCOPES})
    usages: list[Usage] = field(default_factory=list)
    accuracy: float | None = None
    following: Following | None = None
    repeated_draws: RepeatedDraws | None = None

    @property
    def running(self) -> bool:
        """Whether the cell can still be measured."""
        return self.status == "ok"

    def fail(self, error: CellError) -> None:
        """Count a lost worker. Give the cell up if another worker would not help."""
        if isinstance(error, WorkerLost):
            self.lost += 1
            if self.lost < tries(error):
                return
            self.reason = given_up(error)
        else:
            self.reason = error.reason
        self.status = error.status

    def fail_at_start(self, error: CellError) -> None:
        """Fail at the build or at the first call; see :meth:`recorded_status`."""
        self.failed_at_start = isinstance(error, ProgramRaised)
        self.fail(error)

    def recorded_status(self, default: Arm) -> tuple[Status, str | None]:
        """Return status and reason for the record.

        If the program runs under ``default`` and raises an exception under the setting when it is
        built or first called, the setting does not implement it. The type of the exception does
        not matter.
        """
        if self.failed_at_start and default.sequences:
            return "unimplemented", self.reason
        return self.status, self.reason

    @property
    def severity(self) -> Severity | None:
        """The greatest difference in any scope."""
        return reduce(severity.worst, (s.severity for s in self.divergence().values()), None)

    def ratio(self) -> intervals.RatioEstimate:
        """Return the cost, estimated from the blocks so far."""
        return intervals.ratio(self.log_ratios)

    def cost(self) -> Cost | None:
        """Return the cost for the record; ``None`` before the first block is done."""
        if not self.log_ratios:
            return None
        estimate = self.ratio()
        return Cost(
            ratio=estimate.ratio,
            low=estimate.low,
            high=estimate.high,
            blocks=estimate.blocks,
            block_ratios=[math.exp(value) for value in self.log_ratios],
            verdict=intervals.verdict(estimate.low, estimate.high),
            why=intervals.ambiguity(estimate.low, estimate.high),
            hodges_lehmann=estimate.hodges_lehmann,
        )

    def step_seconds(self) -> StepSeconds | None:
        """Return the step time, estimated from the medians of the blocks."""
        if not self.block_seconds:
            return None
        estimate = intervals.median_interval(self.block_seconds)
        return StepSeconds(estimate.median, estimate.low, estimate.high, list(self.block_seconds))

    @property
    def first_call_seconds(self) -> float | None:
        """The median of the first calls; ``None`` if none was timed."""
        return _median(self.first_calls)

    @property
    def cold_step_seconds(self) -> float | None:
        """The median of the blocks' first steps after the worker was idle."""
        return _median(self.cold_steps)

    def divergence(self) -> dict[str, Divergence]:
        """Return the summary of every scope that has comparisons, or a reason for having none."""
        own = {"repeat": self.sequences.within(), "process": self.sequences.between()}
        tallies = {
            scope: tally.with_comparisons(own[scope]) if scope in own else tally
            for scope, tally in self.tallies.items()
        }
        return {
            scope: tally.summary()
            for scope, tally in tallies.items()
            if tally.trials or tally.reason or tally.skipped
        }

    def same_bits_as(self, default: Arm) -> SameBits | None:
        """Return whether the reference equals that of ``default``; ``None`` if one is missing."""
        if not self.sequences or not default.sequences:
            return None
        if default.varies:
            return "default varies"
        same = self.sequences.reference == default.sequences.reference
        return "yes" if same else "no"

    @property
    def varies(self) -> bool:
        """Whether outputs differ with nothing changed."""
        comparisons = (*self.sequences.within(), *self.sequences.between())
        return any(comparison.differs for comparison in comparisons)

    def peak(self, name: str) -> int | None:
        """Return the greatest value of a field of :class:`Usage`; ``None`` if it is unknown."""
        values = [getattr(usage, name) for usage in self.usages]
        return max((value for value in values if value is not None), default=None)


def _median(seconds: list[float]) -> float | None:
    return intervals.median_interval(seconds).median if seconds else None
