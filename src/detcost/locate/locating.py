"""``locate``: from a program to the operation to blame, its proof and its remedies."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from detcost.errors import UsageError
from detcost.evidence import recording
from detcost.evidence.recording import Recording
from detcost.experiment import preparation, profiles
from detcost.experiment.preparation import AnyWorkerFactory
from detcost.experiment.progress import Progress
from detcost.experiment.records import public_name
from detcost.experiment.request import Request
from detcost.host import machine
from detcost.locate import bisection, origins
from detcost.locate.runs import Runs, Seen, against
from detcost.locate.schema import Culprit, Location
from detcost.settings import grammar
from detcost.workers.contract import Cell, CellError, ScenarioInfo

#: Seconds that the search may take by default, without proof and remedies.
SECONDS = 60.0
#: The share of the time for runs without the probe.
_PLAIN = 0.25
#: Divergences that make a search end, once there are as many comparisons.
_ENOUGH, _AT_LEAST = 5, 40
#: Comparisons after which nothing more is expected: a rate of 3 % shows by then, in 99 of 100.
_AT_MOST = 160
#: Calls of one run, and the bytes of digests that a run and a search may have.
_CALLS, _RUN_BYTES, _SEARCH_BYTES = 20, 8 << 20, 64 << 20
#: Culprits that are proved and cured.
_PROVED = 3

OnProgress = Callable[[Progress], None]


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
    record: Path | None = None,
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
    record
        A file to write one run's digests to, to compare with another machine or version.
    compare_with
        A file that ``record`` wrote. It takes the place of the second run.
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
        with _replay_folder(folder) as replays:
            search = Search(info, cell, scope, workers, seconds, on_progress)
            try:
                if record:
                    search.record(record)
                if compare_with:
                    return search.against(compare_with)
                return search.run(replays, prove=prove, cure=cure, kept=folder is not None)
            except CellError as error:
                raise UsageError(f"{info.name} under {setting}: {error.reason}") from None


@contextmanager
def _replay_folder(folder: Path | None) -> Iterator[Path]:
    if folder:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="detcost-replay-") as temporary:
        yield Path(temporary)


def _refuse_inapplicable(info: ScenarioInfo, cell: Cell, workers: AnyWorkerFactory) -> None:
    inspection = workers.inspection()
    try:
        present = [device.name for device in inspection.devices()]
    finally:
        inspection.close()
    if reason := preparation.not_applicable(info, cell, present):
        raise UsageError(f"{info.name} on {cell.device} under {cell.setting}: {reason}")


@dataclass
class Search:
    """The search for what differs in one cell, within one scope."""

    info: ScenarioInfo
    cell: Cell
    scope: str
    factory: AnyWorkerFactory
    seconds: float
    on_progress: OnProgress

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._runs = Runs(self.factory, self.cell, self.scope, "xla" in self.info.ignores)
        self._calls = _CALLS

    def record(self, path: Path) -> None:
        """Write the digests of one run."""
        self._report("recording")
        recorded = self._described(self._runs.record(self._calls_of_a_file()))
        try:
            recording.write(recorded, path)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be written ({error.strerror}); name another file"
            ) from None

    def against(self, path: Path) -> Location:
        """Compare a run with a recording of another machine, version or time."""
        theirs = recording.read(path)
        self._report(f"running beside {path}")
        ours = self._described(self._runs.record(len(theirs.outputs)))
        seen = Seen(self.scope, recordings=[theirs, ours])
        rate = against(theirs, ours)
        culprits = origins.find(seen.recordings).culprits if rate.divergent else ()
        return msgspec.structs.replace(
            self._location(seen, culprits),
            probed=rate,
            unprobed=None,
            scope="recording",
            compared=f"this run and {path.name} ({_made_by(theirs)})",
        )

    def run(self, replays: Path, *, prove: bool, cure: bool, kept: bool) -> Location:
        """Search by runs of this machine."""
        plain = self._search_plain()
        probed, method = self._search_probed(), "all"
        culprits: Sequence[Culprit] = ()
        if probed.rate.divergent:
            culprits = origins.find(probed.recordings).culprits
        elif plain.rate.divergent:
            self._report("the probe hides the divergence: watching sets of outputs")
            method = "sets"
            end = self._began + 2 * self.seconds
            culprits, probed = bisection.search(self._runs, probed, self._calls, end)
        location = self._location(probed, culprits)
        return msgspec.structs.replace(location, unprobed=plain.rate, method=method)

    def _search_plain(self) -> Seen:
        """Run without the probe; fit the number of calls to how long they take."""
        self._report("first run without the probe")
        seen = Seen(self.scope)
        self._runs.find_conditions(2)
        took = self._runs.plain(seen, 2)
        self._calls = max(2, min(_CALLS, int(self.seconds / 8 / max(took / 2, 1e-3))))
        seen = Seen(self.scope)
        end = time.monotonic() + _PLAIN * self.seconds
        self._repeat(seen, end, lambda: self._runs.plain(seen, self._calls), "without the probe")
        return seen

    def _search_probed(self) -> Seen:
        """Run with the probe, until enough has differed."""
        seen = Seen(self.scope)
        end = self._began + self.seconds

        def run() -> None:
            self._runs.probed(seen, self._calls)
            if len(seen.recordings) == 1:
                self._fit_calls(seen)

        self._repeat(seen, end, run, "with the probe")
        return seen

    def _fit_calls(self, seen: Seen) -> None:
        """Make later runs as long as their digests allow. The first run is one of them."""
        size = _bytes(seen.recordings[0])
        fitting = int(_RUN_BYTES / max(1, size / self._calls))
        if fitting < self._calls:
            self._calls = max(2, fitting)
            seen.recordings.clear()
            seen.sequences = type(seen.sequences)()

    def _repeat(self, seen: Seen, end: float, run: Callable[[], object], doing: str) -> None:
        """Run at least twice, until the time is up or enough is seen."""
        runs = 0
        while runs < 3 or time.monotonic() < end:
            run()
            runs += 1
            rate = seen.rate
            self._report(f"{doing}: {rate.divergent} of {rate.trials} comparisons differ")
            enough = rate.divergent >= _ENOUGH and rate.trials >= _AT_LEAST
            full = sum(map(_bytes, seen.recordings)) > _SEARCH_BYTES
            if runs >= 3 and (enough or full or rate.trials >= _AT_MOST):
                return

    def _location(self, seen: Seen, culprits: Sequence[Culprit]) -> Location:
        watched = {(graph.name, o.name) for r in seen.recordings for graph in r.graphs
                   for o in graph.operations if o.gives}  # fmt: skip
        unwatched = dict.fromkeys(reason for r in seen.recordings for reason in r.unprobed)
        if self._runs.unwatched:
            unwatched[self._runs.unwatched] = None
        return Location(
            scenario=public_name(self.info),
            setting=str(self.cell.setting),
            device=self.cell.device,
            size=self.cell.size,
            dtype=self.cell.dtype,
            seed=self.cell.seed,
            scope=self.scope,
            compared=self._runs.compared,
            probed=seen.rate,
            culprits=tuple(culprits),
            unwatched=tuple(unwatched),
            operations=len(watched),
            frames=sum(len(r.frames) for r in seen.recordings),
            seconds=round(time.monotonic() - self._began, 1),
            machine=_machine(),
            versions=self._versions(),
        )

    def _described(self, recorded: Recording) -> Recording:
        return msgspec.structs.replace(
            recorded,
            scenario=public_name(self.info),
            processor=_machine(),
            versions=self._versions(),
        )

    def _versions(self) -> dict[str, str | None]:
        inspection = self.factory.inspection()
        try:
            return dict(inspection.versions())
        finally:
            inspection.close()

    def _calls_of_a_file(self) -> int:
        return 5

    def _report(self, doing: str) -> None:
        elapsed = time.monotonic() - self._began
        fraction = min(0.95, elapsed / (elapsed + self.seconds))
        self.on_progress(Progress(self.info.name, self.cell.device, doing, fraction))


def _bytes(recorded: Recording) -> int:
    frames = sum(len(frame.digests) for frame in recorded.frames)
    return frames + sum(len(each.digests) for each in recorded.passes)


def _machine() -> dict[str, str | None]:
    described = machine.describe()
    return {name: described.get(name) for name in ("name", "cpu", "os")}


def _made_by(recorded: Recording) -> str:
    words = [recorded.processor.get("cpu") or "unknown machine"]
    if version := recorded.versions.get("tensorflow"):
        words.append(f"TensorFlow {version}")
    return ", ".join(words)
