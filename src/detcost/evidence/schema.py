"""Evidence: the record of one measured cell.

One JSON object a line, strict JSON, one line a cell; :mod:`detcost.evidence.journal` writes
them, :mod:`detcost.evidence.reading` reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from detcost.outputs.severity import Severity

SCHEMA = 3
#: What became of a cell.
Status = Literal[
    "ok",
    "unimplemented",
    "not_applicable",
    "out_of_memory",
    "crashed",
    "timed_out",
    "failed",
]
#: Scopes of divergence that can be measured.
SCOPES = ("repeat", "process", "threads", "load", "isa", "execution")
#: Scopes in which a cell is compared with itself as it is: what differs there differs anyway.
OWN_SCOPES = ("repeat", "process")
#: Ends the names of files with evidence for claims: too little of it to choose a setting by.
FOLKLORE = ".folklore.jsonl"


class Cost(msgspec.Struct, frozen=True, gc=False):
    """Step time under the setting ÷ under ``default``; ``low`` and ``high`` are a 95 % interval.

    ``why`` says what makes an ambiguous verdict ambiguous.
    """

    ratio: float | None
    low: float | None
    high: float | None
    blocks: int
    block_ratios: list[float]
    verdict: Literal["free", "costs", "faster", "ambiguous"]
    why: str | None = None
    hodges_lehmann: float | None = None
    confidence: float = 0.95


class StepSeconds(msgspec.Struct, frozen=True, gc=False):
    """Seconds a step; ``samples`` are the blocks' medians, the unit of independence."""

    median: float
    low: float | None
    high: float | None
    samples: list[float]


class Variant(msgspec.Struct, frozen=True, gc=False):
    """The trials of a scope in one condition, such as one size of the thread pools.

    ``digest`` is that of their output where all gave the same, else ``None``.
    """

    label: str
    divergent: int
    trials: int
    distinct: int
    digest: str | None


class Comparison(msgspec.Struct, frozen=True, gc=False):
    """Of ``trials`` comparisons, how many differed; ``low`` and ``high`` are a 95 % interval.

    For a count of zero ``high`` is the one-sided 95 % bound. ``distinct`` counts the
    different outputs seen, the reference included.

    Attributes
    ----------
    skipped
        The variants that could not be tried, with the reason.
    reason
        Why nothing was compared, where the scope means nothing to the cell.
    first_call
        Where the cell carries state and diverged: the earliest call, counted from 1, whose
        output differed from that of the same call of the reference.
    """

    divergent: int
    trials: int
    rate: float | None
    low: float | None
    high: float | None
    distinct: int
    skipped: dict[str, str] = {}
    reason: str | None = None
    first_call: int | None = None


class Divergence(Comparison, frozen=True, gc=False):
    """A comparison, and what it was made of.

    Attributes
    ----------
    variants
        What the scope varied, and how the trials came out under each.
    severity
        Against the reference, the worst seen in this scope.
    """

    variants: list[Variant] = []
    severity: Severity | None = None


def partition(variants: Sequence[Variant]) -> list[list[str]]:
    """Return which variants gave the same bits: groups of labels, in the order tried.

    A variant whose own trials differ among themselves agrees with none.
    """
    groups: dict[str, list[str]] = {}
    for variant in variants:
        groups.setdefault(variant.digest or f"only {variant.label}", []).append(variant.label)
    return list(groups.values())


class Protocol(msgspec.Struct, frozen=True, gc=False):
    """How it was measured, enough to do it again. Seconds and counts.

    Attributes
    ----------
    warm_up_steps
        Up to schema 2. Since then workers settle by time.
    settle_seconds, burst_seconds
        How long a worker runs before its step is timed, and how long it is timed.
    pythons
        The Pythons, each with a hash seed of its own, that workers were started from.
    hash_seed
        The user's own ``PYTHONHASHSEED``, which all Pythons then have.
    """

    profile: str
    rounds: int
    target_half_width: float
    seconds_cap: float
    stopped_by: Literal["width", "time", "blocks"] | None
    two_at_a_time: bool
    workers_lost: int
    start_method: str
    warm_up_steps: int | None = None
    settle_seconds: float | None = None
    burst_seconds: float | None = None
    pythons: int | None = None
    hash_seed: str | None = None


class Control(msgspec.Struct, frozen=True, gc=False):
    """A control scenario's repeats: how many of how many differed, and whether that is right."""

    divergent: int
    trials: int
    ok: bool


class Controls(msgspec.Struct, frozen=True, gc=False):
    """What shows that the run could see what it looked for.

    ``same_setting`` is the A/A arm, ``default`` against itself: its width is the
    noise floor. ``varies`` must be seen to vary, ``stable`` must not.
    """

    same_setting: Cost | None
    varies: Control | None
    stable: Control | None

    @property
    def failures(self) -> list[str]:
        """What is wrong, in words; empty when the run can be trusted."""
        found = []
        if self.same_setting and self.same_setting.verdict in ("costs", "faster"):
            ratio = self.same_setting.ratio or math.nan
            found.append(f"default against itself came out {ratio:.3f}")
        if self.varies and not self.varies.ok:
            found.append("the scenario known to vary was not seen to")
        if self.stable and not self.stable.ok:
            found.append("the scenario known to be stable was seen to vary")
        return found


SameBits = Literal["yes", "no", "default varies"]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What there is to compare of a measured cell. Unknown is ``None``, never a zero.

    Attributes
    ----------
    cold_step_seconds
        The first step after the worker stood idle, the median over blocks.
    carries_state
        Whether outputs move on from call to call and the same ones come in every process.
    sequence
        Digests of the outputs of the first calls, where the cell carries state.
    same_bits_as_default
        Whether the reference is byte for byte that of ``default`` in the same run.
    overridden
        What the program sets by itself against the setting, and was left out, with its line.
    """

    schema: int = SCHEMA
    run_id: str
    measured_at: str
    scenario: str
    family: str
    setting: str
    device: str
    size: str
    dtype: str
    seed: int
    status: Status
    reason: str | None = None
    cost: Cost | None = None
    first_call_seconds: float | None = None
    cold_step_seconds: float | None = None
    peak_memory_bytes: int | None = None
    device_memory_bytes: int | None = None
    divergence: Mapping[str, Comparison] = {}
    severity: Severity | None = None
    accuracy: float | None = None
    digest: str | None = None
    carries_state: bool | None = None
    sequence: list[str] = []
    same_bits_as_default: SameBits | None = None
    overridden: list[str] = []
    machine: dict[str, Any] = {}
    versions: dict[str, str] = {}
    protocol: Protocol | None = None
    controls: Controls | None = None
    commit: str | None = None

    @property
    def cell(self) -> tuple[str, ...]:
        """What was measured: scenario, setting, device, size and dtype."""
        return (self.scenario, self.setting, self.device, self.size, self.dtype)

    @property
    def races(self) -> bool:
        """Whether the bits differ even where nothing is changed."""
        return any(
            self.divergence[scope].divergent for scope in OWN_SCOPES if scope in self.divergence
        )

    def races_anyway(self, scope: str) -> bool:
        """Whether a count of this scope says nothing about it, since the cell differs anyway."""
        return scope not in OWN_SCOPES and self.races

    @property
    def cold(self) -> bool:
        """Whether costs are of steps after idleness, as they were up to schema 2."""
        return self.schema < 3

    @property
    def machine_name(self) -> str:
        """What the machine is called."""
        return str(self.machine.get("name"))

    @property
    def tensorflow(self) -> str:
        """TensorFlow's version."""
        return self.versions.get("tensorflow", "unknown")

    @property
    def release(self) -> list[int]:
        """TensorFlow's version as numbers, of which the newer is the greater."""
        return [int(number) for number in re.findall(r"\d{1,9}", self.tensorflow)]


class Evidence(Record, frozen=True, kw_only=True, gc=False):
    """One measured cell, whole, as a line of evidence has it."""

    divergence: dict[str, Divergence] = {}
    step_seconds: StepSeconds | None = None
    traces: int | None = None
    applied: dict[str, Any] = {}
    environment: str | None = None
