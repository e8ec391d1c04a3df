"""The record of one measured cell, as evidence files store it.

Each line of an evidence file is one record in strict JSON. :mod:`detcost.evidence.journal` writes
records, :mod:`detcost.evidence.reading` reads them. The parts of a record are defined in
:mod:`detcost.evidence.results` and :mod:`detcost.evidence.protocol`; import them from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from detcost.evidence.following import FollowedProcess, Following
from detcost.evidence.protocol import Control, Controls, Protocol
from detcost.evidence.results import (
    Comparison,
    Cost,
    Divergence,
    RepeatedDraws,
    StepSeconds,
    Variant,
    partition,
)
from detcost.outputs.severity import Severity

__all__ = [
    "ALL_SCOPES",
    "COMPARE",
    "DERIVED_SCOPES",
    "FOLKLORE",
    "OWN_SCOPES",
    "SCHEMA",
    "SCOPES",
    "Comparison",
    "Control",
    "Controls",
    "Cost",
    "Divergence",
    "Evidence",
    "FollowedProcess",
    "Following",
    "Protocol",
    "Record",
    "RepeatedDraws",
    "SameBits",
    "Status",
    "StepSeconds",
    "Variant",
    "partition",
]

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
#: Scopes that compare a cell with itself, unchanged. A difference here appears in every scope.
OWN_SCOPES = ("repeat", "process")
#: Scopes that no machine can measure alone. They are derived from the evidence of several machines,
#: or of several versions of TensorFlow on one machine.
DERIVED_SCOPES = ("machine", "version")
#: Scopes that a setting can be asked to survive.
ALL_SCOPES = (*SCOPES, *DERIVED_SCOPES)
#: Suffix of files with evidence for claims. It is too little evidence to choose a setting by.
FOLKLORE = ".folklore.jsonl"
#: Suffix of files that compare two programs, and not two settings of one program.
COMPARE = ".compare.jsonl"

SameBits = Literal["yes", "no", "default varies"]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of a record that comparisons need. ``None`` is unknown, and never zero.

    Attributes
    ----------
    schema
        The version of the schema.
    run_id
        The identifier of the run that measured the cell.
    measured_at
        When the record was made, in UTC.
    scenario
        The scenario's name.
    family
        The scenario's family.
    setting
        The setting's name.
    device
        The device's name, such as ``CPU:0``.
    size
        The size of the inputs: ``small``, ``medium`` or ``large``.
    dtype
        The type that the scenario was built with.
    seed
        The seed of the inputs and of the experiment's random order.
    expect
        What the scenario expects of its outputs: to stay the ``same``, or that they vary
        (``varies``), as the draws of a dropout should from call to call.
    status
        What became of the cell.
    reason
        Why the status is not ``ok``.
    cost
        The cost of the setting. For ``default`` it is the A/A comparison.
    first_call_seconds
        The seconds of the first call, which traces and compiles: the median over the builds
        that ran one at a time.
    cold_step_seconds
        The seconds of the first step after the worker was idle: the median over blocks.
    peak_memory_bytes
        The peak memory of the worst worker. It includes TensorFlow itself.
    device_memory_bytes
        The peak device memory of the worst worker.
    divergence
        The comparisons of each scope.
    severity
        The greatest difference from the reference in any scope.
    accuracy
        The relative error of the reference against the same program in float64.
    digest
        The digest of the reference: the first output of the cell's first worker.
    carries_state
        Whether outputs change from call to call, and the same outputs come in every process.
    sequence
        The digests of the outputs of the first calls. Empty unless the cell carries state.
    same_bits_as_default
        Whether the reference has the same bytes as the reference of ``default`` in the same run.
    following
        The cell followed over many steps, if ``--steps`` asked for it.
    repeated_draws
        How it was seen that every call draws the same numbers. ``None`` if this was not seen.
    overridden
        What the program sets itself against the setting, with the line. detcost ignores these
        calls.
    machine
        Properties of the machine, such as its name and its processor.
    versions
        The versions of TensorFlow, of Python and of the libraries.
    protocol
        How the cell was measured.
    controls
        The results of the run's controls.
    commit
        The commit that asv measured.
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
    expect: Literal["same", "varies"] = "same"
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
    following: Following | None = None
    repeated_draws: RepeatedDraws | None = None
    overridden: list[str] = []
    machine: dict[str, Any] = {}
    versions: dict[str, str] = {}
    protocol: Protocol | None = None
    controls: Controls | None = None
    commit: str | None = None

    @property
    def cell(self) -> tuple[str, ...]:
        """The measured cell: scenario, setting, device, size and type."""
        return (self.scenario, self.setting, self.device, self.size, self.dtype)

    @property
    def draws_anew(self) -> bool:
        """Whether the cell carries state, and no two of its calls gave the same outputs."""
        return len(self.sequence) > 1 and len(set(self.sequence)) == len(self.sequence)

    @property
    def races(self) -> bool:
        """Whether the bits differ even if nothing is changed."""
        return any(
            self.divergence[scope].divergent for scope in OWN_SCOPES if scope in self.divergence
        )

    def races_anyway(self, scope: str) -> bool:
        """Whether the cell differs in this scope without the scope as the cause."""
        return scope not in OWN_SCOPES and self.races

    @property
    def cold(self) -> bool:
        """Whether costs are of steps after the worker was idle, as they were up to schema 2."""
        return self.schema < 3

    @property
    def machine_name(self) -> str:
        """The name of the machine."""
        return str(self.machine.get("name"))

    @property
    def processor(self) -> str:
        """The model of the device: an accelerator's if it is known, else the CPU's."""
        listed = self.machine.get("accelerators")
        models = [str(each) for each in listed] if isinstance(listed, list) else []
        named = [each for each in models if each.startswith(f"{self.device} ")]
        if named:
            return named[0].removeprefix(f"{self.device} ")
        return str(self.machine.get("cpu") or "unknown CPU")

    @property
    def tensorflow(self) -> str:
        """The version of TensorFlow."""
        return self.versions.get("tensorflow", "unknown")

    @property
    def release(self) -> list[int]:
        """The version of TensorFlow as numbers. They compare as versions do."""
        return [int(number) for number in re.findall(r"\d{1,9}", self.tensorflow)]


class Evidence(Record, frozen=True, kw_only=True, gc=False):
    """The whole record of one measured cell: one line of an evidence file.

    Attributes
    ----------
    step_seconds
        The seconds of one step, in a loop of steps.
    traces
        How often TensorFlow traced a function. The expected number is 1.
    applied
        What TensorFlow reports as in force, after the setting was applied.
    environment
        The environment that asv measured in.
    """

    divergence: dict[str, Divergence] = {}
    step_seconds: StepSeconds | None = None
    traces: int | None = None
    applied: dict[str, Any] = {}
    environment: str | None = None
