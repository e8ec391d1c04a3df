"""One cell of an experiment: everything observed of it so far."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from detcost import intervals
from detcost.evidence.schema import SCOPES, Cost, Divergence, SameBits, Status, StepSeconds, Variant
from detcost.experiment.sequences import BitComparison, Sequences
from detcost.outputs import severity
from detcost.outputs.severity import Severity
from detcost.workers.contract import Cell, CellError, ProgramRaised, Usage, WorkerLost

#: WorkerFactory a cell may lose before it is given up.
TRIES = 3


@dataclass
class _Outcomes:
    """The comparisons made in one condition."""

    divergent: int = 0
    trials: int = 0
    outputs: set[str] = field(default_factory=set)


@dataclass
class Tally:
    """Comparisons within one scope, by condition. Several threads may add to it."""

    reason: str | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    first_call: int | None = None
    _outcomes: dict[str, _Outcomes] = field(default_factory=dict)
    _references: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def divergent(self) -> int:
        """Comparisons that differed."""
        return sum(outcomes.divergent for outcomes in self._outcomes.values())

    @property
    def trials(self) -> int:
        """All comparisons."""
        return sum(outcomes.trials for outcomes in self._outcomes.values())

    def add(self, found: BitComparison) -> None:
        """Count one comparison."""
        with self._lock:
            self._references.add(found.reference)
            outcomes = self._outcomes.setdefault(found.label, _Outcomes())
            outcomes.outputs.add(found.output)
            outcomes.trials += 1
            outcomes.divergent += found.differs
            if found.first_call:
                self.first_call = min(found.first_call, self.first_call or found.first_call)

    def expect(self, labels: Iterable[str]) -> None:
        """Fix the order in which conditions are told, whatever order they are tried in."""
        for label in labels:
            self._outcomes.setdefault(label, _Outcomes())

    def skip(self, label: str, reason: str) -> None:
        """Note that a condition cannot be tried."""
        with self._lock:
            self.skipped[label] = reason

    def discard(self, label: str, reason: str) -> None:
        """Forget what was compared in a condition that turned out not to hold."""
        with self._lock:
            self._outcomes.pop(label, None)
            self.skipped[label] = reason

    def add_severity(self, found: Severity) -> None:
        """Keep the worst seen."""
        with self._lock:
            self.severity = severity.worst(self.severity, found)

    def with_outcomes(self, outcomes: Iterable[BitComparison]) -> Tally:
        """Return a tally that counts these as well."""
        tally = copy(self)
        tally._outcomes = {label: _Outcomes() for label in self._outcomes}
        tally._references = set()
        for outcome in outcomes:
            if outcome.label not in self.skipped:
                tally.add(outcome)
        if not tally.divergent:  # what looked like a race with few processes was state
            tally.severity = None
        return tally

    def summary(self) -> Divergence:
        """Return the rate with its interval, and what came of each condition."""
        with self._lock:
            return self._summary()

    def _summary(self) -> Divergence:
        rate = intervals.rate(self.divergent, self.trials)
        high = rate.high
        if self.trials and not self.divergent:
            high = intervals.upper_bound_of_zero(self.trials)
        outputs = self._references.union(*(o.outputs for o in self._outcomes.values()))
        return Divergence(
            divergent=self.divergent,
            trials=self.trials,
            rate=rate.rate,
            low=rate.low,
            high=high,
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
    """A cell's place in the experiment, and what was observed of it.

    ``control`` marks the A/A arm: a second ``default`` that is no cell of its own. What its
    processes gave is in ``sequences``; ``tallies`` count the comparisons of trials.
    """

    cell: Cell
    control: bool = False
    status: Status = "ok"
    reason: str | None = None
    lost: int = 0
    refused: bool = False
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
        """Whether there is still something to measure."""
        return self.status == "ok"

    def fail(self, error: CellError) -> None:
        """Count a lost worker, and give the cell up when another one would not help."""
        if isinstance(error, WorkerLost):
            self.lost += 1
            if self.lost < TRIES:
                return
            self.reason = f"{error.reason} (given up after {TRIES} workers)"
        else:
            self.reason = error.reason
        self.status = error.status

    def refuse(self, error: CellError) -> None:
        """Give the cell up at its build or first call; ``default`` tells whether that is odd."""
        self.refused = isinstance(error, ProgramRaised)
        self.fail(error)

    def told(self, default: Arm) -> tuple[Status, str | None]:
        """Return status and reason as evidence tells them.

        A program that runs under ``default`` and raises an error under a setting, when it is built
        or first called, is not implemented under that setting, whatever the error.
        """
        if self.refused and default.sequences:
            return "unimplemented", self.reason
        return self.status, self.reason

    @property
    def severity(self) -> Severity | None:
        """The worst seen in any scope."""
        worst = None
        for found in self.divergence().values():
            worst = severity.worst(worst, found.severity)
        return worst

    def ratio(self) -> intervals.RatioEstimate:
        """Return the cost over the blocks so far."""
        return intervals.ratio(self.log_ratios)

    def cost(self) -> Cost | None:
        """Return the cost as evidence carries it; ``None`` before the first block is done."""
        if not self.log_ratios:
            return None
        found = self.ratio()
        verdict = intervals.verdict(found.low, found.high)
        return Cost(
            ratio=found.ratio,
            low=found.low,
            high=found.high,
            blocks=len(self.log_ratios),
            block_ratios=[math.exp(value) for value in self.log_ratios],
            verdict=verdict,
            why=intervals.ambiguity(found.low, found.high) if verdict == "ambiguous" else None,
            hodges_lehmann=intervals.hodges_lehmann(self.log_ratios),
        )

    def step_seconds(self) -> StepSeconds | None:
        """Return the step time over the blocks' medians."""
        if not self.block_seconds:
            return None
        found = intervals.median_interval(self.block_seconds)
        return StepSeconds(found.median, found.low, found.high, list(self.block_seconds))

    def median(self, seconds: list[float]) -> float | None:
        """Return the median of some times; ``None`` where there are none."""
        return intervals.median_interval(seconds).median if seconds else None

    def divergence(self) -> dict[str, Divergence]:
        """Return every scope in which a comparison was made or was meant to be."""
        own = {"repeat": self.sequences.within(), "process": self.sequences.between()}
        tallies = {
            scope: tally.with_outcomes(own[scope]) if scope in own else tally
            for scope, tally in self.tallies.items()
        }
        return {
            scope: tally.summary()
            for scope, tally in tallies.items()
            if tally.trials or tally.reason or tally.skipped
        }

    def same_bits_as(self, default: Arm) -> SameBits | None:
        """Return whether the outputs are those of ``default``; ``None`` where one has none."""
        if not self.sequences or not default.sequences:
            return None
        if default.varies:
            return "default varies"
        same = self.sequences.reference == default.sequences.reference
        return "yes" if same else "no"

    @property
    def varies(self) -> bool:
        """Whether outputs differ with nothing changed."""
        own = (*self.sequences.within(), *self.sequences.between())
        return any(outcome.differs for outcome in own)

    def peak(self, what: str) -> int | None:
        """Return the greatest of a memory figure over the workers; ``None`` where unknown."""
        known = [getattr(usage, what) for usage in self.usages]
        return max((value for value in known if value is not None), default=None)
