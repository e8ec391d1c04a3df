"""One cell of an experiment: everything observed of it so far."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from detcost import severity, statistics
from detcost.evidence import Cost, Divergence, StepSeconds, Variant
from detcost.profiles import SCOPES
from detcost.severity import Severity
from detcost.workers.contract import QUIET, Cell, CellError, Status, Usage, WorkerLost

#: Workers a cell may lose before it is given up.
TRIES = 3


@dataclass
class _Outcomes:
    """The comparisons made in one circumstance."""

    divergent: int = 0
    trials: int = 0
    outputs: set[str] = field(default_factory=set)


@dataclass
class Tally:
    """Comparisons within one scope, by circumstance. Several threads may add to it."""

    reason: str | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    severity: Severity | None = None
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

    def compare(self, digest: str, reference: str, label: str = QUIET.label) -> bool:
        """Count one comparison; return whether the outputs differ."""
        with self._lock:
            self._references.add(reference)
            outcomes = self._outcomes.setdefault(label, _Outcomes())
            outcomes.outputs.add(digest)
            outcomes.trials += 1
            outcomes.divergent += digest != reference
        return digest != reference

    def trials_of(self, label: str) -> int:
        """Return how many comparisons were made in one circumstance."""
        return self._outcomes[label].trials if label in self._outcomes else 0

    def expect(self, labels: Iterable[str]) -> None:
        """Fix the order in which circumstances are told, whatever order they are tried in."""
        for label in labels:
            self._outcomes.setdefault(label, _Outcomes())

    def skip(self, label: str, reason: str) -> None:
        """Note that a circumstance cannot be tried."""
        with self._lock:
            self.skipped[label] = reason

    def discard(self, label: str, reason: str) -> None:
        """Forget what was compared in a circumstance that turned out not to hold."""
        with self._lock:
            self._outcomes.pop(label, None)
            self.skipped[label] = reason

    def add_severity(self, found: Severity) -> None:
        """Keep the worst seen."""
        with self._lock:
            self.severity = severity.worst(self.severity, found)

    def summary(self) -> Divergence:
        """Return the rate with its interval, and what came of each circumstance."""
        with self._lock:
            return self._summary()

    def _summary(self) -> Divergence:
        rate = statistics.rate(self.divergent, self.trials)
        high = rate.high
        if self.trials and not self.divergent:
            high = statistics.upper_bound_of_zero(self.trials)
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
            severity=self.severity,
        )


def _variant(label: str, outcomes: _Outcomes) -> Variant:
    digest = next(iter(outcomes.outputs)) if len(outcomes.outputs) == 1 else None
    return Variant(label, outcomes.divergent, outcomes.trials, len(outcomes.outputs), digest)


@dataclass(eq=False)
class Arm:
    """A cell's place in the experiment, and what was observed of it.

    ``control`` marks the A/A arm: a second ``default`` that is no cell of its own.
    """

    cell: Cell
    control: bool = False
    status: Status = "ok"
    reason: str | None = None
    lost: int = 0
    reference: str | None = None
    reference_file: str | None = None
    applied: dict[str, Any] = field(default_factory=dict)
    first_calls: list[float] = field(default_factory=list)
    block_seconds: list[float] = field(default_factory=list)
    log_ratios: list[float] = field(default_factory=list)
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

    @property
    def severity(self) -> Severity | None:
        """The worst seen in any scope."""
        worst = None
        for tally in self.tallies.values():
            worst = severity.worst(worst, tally.severity)
        return worst

    def ratio(self) -> statistics.RatioEstimate:
        """Return the cost over the blocks so far."""
        return statistics.ratio(self.log_ratios)

    def cost(self) -> Cost | None:
        """Return the cost as evidence carries it; ``None`` before the first block is done."""
        if not self.log_ratios:
            return None
        found = self.ratio()
        verdict = statistics.verdict(found.low, found.high)
        return Cost(
            ratio=found.ratio,
            low=found.low,
            high=found.high,
            blocks=len(self.log_ratios),
            block_ratios=[math.exp(value) for value in self.log_ratios],
            verdict=verdict,
            why=statistics.ambiguity(found.low, found.high) if verdict == "ambiguous" else None,
            hodges_lehmann=statistics.hodges_lehmann(self.log_ratios),
        )

    def step_seconds(self) -> StepSeconds | None:
        """Return the step time over the blocks' medians."""
        if not self.block_seconds:
            return None
        found = statistics.median_interval(self.block_seconds)
        return StepSeconds(found.median, found.low, found.high, list(self.block_seconds))

    def median_first_call(self) -> float | None:
        """Return the median of the first calls timed undisturbed, in seconds."""
        if not self.first_calls:
            return None
        return statistics.median_interval(self.first_calls).median

    def divergence(self) -> dict[str, Divergence]:
        """Return every scope in which a comparison was made or was meant to be."""
        return {
            scope: tally.summary()
            for scope, tally in self.tallies.items()
            if tally.trials or tally.reason or tally.skipped
        }

    def peak(self, what: str) -> int | None:
        """Return the greatest of a memory figure over the workers; ``None`` where unknown."""
        known = [getattr(usage, what) for usage in self.usages]
        return max((value for value in known if value is not None), default=None)
