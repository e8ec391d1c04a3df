"""One cell of an experiment: everything observed of it so far."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import Any

from detcost import severity, statistics
from detcost.evidence import Cost, Divergence, StepSeconds
from detcost.severity import Severity
from detcost.workers.contract import Cell, CellError, Status, Usage, WorkerLost

#: Workers a cell may lose before it is given up.
TRIES = 3


@dataclass
class Tally:
    """Comparisons within one scope, and the different outputs met."""

    divergent: int = 0
    trials: int = 0
    outputs: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def compare(self, digest: str, reference: str) -> bool:
        """Count one comparison; return whether the outputs differ. Several threads may call it."""
        with self._lock:
            self.outputs |= {digest, reference}
            self.trials += 1
            self.divergent += digest != reference
        return digest != reference

    def summary(self) -> Divergence:
        """Return the rate with its interval."""
        rate = statistics.rate(self.divergent, self.trials)
        high = rate.high
        if self.trials and not self.divergent:
            high = statistics.upper_bound_of_zero(self.trials)
        return Divergence(
            self.divergent, self.trials, rate.rate, rate.low, high, max(1, len(self.outputs))
        )


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
    repeats: Tally = field(default_factory=Tally)
    processes: Tally = field(default_factory=Tally)
    usages: list[Usage] = field(default_factory=list)
    severity: Severity | None = None

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

    def add_severity(self, found: Severity) -> None:
        """Keep the worst seen."""
        self.severity = severity.worst(self.severity, found)

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
        """Return the scopes that were compared at least once."""
        tallies = {"repeat": self.repeats, "process": self.processes}
        return {scope: tally.summary() for scope, tally in tallies.items() if tally.trials}

    def peak(self, what: str) -> int | None:
        """Return the greatest of a memory figure over the workers; ``None`` where unknown."""
        known = [getattr(usage, what) for usage in self.usages]
        return max((value for value in known if value is not None), default=None)
