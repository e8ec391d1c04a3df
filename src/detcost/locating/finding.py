"""``locate``: from a program to the operation to blame, its proof and its remedies."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from detcost.errors import UsageError
from detcost.evidence import recording
from detcost.evidence.recording import Recording
from detcost.experiment.preparation import AnyWorkerFactory
from detcost.locating import origins
from detcost.locating.program import LocatedProgram, OnProgress, open_program
from detcost.locating.proof import Prover, sides_of
from detcost.locating.remedies import Healer
from detcost.locating.runs import Runs, Seen, against
from detcost.locating.schema import Culprit, Location
from detcost.locating.searching import Search

#: Seconds that the search may take by default, without proof and remedies.
SECONDS = 60.0
#: Calls of a run that a file keeps.
_CALLS = 5
#: Culprits that are proved and cured.
_PROVED = 3


def locate(
    scenario: str,
    setting: str = "default",
    device: str = "CPU:0",
    *,
    scope: str = "repeat",
    seconds: float = SECONDS,
    prove: bool = True,
    cure: bool = True,
    size: str = "medium",
    dtype: str | None = None,
    seed: int = 42,
    compare_with: Path | None = None,
    folder: Path | None = None,
    factory: AnyWorkerFactory | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Location:
    """Find the operation whose inputs are equal in two runs while its outputs differ.

    Parameters
    ----------
    scenario
        ``path/to/file.py:name``, ``package.module:name``, or the name of a built-in scenario.
    setting, device, size, dtype, seed
        The cell, as for :func:`detcost.measure`.
    scope
        What differs between the two runs: ``repeat``, ``process``, ``threads``, ``load``, ``isa``
        or ``execution``.
    seconds
        The time for the search. Proof and remedies take more.
    prove
        Whether the operation is replayed alone in fresh processes.
    cure
        Whether settings and rewritings are tried on it, and their cost is measured.
    compare_with
        A file that :func:`record` wrote. It takes the place of the second run.
    folder
        A folder for what replays the operation. Without one, nothing is kept.
    factory
        A factory that starts the workers, and stays open.
    on_progress
        Called as work is done.

    Returns
    -------
    Location
        The culprits, if outputs differed, and how often they did.

    Raises
    ------
    UsageError
        For an unknown name, a file that cannot be loaded, read or written, or a program that
        fails.
    """
    with open_program(scenario, setting, device, scope, size, dtype, seed, factory) as program:
        runs = Runs(program.factory, program.cell, scope, program.fixed_execution)
        report = program.reporter(on_progress, seconds)
        if compare_with:
            return _against(program, runs, compare_with, report)
        search = Search(runs, seconds, report)
        culprits = search.culprits()
        if prove:
            with _replay_folder(folder) as replays:
                culprits = [
                    _proved(program, search, runs, culprit, replays / str(number), cure, report)
                    if number <= _PROVED
                    else culprit
                    for number, culprit in enumerate(culprits, start=1)
                ]
            if folder is None:
                culprits = [_without_folder(culprit) for culprit in culprits]
        location = program.location(runs, search.probed, culprits, search.undecided)
        return msgspec.structs.replace(location, unprobed=search.plain.rate, method=search.method)


def record(
    scenario: str,
    path: Path,
    setting: str = "default",
    device: str = "CPU:0",
    *,
    size: str = "medium",
    dtype: str | None = None,
    seed: int = 42,
    factory: AnyWorkerFactory | None = None,
) -> Recording:
    """Write the digests of one run to a file, to compare with another machine or version.

    Parameters
    ----------
    path
        The file, whose name should end in ``.recording``.
    scenario, setting, device, size, dtype, seed, factory
        As for :func:`locate`.

    Raises
    ------
    UsageError
        As :func:`locate`.
    """
    with open_program(scenario, setting, device, "repeat", size, dtype, seed, factory) as program:
        runs = Runs(program.factory, program.cell, "repeat", program.fixed_execution)
        recorded = program.described(runs.record(_CALLS))
        try:
            recording.write(recorded, path)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be written ({error.strerror}); name another file"
            ) from None
        return recorded


def _against(
    program: LocatedProgram, runs: Runs, path: Path, report: Callable[[str], None]
) -> Location:
    """Compare a run with a recording of another machine, version or time."""
    theirs = recording.read(path)
    report(f"running beside {path}")
    ours = program.described(runs.record(len(theirs.outputs)))
    rate = against(theirs, ours)
    found = origins.find([theirs, ours]) if rate.divergent else origins.Origins()
    seen = Seen(runs.scope, recordings=[theirs, ours])
    return msgspec.structs.replace(
        program.location(runs, seen, found.culprits, found.unmatched),
        probed=rate,
        scope="recording",
        compared=f"this run and {path.name} ({_made_by(theirs)})",
    )


def _proved(
    program: LocatedProgram,
    search: Search,
    runs: Runs,
    culprit: Culprit,
    folder: Path,
    cure: bool,
    report: Callable[[str], None],
) -> Culprit:
    """Add the proof, and the remedies that were tried."""
    report(f"replaying {culprit.type} alone")
    sides = sides_of(runs.scope, (runs.conditions[0], runs.conditions[1]))
    prover = Prover(program.factory, program.cell, search.probed.recordings[0], sides)
    replay = prover.prove(culprit, folder)
    culprit = msgspec.structs.replace(culprit, proof=replay.proof)
    if cure:
        healer = Healer(
            program.factory, program.cell, lambda name: report(f"{culprit.type} under {name}")
        )
        remedies = healer.try_remedies(culprit, replay)
        culprit = msgspec.structs.replace(culprit, remedies=remedies)
    return culprit


def _without_folder(culprit: Culprit) -> Culprit:
    """Leave out the folder of a replay that is not kept."""
    if culprit.proof is None:
        return culprit
    proof = msgspec.structs.replace(culprit.proof, folder=None)
    return msgspec.structs.replace(culprit, proof=proof)


@contextmanager
def _replay_folder(folder: Path | None) -> Iterator[Path]:
    if folder:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="detcost-replay-") as temporary:
        yield Path(temporary)


def _made_by(recorded: Recording) -> str:
    words = [recorded.processor.get("cpu") or "unknown machine"]
    if version := recorded.versions.get("tensorflow"):
        words.append(f"TensorFlow {version}")
    return ", ".join(words)
