"""A run: every scenario on every device, one experiment after another, into evidence."""

from __future__ import annotations

import datetime
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from detcost.errors import UsageError
from detcost.evidence.journal import Journal
from detcost.evidence.schema import Control, Controls, Evidence, Protocol
from detcost.experiment import scopes
from detcost.experiment.arm import Arm
from detcost.experiment.experiment import Experiment, Progress
from detcost.experiment.request import Request
from detcost.host import machine
from detcost.scenarios import registry
from detcost.settings.grammar import DEFAULT
from detcost.workers.contract import Cell, CellError, ScenarioInfo, WorkerFactory
from detcost.workers.launch import HASH_SEED, ForkWorkerFactory, SpawnWorkerFactory, start_workers

CONTROL_REPEATS = 20


class Run:
    """Measures a request; iterating gives each cell's evidence as soon as it is known.

    Parameters
    ----------
    request
        What to measure.
    out
        A file to append evidence to as well.
    on_progress
        Called as work is done.
    workers
        Where workers come from; they are left open. Its own, closed at the end, if not given.

    Raises
    ------
    UsageError
        If ``out`` cannot be written, a user's scenario cannot be loaded, or
        TensorFlow is not installed.
    """

    def __init__(
        self,
        request: Request,
        *,
        out: Path | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        workers: ForkWorkerFactory | SpawnWorkerFactory | None = None,
    ):
        self.request = request
        self._workers = workers
        self.run_id = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        self._journal = Journal(out, self.run_id) if out else None
        self._on_progress = on_progress
        self._started = time.monotonic()
        self._experiments_done = 0
        self._experiments = len(request.scenarios) * len(request.devices or ("CPU:0",))

    def __iter__(self) -> Iterator[Evidence]:
        factory = self._workers or start_workers(self.request.seed)
        factory.prepare(self.request.settings, self.request.profile.pythons)
        # The inventory takes a second; so does TensorFlow's import, in a process of its own.
        inventory = threading.Thread(target=machine.describe)
        inventory.start()
        try:
            yield from self._run(factory)
        finally:
            inventory.join()
            if factory is not self._workers:
                factory.close()

    def _run(self, factory: ForkWorkerFactory | SpawnWorkerFactory) -> Iterator[Evidence]:
        scenarios = [_describe(factory, reference) for reference in self.request.scenarios]
        _refuse_namesakes(scenarios)
        inspection = factory.inspection()
        present = [device.name for device in inspection.devices()]
        self._versions = inspection.versions()
        self._start_method = factory.start_method
        inspection.close()
        self._controls = [
            _control(factory, "control_varies", varies=True),
            _control(factory, "control_stable", varies=False),
        ]
        devices = self.request.devices or present
        self._experiments = len(scenarios) * len(devices)
        for device in devices:
            for scenario in scenarios:
                records = self._measure(factory, scenario, device, present)
                if self._journal:
                    self._journal.append(records)
                self._experiments_done += 1
                yield from records

    def _measure(
        self, factory: WorkerFactory, scenario: ScenarioInfo, device: str, present: list[str]
    ) -> list[Evidence]:
        """Measure one scenario on one device under every setting that means something there."""
        request = self.request
        dtype = request.dtype or scenario.dtypes[0]
        cells, excused = [], []
        for setting in request.settings:
            cell = Cell(scenario.reference, setting, device, request.size, dtype, request.seed)
            reason = _not_applicable(scenario, cell, present)
            if reason:
                excused.append(Arm(cell, status="not_applicable", reason=reason))
            else:
                cells.append(cell)
        if not cells:
            return [self._evidence(scenario, arm, None) for arm in excused]

        def records() -> list[Evidence]:
            return [
                self._evidence(scenario, arm, experiment) for arm in (*experiment.arms, *excused)
            ]

        def checkpoint() -> None:
            if self._journal:
                self._journal.checkpoint(records())

        ways = scopes.variants(machine.describe()["cpu_flags"], "xla" in scenario.ignores)
        experiment = Experiment(
            cells,
            request.profile,
            factory,
            scopes={scope: ways[scope] for scope in request.scopes if scope in ways},
            float64_reference=scenario.float64_reference,
            checkpoint=checkpoint,
            on_progress=self._report,
        )
        experiment.run()
        return records()

    def _report(self, progress: Progress) -> None:
        """Pass progress on, as progress of the whole run."""
        done = (self._experiments_done + progress.fraction) / self._experiments
        left = progress.seconds_left
        rest = self._experiments - self._experiments_done - 1
        if rest:
            elapsed = time.monotonic() - self._started
            left += rest * (elapsed + left) / (self._experiments_done + 1)
        self._on_progress(replace(progress, fraction=done, seconds_left=left))

    def _evidence(
        self, scenario: ScenarioInfo, arm: Arm, experiment: Experiment | None
    ) -> Evidence:
        cell = arm.cell
        same = experiment.aa_arm.cost() if experiment else None
        default = experiment.arms[0] if experiment else arm
        status, reason = arm.told(default)
        return Evidence(
            run_id=self.run_id,
            measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            scenario=_public_name(scenario),
            family=scenario.family,
            setting=cell.setting.name,
            device=cell.device,
            size=cell.size,
            dtype=cell.dtype,
            seed=cell.seed,
            status=status,
            reason=reason,
            cost=same if cell.setting == DEFAULT else arm.cost(),
            step_seconds=arm.step_seconds(),
            first_call_seconds=arm.median(arm.first_calls),
            cold_step_seconds=arm.median(arm.cold_steps),
            peak_memory_bytes=arm.peak("peak_memory_bytes"),
            device_memory_bytes=arm.peak("device_memory_bytes"),
            divergence={k: v for k, v in arm.divergence().items() if k in self.request.scopes},
            severity=arm.severity,
            accuracy=arm.accuracy,
            digest=arm.sequences.reference[0] if arm.sequences else None,
            carries_state=arm.sequences.carries_state,
            sequence=list(arm.sequences.reference) if arm.sequences.carries_state else [],
            same_bits_as_default=arm.same_bits_as(default),
            overridden=arm.overridden,
            traces=arm.peak("traces"),
            applied=arm.applied,
            machine=machine.describe(),
            versions=self._versions,
            protocol=self._protocol(experiment) if experiment else None,
            controls=Controls(same, *self._controls),
            commit=os.environ.get("ASV_COMMIT"),
            environment=os.environ.get("ASV_ENV_NAME"),
        )

    def _protocol(self, experiment: Experiment) -> Protocol:
        profile = self.request.profile
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
            start_method=self._start_method,
        )


def _control(factory: WorkerFactory, name: str, varies: bool) -> Control:
    """Run a control scenario; right is that all its repeats differ, or that none does."""
    worker = factory.start(Cell(name, DEFAULT, "CPU:0"))
    try:
        first = worker.build().digest
        divergent = sum(digest != first for digest in worker.repeat(CONTROL_REPEATS))
    except CellError:
        return Control(0, 0, ok=False)
    finally:
        worker.close()
    return Control(divergent, CONTROL_REPEATS, divergent == (CONTROL_REPEATS if varies else 0))


def _not_applicable(scenario: ScenarioInfo, cell: Cell, present: list[str]) -> str | None:
    """Return why the cell means nothing, or ``None`` if it does."""
    if cell.device not in present:
        return f"no {cell.device} here; TensorFlow reports {', '.join(present)}"
    if cell.dtype not in scenario.dtypes:
        return f"{scenario.name} is built with {' or '.join(scenario.dtypes)}, not {cell.dtype}"
    for lever, _ in cell.setting.levers:
        if lever.name in scenario.ignores:
            return f"{lever.name} means nothing to {scenario.name}"
    if cell.setting.has("isa") and not cell.device.startswith("CPU"):
        return f"isa means nothing to {cell.device}"
    if cell.setting.strategy and not scenario.draws:
        return f"{scenario.name} draws no numbers (one that does is declared with draws=True)"
    return None


def _describe(factory: ForkWorkerFactory | SpawnWorkerFactory, reference: str) -> ScenarioInfo:
    """Ask in a process of its own: two files may each import another neighbour of one name."""
    inspection = factory.inspection()
    try:
        return inspection.describe(reference)
    finally:
        inspection.close()


def _refuse_namesakes(scenarios: list[ScenarioInfo]) -> None:
    """Refuse two scenarios of one name in results, where one's evidence would hide the other's."""
    references: dict[str, str] = {}
    for found in scenarios:
        name = _public_name(found)
        other = references.setdefault(name, found.reference)
        if other != found.reference:
            raise UsageError(
                f"{other} and {found.reference} are both called {name} in results; rename one, "
                "or measure them into two files"
            )


def _public_name(scenario: ScenarioInfo) -> str:
    """Return the scenario's name without the folders of the machine it was measured on."""
    if not registry.is_external(scenario.reference):
        return scenario.name
    source, _, name = scenario.reference.rpartition(":")
    return f"{Path(source).name if source.endswith('.py') else source}:{name}"
