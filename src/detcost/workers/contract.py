"""The contract between experiment and workers: cells, conditions, requests and answers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import msgspec

from detcost.evidence.schema import Status
from detcost.outputs.severity import Severity
from detcost.scenarios.registry import Expect, Kind
from detcost.settings.grammar import Setting
from detcost.settings.instruction_sets import Cap


class Rewriting(msgspec.Struct, frozen=True):
    """One operation of a program, computed in another way.

    Attributes
    ----------
    graph, operation
        The names of the operation's graph and its own, as in a
        :mod:`recording <detcost.evidence.recording>`.
    name
        The other way; see :mod:`detcost.locating.rewritings`.
    place
        The user's line that makes the operation. Transformations of pipelines are found by it.
    """

    graph: str
    operation: str
    name: str
    place: str = ""


class Cell(msgspec.Struct, frozen=True):
    """A scenario under a setting on a device.

    ``scenario`` is a reference for :func:`detcost.scenarios.loading.load`. With a ``rewriting``,
    one operation of the program is computed in another way.
    """

    scenario: str
    setting: Setting
    device: str
    size: str = "medium"
    dtype: str = "float32"
    seed: int = 42
    rewriting: Rewriting | None = None


Execution = Literal["eager", "graph", "xla"]


class Conditions(msgspec.Struct, frozen=True):
    """What is changed around a cell for one trial. The default changes nothing.

    The setting takes precedence: ``threads=1`` stays one thread whatever ``pool_size`` is, and
    ``xla`` stays compiled.

    Attributes
    ----------
    label
        The name in evidence, such as ``3`` for a pool of three threads.
    pool_size
        Number of threads in each of the two pools.
    execution
        How functions are executed.
    cap
        The newest instruction set that a library may use.
    neighbour
        Kind of the processes that run beside the worker
        (:mod:`detcost.host.noisy_neighbours`). The experiment starts them, not the worker.
    environment
        Variables to set before Python starts.
    cores
        Cores to run on. They do not change the size of the pools.
    busy_threads
        Number of threads in the worker that compete with TensorFlow's threads.
    input_offset
        Offset in bytes from a boundary of 64 bytes, at which NumPy's inputs begin.
    float64
        Whether to build the program from the same inputs, widened to float64.
    draws_anew
        Whether data sets shuffle anew in every pass, and cache nothing.
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
    draws_anew: bool = False


UNPERTURBED = Conditions()


class Built(msgspec.Struct, frozen=True):
    """The first call of a new cell: its duration and its digest.

    ``applied`` is the configuration that TensorFlow reports. ``overridden`` lists the program's
    own calls and variables that were ignored.
    """

    seconds: float
    digest: str
    applied: dict[str, Any]
    overridden: list[str] = []


class Burst(msgspec.Struct, frozen=True):
    """Seconds per step of steps timed together, once the worker has settled.

    ``first`` is the duration of the first step after idleness, before the worker settled.
    """

    step: float
    first: float


class Watched(msgspec.Struct, frozen=True):
    """Which operations a probe digests. ``None`` is all of them.

    Attributes
    ----------
    operations
        The watched operations of functions, each as the name of its graph and its own name. Eager
        operations are always watched.
    capture
        The operation, watched too, whose inputs are kept to replay it, and the folder for them.
    at
        The call, and the execution in this call, whose inputs are kept, both from 1. ``None`` is
        the first.
    """

    operations: frozenset[tuple[str, str]] | None = None
    capture: tuple[tuple[str, str], str] | None = None
    at: tuple[int, int] | None = None


class Usage(msgspec.Struct, frozen=True):
    """Peak bytes of the process and the device, and how often a function was traced.

    ``begins_anew`` is whether each call begins the program anew. Such a call restarts the random
    numbers by ``bench.reseed`` or ``reset``. Or it makes trainable variables, which only a worker
    that draws anew notices.
    """

    peak_memory_bytes: int
    device_memory_bytes: int | None
    traces: int
    begins_anew: bool = False


class Traits(msgspec.Struct, frozen=True):
    """What a program is made of, as its first calls under ``default`` show it.

    Attributes
    ----------
    first_seconds
        The seconds to build the program and to call it once.
    step_seconds
        The seconds of the next call.
    compiles
        Whether the program runs a ``tf.function``, which XLA may compile.
    unordered
        Whether a ``tf.data`` pipeline gives up the order of its elements by its options.
    draws
        Whether it draws random numbers.
    scatters
        Whether it adds to rows by index, as the gradient of an embedding does.
    """

    first_seconds: float
    step_seconds: float
    compiles: bool = False
    unordered: bool = False
    draws: bool = False
    scatters: bool = False


class ScenarioInfo(msgspec.Struct, frozen=True):
    """The properties of a scenario that the experiment needs without loading its code."""

    reference: str
    name: str
    family: str
    summary: str
    dtypes: tuple[str, ...]
    ignores: frozenset[str]
    float64_reference: bool
    draws: bool
    expect: Expect = "same"
    kind: Kind | None = None


class CellError(Exception):
    """The cell cannot be measured. A retry does not help."""

    def __init__(self, status: Status, reason: str):
        super().__init__(reason)
        self.status: Status = status
        self.reason = reason


class ProgramRaised(CellError):
    """The program raised an exception that has no status of its own."""


class WorkerLost(CellError):
    """The worker died or hung. Another worker may succeed."""


class Worker(Protocol):
    """A fresh process that runs one cell. Every method may raise :class:`CellError`."""

    def build(self) -> Built:
        """Apply the setting, build the scenario and time its first call."""

    def survey(self) -> Traits:
        """Build the cell, run it twice, and return what the program is made of."""

    def record(self, path: str, calls: int, watched: Watched) -> list[str]:
        """Build the cell with a probe in it, and run the step ``calls`` times in all.

        The :mod:`recording <detcost.evidence.recording>` is written to ``path``. Return the
        digest of each call's outputs.
        """

    def repeat(self, times: int) -> list[str]:
        """Run the step repeatedly and return the digest of each call's outputs."""

    def burst(self, settle: float, seconds: float) -> Burst:
        """Run for ``settle`` seconds, then time steps for ``seconds``, but at least one step."""

    def save_outputs(self, path: str) -> None:
        """Write the last outputs to a file, as the reference of :meth:`severity`."""

    def severity(self, path: str) -> Severity:
        """Compare the last outputs with saved outputs."""

    def accuracy(self, path: str) -> float | None:
        """Return the relative L2 difference of the last outputs from saved outputs."""

    def usage(self) -> Usage:
        """Return peak memory and trace counts so far."""

    def close(self) -> None:
        """End the process. Never raises."""


class WorkerFactory(Protocol):
    """Starts workers. Tests use a fake factory."""

    def start(self, cell: Cell, conditions: Conditions = UNPERTURBED, *, python: int = 0) -> Worker:
        """Start a worker for the cell, without building the cell. Thread-safe.

        ``python`` is the number of the Python process that starts the worker. Each of them
        has its own hash seed and address space.
        """

    def neighbour(self, kind: str) -> AbstractContextManager[None]:
        """Keep the machine busy; see :func:`detcost.host.noisy_neighbours.neighbour`."""

    def close(self) -> None:
        """End every process that the factory has started."""
