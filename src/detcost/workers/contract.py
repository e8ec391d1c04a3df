"""What the experiment asks of a worker, and what a worker answers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import msgspec

from detcost.evidence.schema import Status
from detcost.outputs.severity import Severity
from detcost.settings.grammar import Setting
from detcost.settings.instruction_sets import Cap


class Cell(msgspec.Struct, frozen=True):
    """One thing to measure: a scenario under a setting on a device.

    ``scenario`` is a reference as in :func:`detcost.scenarios.registry.load`.
    """

    scenario: str
    setting: Setting
    device: str
    size: str = "medium"
    dtype: str = "float32"
    seed: int = 42


Execution = Literal["eager", "graph", "xla"]


class Conditions(msgspec.Struct, frozen=True):
    """What is changed around a cell for one trial. By default nothing is.

    Each holds for what the setting leaves free: ``threads=1`` stays one thread
    whatever ``pool_size`` says, and ``xla`` stays compiled.

    Attributes
    ----------
    label
        What evidence calls it, such as ``3`` for a pool of three threads.
    pool_size
        Threads of both pools.
    execution
        How functions are executed.
    cap
        The newest instruction set that a library may use.
    neighbour
        Kind of the processes beside it (:mod:`detcost.host.noisy_neighbours`). The experiment
        starts them; a worker has nothing to do with it.
    environment
        Variables to be set before Python starts.
    cores
        Cores to run on; the pools keep the size they have without.
    busy_threads
        Threads of the worker's own process that compete with TensorFlow's.
    input_offset
        Bytes past a boundary of 64 at which the inputs drawn by NumPy begin.
    float64
        Build the program from the same inputs, widened to float64.
    """

    label: str = "quiet"
    pool_size: int | None = None
    execution: Execution | None = None
    cap: Cap | None = None
    neighbour: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    cores: tuple[int, ...] = ()
    busy_threads: int = 0
    input_offset: int = 0
    float64: bool = False


UNPERTURBED = Conditions()


class Built(msgspec.Struct, frozen=True):
    """The first call of a freshly built cell: its duration, and what it gave.

    ``applied`` is what TensorFlow says is in force, ``overridden`` what the program sets by
    itself and was left out.
    """

    seconds: float
    digest: str
    applied: dict[str, Any]
    overridden: list[str] = []


class Burst(msgspec.Struct, frozen=True):
    """Steps timed together, once the worker had settled. Both figures are seconds a step.

    ``first`` is the step before that: the first one after the worker stood idle.
    """

    step: float
    first: float


class Usage(msgspec.Struct, frozen=True):
    """Peak bytes of the process and of the device, and how often a function was traced."""

    peak_memory_bytes: int
    device_memory_bytes: int | None
    traces: int


class ScenarioInfo(msgspec.Struct, frozen=True):
    """What the experiment must know of a scenario without loading its code."""

    reference: str
    name: str
    family: str
    summary: str
    dtypes: tuple[str, ...]
    ignores: frozenset[str]
    float64_reference: bool
    draws: bool


class CellError(Exception):
    """The cell cannot be measured, and trying again would not help."""

    def __init__(self, status: Status, reason: str):
        super().__init__(reason)
        self.status: Status = status
        self.reason = reason


class ProgramRaised(CellError):
    """The program raised an exception; ``failed`` unless its words tell more."""


class WorkerLost(CellError):
    """The worker died or hung; another one may do better."""


class Worker(Protocol):
    """A fresh process that runs one cell. Every method may raise :class:`CellError`."""

    def build(self) -> Built:
        """Apply the setting, build the scenario and time its first call."""

    def repeat(self, times: int) -> list[str]:
        """Run the step again and again; return each output's digest."""

    def burst(self, settle: float, seconds: float) -> Burst:
        """Run for ``settle`` seconds, then time steps for ``seconds``, or one step if longer."""

    def save_outputs(self, path: str) -> None:
        """Write the last outputs to a file, as a reference for :meth:`severity`."""

    def severity(self, path: str) -> Severity:
        """Compare the last outputs with saved ones."""

    def accuracy(self, path: str) -> float | None:
        """Return the relative error of the last outputs against saved ones in float64."""

    def usage(self) -> Usage:
        """Return memory and trace counts so far."""

    def close(self) -> None:
        """End the process. Never raises."""


class WorkerFactory(Protocol):
    """Starts workers. Real ones are processes; tests use fake ones."""

    def start(self, cell: Cell, conditions: Conditions = UNPERTURBED, *, python: int = 0) -> Worker:
        """Return a new worker for the cell, with nothing built. Threads may call it.

        ``python`` numbers the Pythons that workers are started from, each with a hash seed
        and an address space of its own.
        """

    def neighbour(self, kind: str) -> AbstractContextManager[None]:
        """Keep the machine busy meanwhile; see :func:`detcost.host.noisy_neighbours.neighbour`."""

    def close(self) -> None:
        """End every process this started."""
