"""Machines: the page's data for each, in a file that the page loads on demand."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from detcost.choosing.across import platform_of
from detcost.evidence import reading, schema
from detcost.evidence.reading import Problem
from detcost.evidence.schema import DERIVED_SCOPES, Record
from detcost.report import jsonp
from detcost.report.history import Change, changes, observations
from detcost.report.plots import data as plot_data
from detcost.report.plots.data import Columns
from detcost.report.projection import LONGEST, Projection
from detcost.report.sightings import Derived
from detcost.report.views import View, views

R = TypeVar("R", bound=Record)
#: The most rows that the page keeps of an untrusted description.
MOST_ROWS = 100


class MeasuredRun(msgspec.Struct, frozen=True):
    """A run: how it was measured, and which of its controls failed.

    ``cold`` is as in :attr:`detcost.evidence.schema.Record.cold`.
    """

    measured_at: str
    protocol: schema.Protocol | None
    commit: str | None
    cold: bool
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
    """The data of a machine, except its card."""

    description: dict[str, str]
    versions: dict[str, str]
    runs: dict[str, MeasuredRun]
    views: list[View]
    changes: list[Change]


class SeenMachine(msgspec.Struct, frozen=True):
    """The data of a machine that is combined with that of the others.

    ``observations`` has the JSON of a list of :class:`~detcost.report.history.Observations` by
    scenario.
    """

    card: Card
    observations: dict[str, bytes]
    plotted: list[Columns]


def write_machines(
    part: tuple[Sequence[Path], Derived], folder: Path
) -> tuple[list[SeenMachine], list[Problem]]:
    """Write a file for each machine in some evidence files.

    ``part`` has the files, and the counts of the derived scopes.
    """
    files, derived = part
    records, problems = reading.read_files(files, Projection)
    machines = by_machine(records)
    return [_write(name, own, derived, folder) for name, own in machines.items()], problems


def by_machine(records: Iterable[R]) -> dict[str, list[R]]:
    """Return the records by the name of their machine."""
    machines: dict[str, list[R]] = {}
    for record in records:
        machines.setdefault(record.machine_name, []).append(record)
    return machines


def _write(name: str, records: Sequence[Projection], derived: Derived, folder: Path) -> SeenMachine:
    newest = [_with_derived(record, derived) for record in reading.latest(records)]
    runs = _runs(newest)
    failures = {name: run.failed_controls for name, run in runs.items()}
    machine = Machine(
        description=flat(newest[-1].machine),
        versions=flat(newest[-1].versions),
        runs=runs,
        views=list(views(newest, failures)),
        changes=list(changes(records)),
    )
    key = jsonp.key("machine", name)
    jsonp.write(folder, key, jsonp.json(machine))
    encode = msgspec.json.Encoder().encode
    by_scenario = observations(records)
    return SeenMachine(
        card=_card(key, name, newest, machine),
        observations={scenario: encode(runs) for scenario, runs in by_scenario.items()},
        plotted=plot_data.columns(name, machine.views),
    )


def _with_derived(record: Projection, derived: Derived) -> Projection:
    """Return the record with the counts of the derived scopes, and no others of these scopes."""
    counts = derived.get(platform_of(record), {}).get(record.cell, {})
    measured = {s: c for s, c in record.divergence.items() if s not in DERIVED_SCOPES}
    compared = copy.copy(record)  # replace() would count the decoded record again
    msgspec.structs.force_setattr(compared, "divergence", {**measured, **counts})
    return compared


def _card(key: str, name: str, newest: Sequence[Record], machine: Machine) -> Card:
    failures = [failure for run in machine.runs.values() for failure in run.failed_controls]
    return Card(
        key=key,
        name=name[:LONGEST],
        cpu=newest[-1].processor[:LONGEST],
        tensorflow=list(dict.fromkeys(view.tensorflow for view in machine.views)),
        devices=list(dict.fromkeys(view.device for view in machine.views)),
        last_measured=newest[-1].measured_at,
        failed_controls=list(dict.fromkeys(failures)),
    )


def _runs(newest: Iterable[Record]) -> dict[str, MeasuredRun]:
    """Return the runs by name. Each of a run's scenarios has an A/A comparison."""
    last: dict[str, Record] = {}
    failed: dict[str, dict[str, None]] = {}
    for record in newest:
        last[record.run_id] = record
        if record.controls and (failures := record.controls.failures):
            failed.setdefault(record.run_id, {}).update(dict.fromkeys(failures))
    return {
        run: MeasuredRun(
            record.measured_at,
            record.protocol,
            record.commit,
            record.cold,
            list(failed.get(run, ())),
        )
        for run, record in last.items()
    }


def flat(description: dict[str, Any], before: str = "") -> dict[str, str]:
    """Return an untrusted nested description as text rows of bounded number and length."""
    rows: dict[str, str] = {}
    for key, value in description.items():
        name = f"{before}{key}"[:LONGEST]
        if isinstance(value, dict) and not before:
            rows |= flat(value, f"{name}.")
        elif value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows[name] = text[:LONGEST]
    return dict(itertools.islice(rows.items(), MOST_ROWS))
