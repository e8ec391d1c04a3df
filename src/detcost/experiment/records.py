"""Makes the records of a run from the arms of its experiments."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detcost.evidence.schema import Control, Controls, Evidence, Protocol
from detcost.experiment.arm import Arm
from detcost.experiment.blocks import Experiment
from detcost.experiment.request import Request
from detcost.scenarios import registry
from detcost.settings.grammar import DEFAULT
from detcost.workers.contract import ScenarioInfo
from detcost.workers.launch import HASH_SEED


@dataclass(frozen=True)
class Recorder:
    """What all records of a run have in common.

    Attributes
    ----------
    request
        What the run measures.
    run_id
        The run.
    machine
        Properties of the machine.
    versions
        The versions of TensorFlow, of Python and of the libraries.
    start_method
        How workers are started.
    varies, stable
        The results of the control scenarios.
    """

    request: Request
    run_id: str
    machine: dict[str, Any]
    versions: dict[str, str]
    start_method: str
    varies: Control
    stable: Control

    def record(
        self, scenario: ScenarioInfo, arm: Arm, experiment: Experiment | None = None
    ) -> Evidence:
        """Return the record of one cell. Without an experiment, nothing was measured."""
        cell = arm.cell
        aa_cost = experiment.aa_arm.cost() if experiment else None
        default = experiment.arms[0] if experiment else arm
        status, reason = arm.recorded_status(default)
        return Evidence(
            run_id=self.run_id,
            measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            scenario=public_name(scenario),
            family=scenario.family,
            setting=cell.setting.name,
            device=cell.device,
            size=cell.size,
            dtype=cell.dtype,
            seed=cell.seed,
            expect=scenario.expect,
            status=status,
            reason=reason,
            cost=aa_cost if cell.setting == DEFAULT else arm.cost(),
            step_seconds=arm.step_seconds(),
            first_call_seconds=arm.first_call_seconds,
            cold_step_seconds=arm.cold_step_seconds,
            peak_memory_bytes=arm.peak("peak_memory_bytes"),
            device_memory_bytes=arm.peak("device_memory_bytes"),
            divergence={k: v for k, v in arm.divergence().items() if k in self.request.scopes},
            severity=arm.severity,
            accuracy=arm.accuracy,
            digest=arm.sequences.reference[0] if arm.sequences else None,
            carries_state=arm.sequences.carries_state,
            sequence=list(arm.sequences.reference) if arm.sequences.carries_state else [],
            same_bits_as_default=arm.same_bits_as(default),
            following=arm.following,
            repeated_draws=arm.repeated_draws,
            overridden=arm.overridden,
            traces=arm.peak("traces"),
            applied=arm.applied,
            machine=self.machine,
            versions=self.versions,
            protocol=self.protocol(experiment) if experiment else None,
            controls=Controls(aa_cost, self.varies, self.stable),
            commit=os.environ.get("ASV_COMMIT"),
            environment=os.environ.get("ASV_ENV_NAME"),
        )

    def protocol(self, experiment: Experiment) -> Protocol:
        """Return how the cells of an experiment were measured."""
        profile = experiment.profile
        return Protocol(
            profile=profile.name,
            rounds=profile.rounds,
            settle_seconds=profile.settle_seconds,
            burst_seconds=profile.burst_seconds,
            pythons=profile.pythons,
            hash_seed=os.environ.get(HASH_SEED),
            target_half_width=profile.half_width,
            seconds_cap=profile.seconds,
            stopped_by=experiment.stopped_by,
            two_at_a_time=experiment.two_at_a_time,
            workers_lost=sum(arm.lost for arm in (*experiment.arms, experiment.aa_arm)),
            start_method=self.start_method,
        )


def public_name(scenario: ScenarioInfo) -> str:
    """Return the scenario's name without the folders of the machine that measured it."""
    if not registry.is_external(scenario.reference):
        return scenario.name
    source, _, name = scenario.reference.rpartition(":")
    return f"{Path(source).name if source.endswith('.py') else source}:{name}"
