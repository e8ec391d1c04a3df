"""The site: reads results machine by machine, and writes one static folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import msgspec

from detcost import process_pool
from detcost.choosing import scope_checks
from detcost.choosing.question import USUAL, USUAL_SCOPES
from detcost.choosing.scope_checks import ELSEWHERE
from detcost.claims import verdicts
from detcost.claims.verdicts import Verdict
from detcost.evidence import reading
from detcost.evidence.reading import Problem
from detcost.evidence.schema import ALL_SCOPES, Evidence
from detcost.intervals import BAND
from detcost.report import folder, jsonp, operations, page, sightings
from detcost.report.cells import CellView, CostView, Figure, Origin
from detcost.report.checks import CheckView, unchecked
from detcost.report.decision_table import SubjectCost
from detcost.report.fleet import FleetView, fleet_views
from detcost.report.history import Change, Observation, Observations
from detcost.report.machines import Card, SeenMachine, by_machine, write_machines
from detcost.report.operations import LocatedView
from detcost.report.plots import data as plot_data
from detcost.report.plots import drawing
from detcost.report.projection import LONGEST
from detcost.report.words import WORDS
from detcost.scenarios import registry

#: The most problems with lines of evidence that the page lists.
MOST_PROBLEMS = 1000


class Folklore(msgspec.Struct, frozen=True):
    """The verdicts on claims from a machine's runs; ``source`` names the runs."""

    machine: str
    source: str
    verdicts: list[Verdict]


class Index(msgspec.Struct, frozen=True):
    """The data that the page starts with. It loads everything else on demand.

    Attributes
    ----------
    fields
        The names of the items of each array.
    bounds
        For each scope: bounds of a clean cell's rate, each with the advice on how to get it.
    elsewhere
        For each derived scope: where else a cell must be measured.
    words
        The texts of the page's answers, by name.
    unchecked
        By scope: the check of a cell that has no count of it.
    scenarios
        By name: the key of the file, and the summary if this detcost has the scenario.
    site
        The address of asv's published pages, relative to the page.
    """

    fields: dict[str, tuple[str, ...]]
    scopes: Sequence[str]
    usual_scopes: Sequence[str]
    usual: dict[str, str]
    band: float
    bounds: dict[str, list[tuple[float, str]]]
    elsewhere: dict[str, str]
    words: dict[str, str]
    unchecked: dict[str, CheckView]
    machines: list[Card]
    scenarios: dict[str, tuple[str, str]]
    plots: list[drawing.Plot]
    folklore: list[Folklore]
    located: list[LocatedView]
    fleet: list[FleetView]
    problems: list[str]
    site: str | None


def write(results: Path, out: Path, site: str | None = None) -> tuple[Path, list[Problem]]:
    """Write the page of some results, and return it with the lines that could not be read.

    Parameters
    ----------
    results
        A results folder or an evidence file.
    out
        The folder to write to. Files of an earlier report are replaced; other files stay.
    site
        The address of asv's published pages, relative to the page.

    Returns
    -------
    page, problems
        The file to open, and the lines of evidence that were skipped.

    Raises
    ------
    UsageError
        If there is no evidence, or if the folder holds something else or cannot be written.
    """
    files, problems = reading.files(results)
    if not files:
        raise reading.no_evidence(results, problems)
    with folder.writing(out):
        folder.check(out)
        return _write(results, files, problems, out, site)


def _write(
    results: Path, files: Sequence[Path], problems: list[Problem], out: Path, site: str | None
) -> tuple[Path, list[Problem]]:
    data = folder.prepare(out)
    seen: list[SeenMachine] = []
    for machines, unread in _machines(files, data):
        seen += machines
        problems += unread
    if not seen:
        raise reading.no_evidence(results, problems)
    seen.sort(key=_default_first, reverse=True)
    drawn = drawing.draw(
        plot_data.frame([part for machine in seen for part in machine.plotted]), out / "plots"
    )
    claims, unread = reading.read(results, folklore=True)
    problems += unread
    located, unread = operations.read(results, [machine.card for machine in seen])
    problems += unread
    fleet = fleet_views(files) if len(seen) > 1 else []
    index = _index(seen, drawn, _folklore(claims), located, fleet, problems, site)
    _write_scenarios(seen, index, data)
    first = data / f"{index.machines[0].key}.js"
    return page.write(out, jsonp.json(index), first), problems


def _default_first(machine: SeenMachine) -> tuple[bool, str]:
    """Return the sort key by which :func:`detcost.choosing.question.select` takes a machine."""
    return USUAL["device"] in machine.card.devices, machine.card.last_measured


def _machines(
    files: Sequence[Path], data: Path
) -> Iterator[tuple[list[SeenMachine], list[Problem]]]:
    """Process the folders, after the bits of all of them are known."""
    folders = [list(group) for _, group in groupby(files, key=lambda file: file.parent)]
    with process_pool.pool() as pool:
        coming = pool.imap(sightings.sight, folders)
        drawing.load()  # takes seconds, in which the other processes work
        parts = sightings.parts(folders, coming)
        yield from pool.imap(partial(write_machines, folder=data), parts)


def _index(
    seen: Sequence[SeenMachine],
    drawn: list[drawing.Plot],
    folklore: list[Folklore],
    located: list[LocatedView],
    fleet: list[FleetView],
    problems: Sequence[Problem],
    site: str | None,
) -> Index:
    summaries = {name: scenario.description for name, scenario in registry.built_in().items()}
    names = dict.fromkeys(name for machine in seen for name in machine.observations)
    structs = (
        *(CellView, Origin, CostView, Figure, CheckView, SubjectCost),
        *(Observations, Observation, Change),
    )
    return Index(
        fields={struct.__name__: struct.__struct_fields__ for struct in structs},
        scopes=ALL_SCOPES,
        usual_scopes=USUAL_SCOPES,
        usual=USUAL,
        band=BAND,
        bounds={scope: list(scope_checks.bounds(scope)) for scope in ALL_SCOPES},
        elsewhere=ELSEWHERE,
        words=WORDS,
        unchecked={scope: unchecked(scope) for scope in ALL_SCOPES},
        machines=[machine.card for machine in seen],
        scenarios={name: (jsonp.key("scenario", name), summaries.get(name, "")) for name in names},
        plots=drawn,
        folklore=folklore,
        located=located,
        fleet=fleet,
        problems=[str(problem)[:LONGEST] for problem in problems[:MOST_PROBLEMS]],
        site=site,
    )


def _folklore(records: Iterable[Evidence]) -> list[Folklore]:
    return [
        Folklore(name, verdicts.source(own), verdicts.verdicts(own))
        for name, own in by_machine(records).items()
    ]


def _write_scenarios(seen: Sequence[SeenMachine], index: Index, data: Path) -> None:
    """Write the observations of each scenario by the machine's place in the list."""
    for name, (key, _) in index.scenarios.items():
        machines = (
            b'"%d":%s' % (place, machine.observations[name])
            for place, machine in enumerate(seen)
            if name in machine.observations
        )
        jsonp.write(data, key, b"{%s}" % b",".join(machines))
