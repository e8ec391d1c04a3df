"""The engine of the guards: fresh processes whose outputs are compared, and nothing is timed.

All guards of a process share one engine, because TensorFlow is imported once by each fork server.
"""

from __future__ import annotations

import atexit
import dataclasses
import math
import os
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from detcost.evidence.schema import OWN_SCOPES, Evidence, Protocol
from detcost.experiment import preparation, scopes, trials
from detcost.experiment.arm import Arm
from detcost.experiment.preparation import AnyWorkerFactory, describe, not_applicable
from detcost.experiment.records import Recorder
from detcost.experiment.request import Request
from detcost.experiment.scopes import Variants
from detcost.experiment.supervisor import WorkerSupervisor
from detcost.experiment.trials import Trial, TrialRunner
from detcost.host import machine
from detcost.locating import finding
from detcost.locating.schema import Location
from detcost.settings.grammar import DEFAULT
from detcost.testing.plan import GuardPlan
from detcost.workers.contract import Cell, ScenarioInfo
from detcost.workers.launch import HASH_SEED, start_workers

SEED = 42
#: Seconds in which the operation to blame is looked for, once a program differed. If watching
#: hides the difference, the search takes up to four times as long.
_LOCATING = 15.0
#: A variable that pytest changes with every test.
_CURRENT_TEST = "PYTEST_CURRENT_TEST"


class Engine:
    """Measures in which scopes a program's bits stay.

    Parameters
    ----------
    factory
        A factory that starts the workers. The engine closes it.
    """

    def __init__(self, factory: AnyWorkerFactory | None = None):
        self._factory = factory or start_workers(SEED)
        self._common: tuple[Recorder, list[str]] | None = None

    def close(self) -> None:
        """End every process."""
        self._factory.close()

    def measure(
        self, reference: str, setting: str | None, device: str | None, plan: GuardPlan
    ) -> Evidence:
        """Measure one program under one setting on one device.

        Parameters
        ----------
        reference
            The program, as :func:`detcost.measure` takes it.
        setting
            The setting; ``None`` is ``default``.
        device
            The device; ``None`` is the first accelerator, or ``CPU:0`` without one.

        Returns
        -------
        Evidence
            A record without costs and times.

        Raises
        ------
        UsageError
            If the program or a name is unknown, or TensorFlow is not installed.
        """
        request = Request.parse(
            [reference],
            [setting or DEFAULT.name],
            [device] if device else None,
            scopes=[*OWN_SCOPES, *plan.scopes],  # which show whether it differs anyway
            profile=plan.profile,
            size="medium",
            dtype=None,
            seed=SEED,
        )
        wanted = request.settings[-1]  # default stands before it
        self._factory.prepare([wanted], plan.profile.pythons)
        info = describe(self._factory, reference)
        recorder, present = self._recorder(request)
        place = device or next((d for d in present if not d.startswith("CPU")), "CPU:0")
        arm = Arm(Cell(info.reference, wanted, place, request.size, info.dtypes[0], request.seed))
        if reason := not_applicable(info, arm.cell, present):
            arm.status, arm.reason = "not_applicable", reason
        else:
            _compare(arm, info, plan, self._factory)
        return _record(recorder, info, arm, plan)

    def locate(self, reference: str, scope: str, **cell: Any) -> Location:
        """Look for the operation to blame, without proof and remedies, which take minutes.

        Parameters
        ----------
        reference, scope, cell
            As :func:`detcost.locate` takes them.

        Raises
        ------
        UsageError
            As :func:`detcost.locate`.
        """
        return finding.locate(
            reference, scope=scope, seconds=_LOCATING, prove=False, factory=self._factory, **cell
        )

    def _recorder(self, request: Request) -> tuple[Recorder, list[str]]:
        """Return what records have in common, and the devices. The controls run once."""
        run_id = preparation.new_run_id()
        if self._common is None:
            self._common = preparation.recorder(self._factory, request, run_id)
        recorder, present = self._common
        return dataclasses.replace(recorder, request=request, run_id=run_id), present


def _compare(arm: Arm, info: ScenarioInfo, plan: GuardPlan, factory: AnyWorkerFactory) -> None:
    variants = scopes.variants(machine.describe()["cpu_flags"], "xla" in info.ignores)
    # Processes come first: they show whether the program carries state, or differs anyway.
    named = [scope for scope in plan.scopes if scope not in ("repeat", "process")]
    with tempfile.TemporaryDirectory(prefix="detcost-reference-") as directory:
        supervisor = WorkerSupervisor(factory, Path(directory), plan.profile.calls)
        reference = supervisor.start(arm, timed=False, side_by_side=1, python=0)
        if reference is None:
            return
        supervisor.record_usage(reference)
        reference.worker.close()
        at_once = (os.cpu_count() or 1) if arm.cell.device.startswith("CPU") else 1
        runner = TrialRunner(supervisor, at_once=at_once, on_trial=lambda: None)
        runner.run(_planned(arm, plan, {"process": variants["process"]}))
        others = {scope: variants[scope] for scope in named}
        runner.run(_planned(arm, plan, others))
        runner.run(_instead_of_skipped(arm, plan, others))


def _planned(arm: Arm, plan: GuardPlan, variants: Mapping[str, Variants]) -> Sequence[Trial]:
    chance = random.Random(arm.cell.seed)
    return trials.plan([arm], plan.profile, variants, chance) if arm.running else []


def _instead_of_skipped(
    arm: Arm, plan: GuardPlan, variants: Mapping[str, Variants]
) -> Sequence[Trial]:
    """Return trials in the conditions that work, as many as could not be tried in the others.

    Their number follows from what could be tried, and not from what differed.
    """
    more: list[Trial] = []
    for scope, of_cell in variants.items():
        tally = arm.tallies[scope]
        missing = plan.trials_in(scope) - tally.trials
        if tally.reason or not tally.skipped or missing <= 0:
            continue
        works = [each for each in of_cell(arm.cell) if each.label not in tally.skipped]
        times = math.ceil(missing / len(works)) if works else 0
        more += [Trial(arm, scope, condition) for condition in works * times]
    return more


def _record(recorder: Recorder, info: ScenarioInfo, arm: Arm, plan: GuardPlan) -> Evidence:
    profile = plan.profile
    return msgspec.structs.replace(
        recorder.record(info, arm),
        same_bits_as_default=None,  # default was not measured beside it
        protocol=Protocol(
            profile=profile.name,
            rounds=0,
            target_half_width=profile.half_width,
            seconds_cap=0.0,
            stopped_by=None,
            two_at_a_time=False,
            workers_lost=arm.lost,
            start_method=recorder.start_method,
            pythons=profile.pythons,
            hash_seed=os.environ.get(HASH_SEED),
        ),
    )


_shared: tuple[object, Engine] | None = None


def shared() -> Engine:
    """Return the engine of this process.

    It starts anew if the environment variables or the working folder have changed, because
    workers inherit both from the fork servers.
    """
    global _shared  # noqa: PLW0603 - one engine for each process
    variables = {name: value for name, value in os.environ.items() if name != _CURRENT_TEST}
    inherited = (os.getcwd(), variables)
    if _shared and _shared[0] != inherited:
        close()
    if _shared is None:
        _shared = inherited, Engine()
    return _shared[1]


@atexit.register
def close() -> None:
    """End every process of the shared engine."""
    global _shared  # noqa: PLW0603
    if _shared:
        _shared[1].close()
    _shared = None
