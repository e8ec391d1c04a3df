"""A tally: the comparisons of one cell in one scope, counted by condition."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field

from detcost import intervals
from detcost.evidence.schema import Divergence, Variant
from detcost.experiment.sequences import BitComparison
from detcost.outputs import severity
from detcost.outputs.severity import Severity


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
