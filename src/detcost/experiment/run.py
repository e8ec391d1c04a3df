"""A run: every scenario on every device, one experiment after another."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from detcost.errors import UsageError
from detcost.evidence.journal import Journal
from detcost.evidence.schema import Evidence
from detcost.experiment import following, planning, preparation, scopes
from detcost.experiment.arm import Arm
from detcost.experiment.blocks import Experiment
from detcost.experiment.planning import ProgramPlan
from detcost.experiment.preparation import AnyWorkerFactory, describe_all, not_applicable
from detcost.experiment.profiles import Profile
from detcost.experiment.progress import Progress
from detcost.experiment.records import Recorder, public_name
from detcost.experiment.redrawing import find_repeated_draws
from detcost.experiment.request import Request
from detcost.host import machine
from detcost.settings.grammar import DEFAULT, Setting
from detcost.workers import limits
from detcost.workers.contract import Cell, CellError, ScenarioInfo, Traits, WorkerFactory


class Run:
    """Measures a request. Iterate over it to get the record of each cell, when it is complete.

    Parameters
    ----------
    request
        What to measure.
    out
        An evidence file to append the records to.
    on_progress
        A function to call as work is done.
    on_plan
        A function to call with the plan of every scenario on every device.
    on_partial
        A function to call with the records so far of the cells that are being measured.
    factory
        A factory that starts the workers, and stays open. By default the run makes its own
        factory, and closes it at the end.

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
        on_plan: Callable[[ProgramPlan], None] = lambda plan: None,
        on_partial: Callable[[list[Evidence]], None] = lambda records: None,
        factory: AnyWorkerFactory | None = None,
    ):
        self.request = request
        self._factory = factory
        self.run_id = preparation.new_run_id()
        self._journal = Journal(out, self.run_id) if out else None
        self._on_progress = on_progress
        self._on_plan = on_plan
        self._on_partial = on_partial
        self._started = time.monotonic()
        self._experiments_done = 0
        self._experiments = len(request.scenarios) * len(request.devices or ("CPU:0",))

    def __iter__(self) -> Iterator[Evidence]:
        self._on_progress(Progress("", "", "starting TensorFlow", 0.0))
        settings = planning.settings_to_prepare(self.request)
        with preparation.workers(self.request, settings, self._factory) as factory:
            yield from self._run(factory)

    def _run(self, factory: AnyWorkerFactory) -> Iterator[Evidence]:
        named = (describe_all(factory, reference) for reference in self.request.scenarios)
        scenarios = list(dict.fromkeys(itertools.chain.from_iterable(named)))
        _refuse_equal_names(scenarios)
        recorder, present = preparation.recorder(factory, self.request, self.run_id)
        devices = self.request.devices or present
        self._experiments = len(scenarios) * len(devices)
        for device in devices:
            for scenario in scenarios:
                plan = self._plan(factory, scenario, device, present)
                self._on_plan(plan)
                cells, excluded = self._cells(scenario, device, present, plan.settings)
                records = self._measure(factory, recorder, scenario, cells, excluded, plan.profile)
                if self._journal:
                    self._journal.append(records)
                self._experiments_done += 1
                yield from records

    def _plan(
        self, factory: WorkerFactory, scenario: ScenarioInfo, device: str, present: list[str]
    ) -> ProgramPlan:
        """Return what to measure of a scenario, after a survey if the request asks to fit it."""
        traits = None
        if device in present and planning.fits(self.request, scenario.reference):
            traits = self._survey(factory, scenario, device)
        left = self._experiments - self._experiments_done
        elapsed = time.monotonic() - self._started
        plan = planning.plan(self.request, scenario.reference, traits, elapsed, left)
        name = public_name(scenario)
        return replace(plan, scenario=name, device=device, kind=scenario.kind)

    def _survey(self, factory: WorkerFactory, scenario: ScenarioInfo, device: str) -> Traits | None:
        """Run a program twice under ``default``; ``None`` if it fails, as its record will show."""
        request = self.request
        dtype = request.dtype or scenario.dtypes[0]
        cell = Cell(scenario.reference, DEFAULT, device, request.size, dtype, request.seed)
        doing = f"first calls under default, at most {limits.FIRST_CALL:.0f} s"
        self._report(Progress(public_name(scenario), device, doing, 0.0))
        worker = factory.start(cell)
        try:
            return worker.survey()
        except CellError:
            return None
        finally:
            worker.close()

    def _cells(
        self,
        scenario: ScenarioInfo,
        device: str,
        present: list[str],
        settings: Sequence[Setting],
    ) -> tuple[list[Cell], list[Arm]]:
        """Return the cells to measure, and the arms of cells that are not applicable."""
        request = self.request
        dtype = request.dtype or scenario.dtypes[0]
        cells: list[Cell] = []
        excluded: list[Arm] = []
        for setting in settings:
            cell = Cell(scenario.reference, setting, device, request.size, dtype, request.seed)
            reason = not_applicable(scenario, cell, present)
            if reason:
                excluded.append(Arm(cell, status="not_applicable", reason=reason))
            else:
                cells.append(cell)
        return cells, excluded

    def _measure(
        self,
        factory: WorkerFactory,
        recorder: Recorder,
        scenario: ScenarioInfo,
        cells: list[Cell],
        excluded: list[Arm],
        profile: Profile,
    ) -> list[Evidence]:
        """Measure the cells of one scenario on one device; return the records of all arms."""
        if not cells:
            return [recorder.record(scenario, arm) for arm in excluded]

        def records() -> list[Evidence]:
            arms = (*experiment.arms, *excluded)
            return [recorder.record(scenario, arm, experiment) for arm in arms]

        def checkpoint() -> None:
            so_far = records()
            if self._journal:
                self._journal.checkpoint(so_far)
            self._on_partial(so_far)

        variants = scopes.variants(machine.describe()["cpu_flags"], "xla" in scenario.ignores)
        experiment = Experiment(
            cells,
            profile,
            factory,
            scopes={scope: variants[scope] for scope in self.request.scopes if scope in variants},
            float64_reference=scenario.float64_reference,
            checkpoint=checkpoint,
            on_progress=self._report,
        )
        experiment.run()
        find_repeated_draws(experiment.arms, factory)
        if self.request.steps:
            plan = following.plan(self.request, profile, two_at_a_time=experiment.two_at_a_time)
            following.follow(
                experiment.arms, factory, plan, checkpoint=checkpoint, on_progress=self._report
            )
        return records()

    def _report(self, progress: Progress) -> None:
        """Report an experiment's progress as progress of the whole run."""
        fraction = (self._experiments_done + progress.fraction) / self._experiments
        left = progress.seconds_left
        remaining = self._experiments - self._experiments_done - 1
        if remaining and left is not None:
            elapsed = time.monotonic() - self._started
            left += remaining * (elapsed + left) / (self._experiments_done + 1)
        self._on_progress(replace(progress, fraction=fraction, seconds_left=left))


def _refuse_equal_names(scenarios: list[ScenarioInfo]) -> None:
    """Refuse two scenarios with one name in results, because one record would hide the other."""
    references: dict[str, str] = {}
    for scenario in scenarios:
        name = public_name(scenario)
        other = references.setdefault(name, scenario.reference)
        if other != scenario.reference:
            raise UsageError(
                f"{other} and {scenario.reference} are both called {name} in results; rename one, "
                "or measure them into two files"
            )
