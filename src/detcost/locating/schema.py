"""The answer of ``locate``: who is to blame, how it was seen, and what cures it."""

from __future__ import annotations

from typing import Literal

import msgspec

from detcost import intervals
from detcost.evidence.results import Cost
from detcost.outputs.severity import Severity

SCHEMA = 1
#: What is replayed where nothing smaller differs again. Its inputs are the program's own.
WHOLE = "the whole step"


class Rate(msgspec.Struct, frozen=True):
    """How many of some comparisons differed, with the 95 % interval of the rate."""

    divergent: int
    trials: int
    low: float | None
    high: float | None

    @classmethod
    def of(cls, divergent: int, trials: int) -> Rate:
        """Return the rate of a count; see :func:`detcost.intervals.rate_or_bound`."""
        estimate = intervals.rate_or_bound(divergent, trials)
        return cls(divergent, trials, estimate.low, estimate.high)


class Hop(msgspec.Struct, frozen=True):
    """One operation on the way of a difference from its origin to the outputs."""

    type: str
    name: str
    graph: str
    place: str = ""


class Proof(msgspec.Struct, frozen=True):
    """The suspect alone, replayed with its recorded inputs in fresh processes.

    Attributes
    ----------
    rate
        How many outputs differed from the first one.
    processes
        The number of fresh processes.
    replayed
        What was replayed: the operation alone, or the smallest graph around it that differs.
        ``None`` if not even the whole program differed again.
    forced
        What was changed to make it differ sooner, such as ``16 threads``. Empty if nothing was.
    severity
        The greatest distance from the first output.
    folder
        The folder with the operation and its inputs, which ``detcost.replay`` runs.
    reason
        Why it could not be replayed, in a sentence.
    """

    rate: Rate
    processes: int
    replayed: str | None = None
    forced: str = ""
    severity: Severity | None = None
    folder: str | None = None
    reason: str | None = None


class Remedy(msgspec.Struct, frozen=True):
    """Something tried on the suspect: a setting, or a rewriting of this operation alone.

    Attributes
    ----------
    name
        The setting, or the name of the rewriting.
    code
        What to change in the program.
    alone
        How often the suspect's replay differed under it.
    whole
        How often the whole step differed under it.
    cost
        The whole step's time under it, relative to the step as it is.
    reason
        Why it could not be tried.
    """

    kind: Literal["setting", "rewriting"]
    name: str
    code: str
    alone: Rate | None = None
    whole: Rate | None = None
    cost: Cost | None = None
    reason: str | None = None

    @property
    def cures(self) -> bool:
        """Whether nothing differed under it, alone and in the whole step."""
        rates = [rate for rate in (self.alone, self.whole) if rate]
        return bool(rates) and not self.reason and not any(rate.divergent for rate in rates)


class Culprit(msgspec.Struct, frozen=True, kw_only=True):
    """An operation whose inputs were equal in two runs while its outputs differed.

    Attributes
    ----------
    kind
        ``python`` is no operation: it is a value that came from Python code and differed.
        ``decision`` is what ran more often in one run, because something decided so.
        ``function`` is a compiled function, in which no single operation could be watched.
        ``transformation`` is a part of a ``tf.data`` pipeline.
    type, name, graph, device, place
        See :class:`~detcost.evidence.recording.Operation`.
    inputs, outputs
        Type and shape of each.
    call, iteration
        The first call of the step that differed, from 1 (0: while the program was built), and
        which execution of the operation in this call, from 1.
    rate
        Of the comparisons in which its inputs were equal, how many of its outputs differed.
    path
        The way of the difference to the step's outputs.
    consequences
        How many other operations differed only because their inputs did.
    """

    kind: Literal["operation", "transformation", "function", "python", "decision"]
    type: str
    name: str
    graph: str
    device: str = ""
    place: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    call: int
    iteration: int = 1
    rate: Rate
    path: tuple[Hop, ...] = ()
    consequences: int = 0
    proof: Proof | None = None
    remedies: tuple[Remedy, ...] = ()


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """What ``detcost locate`` found in one program.

    Attributes
    ----------
    compared
        What the two runs were, such as ``2 and 3 threads``.
    method
        ``all`` if every operation was watched at once; ``sets`` if watching all of them hid the
        divergence, so that ever smaller sets of outputs were watched.
    probed, unprobed
        The rate of the whole step with the probe in it, and without.
    culprits
        The origins. Empty if nothing differed.
    unwatched
        What had no digests, and what could not be compared or decided, and why.
    operations, frames
        How many operations were watched, and how many executions of their graphs.
    located_at
        When it was found, in UTC. Empty until it is written to a file.
    """

    scenario: str
    setting: str
    device: str
    size: str
    dtype: str
    seed: int
    scope: str
    compared: str
    method: Literal["all", "sets"] = "all"
    probed: Rate
    unprobed: Rate | None = None
    culprits: tuple[Culprit, ...] = ()
    unwatched: tuple[str, ...] = ()
    operations: int = 0
    frames: int = 0
    seconds: float = 0.0
    located_at: str = ""
    machine: dict[str, str | None] = {}
    versions: dict[str, str | None] = {}
    schema: int = SCHEMA
