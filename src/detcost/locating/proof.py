"""The proof: a suspect alone, with its captured inputs, differs again in fresh processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from detcost.evidence import captured
from detcost.evidence.captured import FUNCTION, OPERATION, CapturedOperation
from detcost.evidence.recording import Recording
from detcost.host import noisy_neighbours
from detcost.locating.schema import WHOLE, Culprit, Proof
from detcost.locating.trying import Sides, Tried, compare
from detcost.workers.contract import (
    Cell,
    CellError,
    Conditions,
    Rewriting,
    Watched,
    WorkerFactory,
)

#: Name of an operation: its graph, and its own name in it.
Key = tuple[str, str]
#: Seconds for each way to force a divergence.
FORCING_SECONDS = 15.0
#: How many graphs around a suspect are replayed.
ENCLOSING = 3
ALONE = "the operation alone"


@dataclass(frozen=True)
class Replay:
    """What differs again, and where remedies are tried first.

    Attributes
    ----------
    proof
        What was seen.
    sides
        What its processes differ in.
    cell
        The replay. ``None`` if only the whole step differs.
    target
        The graph and the operation that a rewriting replaces in it. ``None`` if the replay has
        the suspect inside a function, where nothing can be replaced.
    """

    proof: Proof
    sides: Sides
    cell: Cell | None = None
    target: Key | None = None

    def rewritten(self, name: str) -> Cell | None:
        """Return the replay with the suspect computed in another way, if that is possible."""
        if self.cell is None or self.target is None:
            return None
        return msgspec.structs.replace(self.cell, rewriting=Rewriting(*self.target, name))


@dataclass(frozen=True)
class Prover:
    """Replays suspects of one cell.

    Parameters
    ----------
    factory, cell
        The program.
    recording
        What a run recorded, which says what encloses what.
    sides
        What the two runs differed in.
    """

    factory: WorkerFactory
    cell: Cell
    recording: Recording
    sides: Sides

    def prove(self, culprit: Culprit, folder: Path) -> Replay:
        """Replay the operation alone, then the graphs around it, then the whole step.

        Parameters
        ----------
        culprit
            The suspect.
        folder
            An empty or new folder for what is captured. It has a folder for each replay.
        """
        reasons: list[str] = []
        best: Replay | None = None
        for key in self._keys(culprit):
            place = folder / f"{len(reasons)}"
            operation = self._capture(key, culprit, place)
            if operation.reason:
                reasons.append(f"{key[1]}: {operation.reason}")
                continue
            alone = key == (culprit.graph, culprit.name)
            words = ALONE if alone else f"{operation.type} {operation.name} around it"
            cell = msgspec.structs.replace(
                self.cell, scenario=f"{place / captured.PROGRAM}:{OPERATION}"
            )
            replay = self._replayed(cell, words, (FUNCTION, OPERATION) if alone else None, place)
            if replay.proof.rate.divergent:
                return _explained(replay, reasons)
            best = best or replay
            reasons.append(f"{words} gave equal outputs {replay.proof.rate.trials} times")
        return self._whole(best, reasons)

    def _keys(self, culprit: Culprit) -> list[Key]:
        """Return the operation, and the calls around it, from the inside to the outside."""
        if culprit.kind not in ("operation", "function"):
            return []
        keys = [(culprit.graph, culprit.name)]
        while len(keys) <= ENCLOSING and (around := self._around(keys[-1][0])):
            if around in keys:  # a function that calls itself
                break
            keys.append(around)
        return keys

    def _around(self, graph: str) -> Key | None:
        callers = (
            (each.name, operation.name)
            for each in self.recording.graphs
            if each.kind != "pipeline"
            for operation in each.operations
            if graph in operation.calls
        )
        return next(callers, None)

    def _capture(self, key: Key, culprit: Culprit, place: Path) -> CapturedOperation:
        """Run the program once more, and keep what the operation takes."""
        alone = key == (culprit.graph, culprit.name)
        watched = Watched(
            operations=frozenset([key]),
            capture=(key, str(place)),
            at=(culprit.call, culprit.iteration if alone else 1),
        )
        try:
            worker = self.factory.start(self.cell, self.sides.reference)
            with tempfile.TemporaryDirectory(prefix="detcost-locate-") as recordings:
                try:
                    worker.record(f"{recordings}/run", max(1, culprit.call), watched)
                finally:
                    worker.close()
            return captured.read(place)
        except CellError as error:
            return CapturedOperation(type="", name=key[1], graph=key[0], reason=error.reason)

    def _replayed(self, cell: Cell, words: str, target: Key | None, place: Path | None) -> Replay:
        """Compare fresh processes of a replay. If none differs, force it."""
        plain = compare(self.factory, cell, self.sides)
        if plain.differs or plain.reason or not self.sides.alike:
            return _replay(plain, self.sides, "", cell, words, target, place)
        for forced, conditions in _forcing():
            sides = Sides(conditions, (conditions,), self.sides.pythons)
            tried = compare(self.factory, cell, sides, seconds=FORCING_SECONDS)
            if tried.differs:
                return _replay(tried, sides, forced, cell, words, target, place)
        return _replay(plain, self.sides, "", cell, words, target, place)

    def _whole(self, best: Replay | None, reasons: list[str]) -> Replay:
        """Run the whole step, because nothing smaller differed again."""
        whole = replace(self._replayed(self.cell, WHOLE, None, None), cell=None)
        if whole.proof.rate.divergent or best is None:
            return _explained(whole, reasons)
        return _explained(best, reasons)


def _forcing() -> Iterator[tuple[str, Conditions]]:
    """Give conditions in which threads meet more often, each in words."""
    cores = os.cpu_count() or 1
    threads = max(16, 4 * cores)
    yield f"{threads} threads", Conditions(f"{threads} threads", pool_size=threads)
    yield (
        f"{threads} threads beside {2 * cores} busy ones",
        Conditions("busy threads", pool_size=threads, busy_threads=2 * cores),
    )
    for kind in noisy_neighbours.KINDS:
        words = f"{threads} threads beside a neighbour ({kind})"
        yield words, Conditions(kind, pool_size=threads, neighbour=kind)


def _replay(
    tried: Tried,
    sides: Sides,
    forced: str,
    cell: Cell,
    words: str,
    target: Key | None,
    place: Path | None,
) -> Replay:
    proof = Proof(
        rate=tried.rate,
        processes=tried.processes,
        replayed=words if tried.differs else None,
        forced=forced,
        severity=tried.severity,
        folder=str(place) if place else None,
        reason=tried.reason,
    )
    return Replay(proof, sides, cell if tried.differs else None, target)


def _explained(replay: Replay, reasons: list[str]) -> Replay:
    """Add what was tried before."""
    known = [*([replay.proof.reason] if replay.proof.reason else []), *reasons]
    proof = msgspec.structs.replace(replay.proof, reason="; ".join(known) or None)
    return replace(replay, proof=proof)


def sides_of(scope: str, conditions: tuple[Conditions, Conditions]) -> Sides:
    """Return what runs of a scope differ in, given its two conditions."""
    first, second = conditions
    if first == second:
        return Sides(first, (first,), 2 if scope == "process" else 1)
    return Sides(first, (second,))
