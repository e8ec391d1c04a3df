"""An arm: one cell of an experiment, with all results so far."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from detcost import intervals
from detcost.evidence.schema import SCOPES, Cost, Divergence, SameBits, Status, StepSeconds, Variant
from detcost.experiment.sequences import BitComparison, Sequences
from detcost.outputs import severity
from detcost.outputs.severity import Severity
from detcost.workers.contract import Cell, CellError, ProgramRaised, Usage, WorkerLost

#: Workers that a cell may lose before it is given up.
TRIES = 3


@dataclass
class _Outcomes:
    """The comparisons made in one condition."""

    divergent: int = 0
    trials: int = 0
    outputs: set[str] = field(default_factory=set)


@dataclass
class Tally:
    """The comparisons of one scope, by condition. Several threads may add to it."""

    reason: str | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    first_call: int | None = None
    _outcomes: dict[str, _Outcomes] = field(default_factory=dict)
    _references: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def divergent(self) -> int:
        """How many comparisons found a difference."""
        return sum(outcomes.divergent for outcomes in self._outcomes.values())

    @property
    def trials(self) -> int:
        """How many comparisons were made."""
        return sum(outcomes.trials for outcomes in self._outcomes.values())

    def add(self, comparison: BitComparison) -> None:
        """Count one comparison."""
        with self._lock:
            self._references.add(comparison.reference)
            outcomes = self._outcomes.setdefault(comparison.label, _Outcomes())
            outcomes.outputs.add(comparison.output)
            outcomes.trials += 1
            outcomes.divergent += comparison.differs
            if call := comparison.first_call:
                self.first_call = min(call, self.first_call or call)

    def expect(self, labels: Iterable[str]) -> None:
        """Fix the order of the conditions in the summary. They are tried in any order."""
        for label in labels:
            self._outcomes.setdefault(label, _Outcomes())

    def skip(self, label: str, reason: str) -> None:
        """Record that a condition cannot be tried."""
        with self._lock:
            self.skipped[label] = reason

    def discard(self, label: str, reason: str) -> None:
        """Remove the comparisons of a condition that did not hold after all."""
        with self._lock:
            self._outcomes.pop(label, None)
            self.skipped[label] = reason

    def add_severity(self, new: Severity) -> None:
        """Keep the greater difference of the two."""
        with self._lock:
            self.severity = severity.worst(self.severity, new)

    def with_comparisons(self, comparisons: Iterable[BitComparison]) -> Tally:
        """Return a tally that counts only these comparisons, in the conditions not skipped."""
        tally = copy(self)
        tally._outcomes = {label: _Outcomes() for label in self._outcomes}
        tally._references = set()
        for comparison in comparisons:
            if comparison.label not in self.skipped:
                tally.add(comparison)
        if not tally.divergent:  # a race among few processes can turn out to be state
            tally.severity = None
        return tally

    def summary(self) -> Divergence:
        """Return the rate with its interval, and the result of each condition."""
        with self._lock:
            return self._summary()

    def _summary(self) -> Divergence:
        estimate = intervals.rate_or_bound(self.divergent, self.trials)
        outputs = self._references.union(*(o.outputs for o in self._outcomes.values()))
        return Divergence(
            divergent=self.divergent,
            trials=self.trials,
            rate=estimate.rate,
            low=estimate.low,
            high=estimate.high,
            distinct=len(outputs),
            variants=[_variant(label, o) for label, o in self._outcomes.items() if o.trials],
            skipped=dict(self.skipped),
            reason=self.reason,
            first_call=self.first_call,
            severity=self.severity,
        )


def _variant(label: str, outcomes: _Outcomes) -> Variant:
    digest = next(iter(outcomes.outputs)) if len(outcomes.outputs) == 1 else None
    return Variant(label, outcomes.divergent, outcomes.trials, len(outcomes.outputs), digest)


@dataclass(eq=False)
class Arm:
    """A cell in the experiment, and its results so far.

    Attributes
    ----------
    control
        Whether this is the A/A arm: a second ``default``, which gets no record.
    lost
        Workers that died or hung.
    failed_at_start
        Whether the program raised an exception when it was built or first called.
    sequences
        The digests of the outputs of its processes.
    tallies
        The comparisons of its trials, by scope.
    """

    cell: Cell
    control: bool = False
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

    @property
    def running(self) -> bool:
        """Whether the cell can still be measured."""
        return self.status == "ok"

    def fail(self, error: CellError) -> None:
        """Count a lost worker. Give the cell up if another worker would not help."""
        if isinstance(error, WorkerLost):
            self.lost += 1
            if self.lost < TRIES:
                return
            self.reason = f"{error.reason} (given up after {TRIES} workers)"
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
