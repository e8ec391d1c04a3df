"""What a run does before it measures: workers, controls, versions, and the programs' properties."""

from __future__ import annotations

import datetime
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from detcost.errors import UsageError
from detcost.evidence import absence
from detcost.evidence.schema import Control
from detcost.experiment.records import Recorder
from detcost.experiment.request import Request
from detcost.host import machine
from detcost.settings.grammar import DEFAULT, Setting
from detcost.workers.contract import Cell, CellError, ScenarioInfo, WorkerFactory
from detcost.workers.launch import ForkWorkerFactory, SpawnWorkerFactory, start_workers

AnyWorkerFactory = ForkWorkerFactory | SpawnWorkerFactory
CONTROL_REPEATS = 20


def new_run_id() -> str:
    """Return an identifier for a run that begins now."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


@contextmanager
def workers(
    request: Request, settings: Iterable[Setting], own: AnyWorkerFactory | None = None
) -> Iterator[AnyWorkerFactory]:
    """Give a factory of workers for these settings, and close it in the end.

    ``own`` is a factory to use instead, which stays open.
    """
    factory = own or start_workers(request.seed)
    factory.prepare(settings, request.profile.pythons)
    # The inventory takes a second. Meanwhile another process imports TensorFlow.
    inventory = threading.Thread(target=machine.describe)
    inventory.start()
    try:
        yield factory
    finally:
        inventory.join()
        if factory is not own:
            factory.close()


def recorder(
    factory: AnyWorkerFactory, request: Request, run_id: str
) -> tuple[Recorder, list[str]]:
    """Run the controls, and return what all records have in common, and the devices here."""
    inspection = factory.inspection()
    devices, versions = inspection.devices(), inspection.versions()
    inspection.close()
    accelerators = [f"{d.name} {d.model}" for d in devices if not d.name.startswith("CPU")]
    common = Recorder(
        request,
        run_id,
        {**machine.describe(), "accelerators": accelerators},
        versions,
        factory.start_method,
        varies=control(factory, "control_varies", varies=True),
        stable=control(factory, "control_stable", varies=False),
    )
    return common, [device.name for device in devices]


def control(factory: WorkerFactory, name: str, varies: bool) -> Control:
    """Run a control scenario. It is right if all repeats differ, or if none does."""
    worker = factory.start(Cell(name, DEFAULT, "CPU:0"))
    try:
        first = worker.build().digest
        divergent = sum(digest != first for digest in worker.repeat(CONTROL_REPEATS))
    except CellError:
        return Control(0, 0, ok=False)
    finally:
        worker.close()
    return Control(divergent, CONTROL_REPEATS, divergent == (CONTROL_REPEATS if varies else 0))


def not_applicable(scenario: ScenarioInfo, cell: Cell, present: list[str]) -> str | None:
    """Return why the cell is not applicable; ``None`` if it is."""
    if cell.device not in present:
        return absence.reason(cell.device, present)
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


def describe(factory: AnyWorkerFactory, reference: str) -> ScenarioInfo:
    """Describe the one scenario that a reference names."""
    found = describe_all(factory, reference)
    if len(found) > 1:
        raise UsageError(
            f"{reference}: has {len(found)} scenarios; name one, as {found[0].reference}"
        )
    return found[0]


def describe_all(factory: AnyWorkerFactory, reference: str) -> list[ScenarioInfo]:
    """Describe scenarios in a process of their own: files may import other modules of one name."""
    inspection = factory.inspection()
    try:
        return inspection.describe(reference)
    finally:
        inspection.close()
