"""The program that ``locate`` looks at, and how its answer describes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from detcost.errors import UsageError
from detcost.evidence.recording import Recording
from detcost.experiment import preparation, profiles
from detcost.experiment.preparation import AnyWorkerFactory
from detcost.experiment.progress import Progress
from detcost.experiment.records import public_name
from detcost.experiment.request import Request
from detcost.host import machine
from detcost.locating.runs import Runs, Seen
from detcost.locating.schema import Culprit, Location
from detcost.settings import grammar
from detcost.workers.contract import Cell, CellError, ScenarioInfo

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class LocatedProgram:
    """The program that is looked at, and what it runs on."""

    info: ScenarioInfo
    cell: Cell
    factory: AnyWorkerFactory
    began: float

    @property
    def fixed_execution(self) -> bool:
        """Whether it says itself how it is executed."""
        return "xla" in self.info.ignores

    def reporter(self, on_progress: OnProgress, seconds: float) -> Callable[[str], None]:
        """Return a function that reports what is done now."""

        def report(doing: str) -> None:
            elapsed = time.monotonic() - self.began
            fraction = min(0.95, elapsed / (elapsed + seconds))
            on_progress(Progress(public_name(self.info), self.cell.device, doing, fraction))

        return report

    def versions(self) -> dict[str, str | None]:
        """Return the versions of TensorFlow, of Python and of the libraries."""
        inspection = self.factory.inspection()
        try:
            return dict(inspection.versions())
        finally:
            inspection.close()

    def described(self, recorded: Recording) -> Recording:
        """Add the program's name, the machine and the versions to a recording."""
        return msgspec.structs.replace(
            recorded,
            scenario=public_name(self.info),
            processor=_machine(),
            versions=self.versions(),
        )

    def location(
        self, runs: Runs, seen: Seen, culprits: Sequence[Culprit], undecided: Sequence[str]
    ) -> Location:
        """Return the answer, given the runs with the probe and what they leave open."""
        graphs = [graph for each in seen.recordings for graph in each.graphs]
        watched = {(graph.name, o.name) for graph in graphs for o in graph.operations if o.gives}
        unwatched = dict.fromkeys(reason for each in seen.recordings for reason in each.unprobed)
        if runs.unwatched:
            unwatched[runs.unwatched] = None
        unwatched |= dict.fromkeys(undecided)
        return Location(
            scenario=public_name(self.info),
            setting=str(self.cell.setting),
            device=self.cell.device,
            size=self.cell.size,
            dtype=self.cell.dtype,
            seed=self.cell.seed,
            scope=runs.scope,
            compared=runs.compared,
            probed=seen.rate,
            culprits=tuple(culprits),
            unwatched=tuple(unwatched),
            operations=len(watched),
            frames=sum(len(each.frames) for each in seen.recordings),
            seconds=round(time.monotonic() - self.began, 1),
            machine=_machine(),
            versions=self.versions(),
        )


@contextmanager
def open_program(
    scenario: str,
    setting: str,
    device: str,
    scope: str,
    size: str,
    dtype: str | None,
    seed: int,
    factory: AnyWorkerFactory | None,
) -> Iterator[LocatedProgram]:
    """Check what the user named, and give the program. Its failures are the user's mistakes."""
    request = Request.parse(
        [scenario],
        [setting],
        [device],
        scopes=[scope],
        profile=profiles.find("quick"),
        size=size,
        dtype=dtype,
        seed=seed,
    )
    chosen = grammar.parse_all([setting])[0]
    with preparation.workers(request, [chosen], factory) as workers:
        info = preparation.describe(workers, request.scenarios[0])
        cell = Cell(info.reference, chosen, device, size, dtype or info.dtypes[0], seed)
        _refuse_inapplicable(info, cell, workers)
        try:
            yield LocatedProgram(info, cell, workers, time.monotonic())
        except CellError as error:
            raise UsageError(f"{info.name} under {setting}: {error.reason}") from None


def _refuse_inapplicable(info: ScenarioInfo, cell: Cell, workers: AnyWorkerFactory) -> None:
    inspection = workers.inspection()
    try:
        present = [device.name for device in inspection.devices()]
    finally:
        inspection.close()
    if reason := preparation.not_applicable(info, cell, present):
        raise UsageError(f"{info.name} on {cell.device} under {cell.setting}: {reason}")


def _machine() -> dict[str, str | None]:
    described = machine.describe()
    return {name: described.get(name) for name in ("name", "cpu", "os")}
