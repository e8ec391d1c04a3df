"""Runs of one program with the probe in it and without, in the conditions of a scope."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from detcost.errors import UsageError
from detcost.evidence import recording
from detcost.evidence.recording import Recording
from detcost.experiment import scopes
from detcost.experiment.sequences import BitComparison, CallDigests, Sequences
from detcost.host import machine
from detcost.locating.schema import Rate
from detcost.workers.contract import (
    UNPERTURBED,
    Cell,
    CellError,
    Conditions,
    Watched,
    WorkerFactory,
)

#: Scopes in which the conditions stay as they are.
_UNCHANGED = ("repeat", "process")
_EVERYTHING = Watched()
_FUNCTIONS_FROM_OUTSIDE = Watched(frozenset())


@dataclass
class Seen:
    """The outputs of some runs, and how often they differ.

    Attributes
    ----------
    scope
        The scope in which they are compared.
    recordings
        What the probe recorded, if there was one.
    """

    scope: str
    sequences: Sequences = field(default_factory=Sequences)
    recordings: list[Recording] = field(default_factory=list)

    @property
    def rate(self) -> Rate:
        """How many comparisons differ: of runs, or of calls in scope ``repeat``.

        In that scope, each run may have its own outputs in all of its calls. Runs count then.
        """
        between = list(self.sequences.between())
        if self.scope == "repeat":
            of_calls = list(self.sequences.within())
            if any(each.differs for each in of_calls) or not any(b.differs for b in between):
                return _rate(of_calls)
        return _rate(between)


def _rate(comparisons: Sequence[BitComparison]) -> Rate:
    return Rate.of(sum(each.differs for each in comparisons), len(comparisons))


class Runs:
    """Makes runs of a cell. Runs of a scope take its two conditions in turn.

    Parameters
    ----------
    factory
        Starts the workers.
    cell
        The program.
    scope
        What may change from run to run.
    fixed_execution
        Whether the program itself says how it is executed.
    """

    def __init__(self, factory: WorkerFactory, cell: Cell, scope: str, fixed_execution: bool):
        self.factory = factory
        self.cell = cell
        self.scope = scope
        self.unwatched: str | None = None
        self._everything = _EVERYTHING
        self._number = 0
        self.conditions = [UNPERTURBED, UNPERTURBED]
        if scope not in _UNCHANGED:
            flags = machine.describe()["cpu_flags"]
            self._candidates = scopes.variants(flags, fixed_execution)[scope](cell)
            if scope in ("load", "isa"):
                self._candidates = [UNPERTURBED, *self._candidates]

    @property
    def compared(self) -> str:
        """What the two conditions are, in words."""
        first, second = (condition.label for condition in self.conditions)
        words = {
            "repeat": "two runs",
            "process": "two starts of the program",
            "threads": f"{first} and {second} threads",
        }
        return words.get(self.scope, f"{first} and {second}")

    def find_conditions(self, calls: int) -> None:
        """Find two neighbouring conditions of the scope in which the outputs differ.

        Conditions in which the program cannot run are left out.

        Raises
        ------
        CellError
            If the program runs in fewer than two conditions.
        """
        if self.scope in _UNCHANGED:
            return
        outputs: list[tuple[Conditions, list[str]]] = []
        error: CellError | None = None
        for conditions in self._candidates:
            try:
                outputs.append((conditions, self._outputs(conditions, calls, python=0)))
            except CellError as failed:
                error = failed
        if len(outputs) < 2:
            raise error or CellError("not_applicable", f"{self.scope} has one condition here")
        pairs = list(itertools.pairwise(outputs)) + list(itertools.combinations(outputs, 2))
        differing = [(a, b) for (a, first), (b, second) in pairs if first != second]
        self.conditions = list(differing[0]) if differing else [outputs[0][0], outputs[-1][0]]

    def plain(self, seen: Seen, calls: int) -> float:
        """Add a run without a probe. Return its seconds."""
        began = time.monotonic()
        conditions, python = self._next()
        self._add(seen, conditions, python, self._outputs(conditions, calls, python))
        return time.monotonic() - began

    def probed(self, seen: Seen, calls: int, watched: Watched | None = None) -> float:
        """Add a run with the probe. Return its seconds."""
        began = time.monotonic()
        conditions, python = self._next()
        recorded = self.record(calls, conditions, python, watched)
        seen.recordings.append(recorded)
        self._add(seen, conditions, python, list(recorded.outputs))
        return time.monotonic() - began

    def record(
        self,
        calls: int,
        conditions: Conditions = UNPERTURBED,
        python: int = 0,
        watched: Watched | None = None,
    ) -> Recording:
        """Run the program with the probe in it.

        If XLA compiles a function with the probe in it after all, functions are watched from
        outside from then on.
        """
        try:
            return self._record(calls, conditions, python, watched or self._everything)
        except CellError as error:
            if watched or self._everything is not _EVERYTHING or "detcost_probe" not in str(error):
                raise
            self.unwatched = f"the inside of functions: {error.reason}"
            self._everything = _FUNCTIONS_FROM_OUTSIDE
            return self._record(calls, conditions, python, self._everything)

    def _record(
        self, calls: int, conditions: Conditions, python: int, watched: Watched
    ) -> Recording:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="detcost-locate-"))
            path = Path(folder) / f"run{recording.SUFFIX}"
            stack.enter_context(self._neighbour(conditions))
            worker = self.factory.start(self.cell, conditions, python=python)
            stack.callback(worker.close)
            worker.record(str(path), calls, watched)
            return recording.read(path)

    def _outputs(self, conditions: Conditions, calls: int, python: int) -> list[str]:
        with self._neighbour(conditions):
            worker = self.factory.start(self.cell, conditions, python=python)
            try:
                return [worker.build().digest, *worker.repeat(calls - 1)]
            finally:
                worker.close()

    def _neighbour(self, conditions: Conditions):  # type: ignore[no-untyped-def]
        kind = conditions.neighbour
        return self.factory.neighbour(kind) if kind else nullcontext()

    def _next(self) -> tuple[Conditions, int]:
        """Return the conditions of the next run, and the number of its Python process."""
        turn = self._number % 2
        self._number += 1
        return self.conditions[turn], turn if self.scope == "process" else 0

    def _add(self, seen: Seen, conditions: Conditions, python: int, outputs: list[str]) -> None:
        seen.sequences.add(CallDigests(python, conditions.label, tuple(outputs)))


def against(theirs: Recording, ours: Recording) -> Rate:
    """Return how many calls differ between two recordings of a program.

    Raises
    ------
    UsageError
        If they are of different programs.
    """
    for name in ("scenario", "size", "dtype", "seed"):
        if getattr(theirs, name) != getattr(ours, name):
            raise UsageError(
                f"the recording is of {name} {getattr(theirs, name)}, and this run of "
                f"{getattr(ours, name)}; name the same"
            )
    pairs = list(zip(theirs.outputs, ours.outputs, strict=False))
    return Rate.of(sum(a != b for a, b in pairs), len(pairs))
