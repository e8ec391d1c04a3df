"""The comparison of two programs under one setting on one device."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from detcost.evidence.schema import OWN_SCOPES, Controls
from detcost.experiment import scopes
from detcost.experiment.arm import Arm
from detcost.experiment.blocks import Experiment
from detcost.experiment.preparation import not_applicable
from detcost.experiment.progress import Progress
from detcost.experiment.records import Recorder
from detcost.experiment.sequences import CallDigests
from detcost.host import machine
from detcost.pairing.names import distinct_names
from detcost.pairing.schema import Bits, PairEvidence, ProgramResult
from detcost.pairing.side_by_side import ProgramFailed, SideBySide, run_side_by_side
from detcost.settings.grammar import Setting
from detcost.workers.contract import Cell, ScenarioInfo, WorkerFactory


@dataclass(frozen=True)
class ProgramPair:
    """Two programs to compare.

    Attributes
    ----------
    factory
        Starts the workers.
    recorder
        What all records of the run have in common.
    programs
        The two programs.
    devices
        The devices that are here.
    on_progress
        A function to call with the progress of a comparison.
    """

    factory: WorkerFactory
    recorder: Recorder
    programs: Sequence[ScenarioInfo]
    devices: list[str]
    on_progress: Callable[[Progress], None] = lambda progress: None

    @property
    def names(self) -> tuple[str, str]:
        """The names of the programs in records."""
        return distinct_names(*self.programs)

    def compare(self, setting: Setting, device: str) -> PairEvidence:
        """Compare the programs under one setting on one device.

        Raises
        ------
        UsageError
            If the outputs of the programs cannot be compared.
        """
        request = self.recorder.request
        cells = [
            Cell(info.reference, setting, device, request.size, info.dtypes[0], request.seed)
            for info in self.programs
        ]
        arms = [Arm(cell) for cell in cells]
        for info, arm in zip(self.programs, arms, strict=True):
            if reason := not_applicable(info, arm.cell, self.devices):
                arm.status, arm.reason = "not_applicable", reason
        if not all(arm.running for arm in arms):
            return self._record(arms)
        try:
            seen = self._run_side_by_side(cells)
        except ProgramFailed as failure:
            failed = arms[failure.place]
            failed.status, failed.reason = failure.error.status, failure.error.reason
            return self._record(arms)
        return self._measure(cells, seen)

    def _run_side_by_side(self, cells: Sequence[Cell]) -> SideBySide:
        calls = self.recorder.request.profile.calls

        def on_call(call: int, first_call: int | None) -> None:
            so_far = f"different bits from call {first_call}" if first_call else "the same bits"
            self._report(Progress("", cells[0].device, f"call {call} of {calls}: {so_far}", 0.0))

        return run_side_by_side(self.factory, cells, self.names, calls, on_call)

    def _measure(self, cells: Sequence[Cell], seen: SideBySide) -> PairEvidence:
        """Time both programs, and compare each with itself."""
        variants = scopes.variants(machine.describe()["cpu_flags"], fixed_execution=False)
        experiment = Experiment(
            cells,
            self.recorder.request.profile,
            self.factory,
            scopes={"process": variants["process"]},
            on_progress=self._report,
        )
        experiment.run()
        for arm, sequence in zip(experiment.arms, seen.sequences, strict=True):
            if arm.sequences:  # the process that ran beside the other program counts too
                arm.sequences.add(CallDigests(0, "side by side", sequence))
        return self._record(experiment.arms, seen, experiment)

    def _report(self, progress: Progress) -> None:
        self.on_progress(replace(progress, scenario=" against ".join(self.names)))

    def _record(
        self,
        arms: Sequence[Arm],
        seen: SideBySide | None = None,
        experiment: Experiment | None = None,
    ) -> PairEvidence:
        recorder, cell = self.recorder, arms[0].cell
        first, second = (
            _result(name, arm, seen, place)
            for place, (name, arm) in enumerate(zip(self.names, arms, strict=True))
        )
        same_program = experiment.aa_arm.cost() if experiment else None
        return PairEvidence(
            run_id=recorder.run_id,
            measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            setting=cell.setting.name,
            device=cell.device,
            size=cell.size,
            seed=cell.seed,
            first=first,
            second=second,
            bits=_bits(first, second, seen),
            first_call=seen.first_call if seen else None,
            severity_at_first=seen.at_first if seen else None,
            severity_at_last=seen.at_last if seen else None,
            cost=arms[1].cost(),
            same_program=same_program,
            machine=recorder.machine,
            versions=recorder.versions,
            protocol=recorder.protocol(experiment) if experiment else None,
            controls=Controls(same_program, recorder.varies, recorder.stable),
        )


def _result(name: str, arm: Arm, seen: SideBySide | None, place: int) -> ProgramResult:
    divergence = arm.divergence()
    return ProgramResult(
        scenario=name,
        dtype=arm.cell.dtype,
        status=arm.status,
        reason=arm.reason,
        outputs=seen.outputs[place] if seen else [],
        sequence=list(seen.sequences[place]) if seen else [],
        carries_state=arm.sequences.carries_state,
        divergence={scope: divergence[scope] for scope in OWN_SCOPES if scope in divergence},
        severity=arm.severity,
        step_seconds=arm.step_seconds(),
        first_call_seconds=arm.first_call_seconds,
        peak_memory_bytes=arm.peak("peak_memory_bytes"),
        device_memory_bytes=arm.peak("device_memory_bytes"),
        overridden=arm.overridden,
        traces=arm.peak("traces"),
    )


def _bits(first: ProgramResult, second: ProgramResult, seen: SideBySide | None) -> Bits | None:
    if seen is None or first.status != "ok" or second.status != "ok":
        return None
    if first.varies or second.varies:
        return "varies"
    return "equal" if seen.first_call is None else "different"
