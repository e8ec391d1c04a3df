"""The page about what a command has just found, and about nothing else in the same files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from detcost.evidence.schema import Evidence
    from detcost.locating.schema import Location


def write(records: Sequence[Evidence], locations: Iterable[Location], to: Path) -> None:
    """Write the page about these records and locations, and print where it is."""
    from detcost.evidence.journal import SUFFIX, Journal
    from detcost.locating import keeping
    from detcost.report import site

    with tempfile.TemporaryDirectory(prefix="detcost-report-") as directory:
        folder = Path(directory)
        Journal(folder / f"measured{SUFFIX}", "report").append(records)
        for number, location in enumerate(locations):
            keeping.write(location, folder / str(number))
        page, _ = site.write(folder, to)
    typer.echo(f"The page is {page}", err=True)


def located(records: Sequence[Evidence], evidence: Path) -> list[Location]:
    """Return what ``locate`` kept beside an evidence file about the programs of these records."""
    from detcost.locating import keeping

    programs = {(record.machine_name, record.scenario) for record in records}
    found, _ = keeping.read(evidence.parent / keeping.FOLDER)
    return [each for each in found if (str(each.machine.get("name")), each.scenario) in programs]
