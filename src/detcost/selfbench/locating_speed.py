"""How long ``locate`` takes, and what its digests take: behind ``asv run -b locating``."""

from __future__ import annotations

import time
from dataclasses import dataclass

from detcost.experiment.preparation import AnyWorkerFactory
from detcost.locating.finding import SECONDS, locate
from detcost.locating.runs import Runs, Seen
from detcost.locating.searching import recorded_bytes
from detcost.settings import grammar
from detcost.workers.contract import Cell
from detcost.workers.launch import start_workers

_MODULE = "detcost.selfbench.locating_programs"
#: The programs, with the calls of a long run: it takes longer than starts of processes vary.
PROGRAMS = {"hundred_operations": 1_000, "keras_encoder": 12}
#: Calls of a short run. The difference of the times is that of steps alone.
_FEW = 2
_RUNS = 3


@dataclass(frozen=True)
class LocatingFigures:
    """The figures of one program.

    Attributes
    ----------
    seconds
        Of the search, without proof and remedies.
    operations
        That were watched.
    digest_bytes
        Of the longest run's digests, for each call of the step.
    slowdown
        The step's time with the probe ÷ its time without, in runs that take turns.
    """

    seconds: float
    operations: int
    digest_bytes: float
    slowdown: float


def figures(program: str, seconds: float = SECONDS) -> LocatingFigures:
    """Measure one of :data:`PROGRAMS`. ``seconds`` is the time for the search."""
    factory = start_workers(1)
    try:
        began = time.monotonic()
        found = locate(f"{_MODULE}:{program}", seconds=seconds, prove=False, factory=factory)
        took = time.monotonic() - began
        size, slowdown = _digesting(factory, program)
    finally:
        factory.close()
    return LocatingFigures(took, found.operations, size, slowdown)


def _digesting(factory: AnyWorkerFactory, program: str) -> tuple[float, float]:
    """Return the bytes of digests of a call, and how much longer a step takes."""
    [default] = grammar.parse_all(["default"])
    cell = Cell(f"{_MODULE}:{program}", default, "CPU:0", "medium", "float32", 42)
    runs = Runs(factory, cell, "repeat", fixed_execution=False)
    many = PROGRAMS[program]
    plain, probed, seen = 0.0, 0.0, Seen("repeat")
    for _ in range(_RUNS):
        plain += runs.plain(seen, many) - runs.plain(seen, _FEW)
        probed += runs.probed(seen, many) - runs.probed(seen, _FEW)
    size = max(map(recorded_bytes, seen.recordings)) / many
    return size, probed / plain
