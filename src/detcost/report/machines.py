"""Machines: all that a page needs of one, as a file of its own that is loaded when asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from detcost import evidence
from detcost.evidence import Evidence, Problem
from detcost.report import scripts
from detcost.report.cells import LONGEST, Cell
from detcost.report.history import Change, changes, sightings
from detcost.report.views import View, views
from detcost.selection import USUAL_SCOPES

#: Rows of a stranger's machine card, and protocols, that a page takes.
MOST_ROWS = 100


class Run(msgspec.Struct, frozen=True):
    """A run: how it was measured, and what its controls said; no failures are good news."""

    measured_at: str
    protocol: evidence.Protocol | None
    commit: str | None
    failed_controls: list[str]


class Card(msgspec.Struct, frozen=True):
    """A machine in the page's list; ``key`` names its file."""

    key: str
    name: str
    cpu: str
    tensorflow: list[str]
    devices: list[str]
    last_measured: str
    failed_controls: list[str]


class Machine(msgspec.Struct, frozen=True):
    """What the page knows of a machine beyond its card."""

    description: dict[str, str]
    versions: dict[str, str]
    runs: dict[str, Run]
    views: list[View]
    changes: list[Change]


class Seen(msgspec.Struct, frozen=True):
    """What is left of a machine once its file is written, to be put beside the others'.

    ``sightings`` has the JSON of a list of :class:`~detcost.report.history.Sightings` by
    scenario; ``cells`` the columns of :data:`PLOTTED`, a place a cell.
    """

    card: Card
    sightings: dict[str, bytes]
    cells: dict[str, list[Any]]


#: Columns of what is plotted; the bound and whether bits diverged are of the usual scopes.
PLOTTED = (
    *("scenario", "family", "setting", "device", "machine", "ratio", "low", "high"),
    *("same_low", "same_high", "bound", "diverged"),
)


def write_machines(files: Sequence[Path], folder: Path) -> tuple[list[Seen], list[Problem]]:
    """Write a file for each machine that some evidence files tell of."""
    records, problems = evidence.read_files(files)
    return [_write(name, own, folder) for name, own in by_machine(records).items()], problems


def by_machine(records: Iterable[Evidence]) -> dict[str, list[Evidence]]:
    """Return the records of each machine, by its name."""
    found: dict[str, list[Evidence]] = {}
    for record in records:
        found.setdefault(record.machine_name, []).append(record)
    return found


def _write(name: str, records: Sequence[Evidence], folder: Path) -> Seen:
    newest = evidence.latest(records)
    machine = Machine(
        description=flat(newest[-1].machine),
        versions=flat(newest[-1].versions),
        runs=_runs(newest),
        views=list(views(newest)),
        changes=list(changes(records)),
    )
    key = scripts.key("machine", name)
    scripts.write(folder, key, scripts.json(machine))
    encode = msgspec.json.Encoder().encode
    seen = sightings(records)
    return Seen(
        card=_card(key, name, newest, machine),
        sightings={scenario: encode(runs) for scenario, runs in seen.items()},
        cells=_plotted(name, machine.views),
    )


def _card(key: str, name: str, newest: Sequence[Evidence], machine: Machine) -> Card:
    failures = [words for run in machine.runs.values() for words in run.failed_controls]
    return Card(
        key=key,
        name=name[:LONGEST],
        cpu=str(newest[-1].machine.get("cpu") or "unknown CPU")[:LONGEST],
        tensorflow=list(dict.fromkeys(view.tensorflow for view in machine.views)),
        devices=list(dict.fromkeys(view.device for view in machine.views)),
        last_measured=newest[-1].measured_at,
        failed_controls=list(dict.fromkeys(failures)),
    )


def _runs(newest: Iterable[Evidence]) -> dict[str, Run]:
    """Return the runs by name; each scenario of a run has an A/A arm of its own, which may fail."""
    runs: dict[str, Run] = {}
    for record in newest:
        failures = record.controls.failures if record.controls else []
        before = runs[record.run_id].failed_controls if record.run_id in runs else []
        together = list(dict.fromkeys([*before, *failures]))
        runs[record.run_id] = Run(record.measured_at, record.protocol, record.commit, together)
    return runs


def _plotted(machine: str, shown: Sequence[View]) -> dict[str, list[Any]]:
    """Return the columns of :data:`PLOTTED`, of each device from its newest view."""
    newest: dict[str, View] = {}
    for view in shown:
        newest.setdefault(view.device, view)
    rows = [
        (scenario, family, setting, view.device, machine, *_plotted_cell(found, setting))
        for view in newest.values()
        for scenario, family, row in zip(view.scenarios, view.families, view.cells, strict=True)
        for setting, found in zip(view.settings, row, strict=True)
        if found and found.cost
    ]
    return {name: [row[place] for row in rows] for place, name in enumerate(PLOTTED)}


def _plotted_cell(found: Cell, setting: str) -> tuple[Any, ...]:
    """Return figures of a cell; ``default`` costs 1 by definition."""
    cost, same = found.cost, found.same_setting
    compared = [found.scopes[scope] for scope in USUAL_SCOPES if scope in found.scopes]
    bounds = [count.high for count in compared if count.trials and count.high is not None]
    return (
        *(
            (1.0, 1.0, 1.0)
            if setting == "default" or not cost
            else (cost.ratio, cost.low, cost.high)
        ),
        *((same.low, same.high) if same else (None, None)),
        max(bounds) if len(bounds) == len(USUAL_SCOPES) else None,
        any(count.divergent for count in compared),
    )


def flat(description: dict[str, Any], before: str = "") -> dict[str, str]:
    """Return a stranger's nested description as rows of text, of bounded number and length."""
    rows: dict[str, str] = {}
    for key, value in description.items():
        name = f"{before}{key}"[:LONGEST]
        if isinstance(value, dict) and not before:
            rows |= flat(value, f"{name}.")
        elif value is not None:
            words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows[name] = words[:LONGEST]
    return dict(itertools.islice(rows.items(), MOST_ROWS))
