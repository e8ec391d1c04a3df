"""Machines: all that a page needs of one, as a file of its own that is loaded when asked for."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from detcost import evidence
from detcost.evidence import Evidence, Problem
from detcost.report import scripts
from detcost.report.cells import LONGEST
from detcost.report.history import Change, changes, sightings
from detcost.report.views import View, views

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
    scenario; ``cells`` the columns of :data:`PLOTTED`, a row a cell.
    """

    card: Card
    sightings: dict[str, bytes]
    cells: list[tuple[Any, ...]]


#: Columns of what is plotted.
PLOTTED = (
    *("scenario", "family", "setting", "device", "machine", "ratio", "low", "high"),
    *("same_low", "same_high", "bound", "diverged"),
)


def write_machines(files: Sequence[Path], folder: Path) -> tuple[list[Seen], list[Problem]]:
    """Write a file for each machine that some evidence files tell of."""
    with _uncollected():
        records, problems = evidence.read_files(files)
        return [_write(name, own, folder) for name, own in _by_name(records)], problems


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave the collector of cyclic garbage alone: there is none, and it would take a third."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _by_name(records: Iterable[Evidence]) -> Iterable[tuple[str, list[Evidence]]]:
    found: dict[str, list[Evidence]] = {}
    for record in records:
        found.setdefault(record.machine_name, []).append(record)
    return found.items()


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
        cells=[_plotted(record) for record in newest],
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
    return {
        record.run_id: Run(
            record.measured_at,
            record.protocol,
            record.commit,
            record.controls.failures if record.controls else [],
        )
        for record in newest
    }


def _plotted(record: Evidence) -> tuple[Any, ...]:
    """Return a cell's row of :data:`PLOTTED`; ``default`` costs 1 by definition."""
    own = record.cost if record.status == "ok" else None
    cost = (own.ratio, own.low, own.high) if own else (None, None, None)
    if own and record.setting == "default":
        cost = (1.0, 1.0, 1.0)
    same = record.controls.same_setting if record.controls else None
    compared = [found for found in record.divergence.values() if found.trials]
    bounds = [found.high for found in compared if found.high is not None]
    return (
        *(record.scenario, record.family, record.setting, record.device, record.machine_name),
        *cost,
        *((same.low, same.high) if same else (None, None)),
        max(bounds, default=None),
        any(found.divergent for found in compared),
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
