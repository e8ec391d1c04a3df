"""The terminal: where the command line prints, and the progress bar of a measurement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console, RenderableType

from detcost.evidence import reading
from detcost.evidence.reading import Problem
from detcost.evidence.schema import Evidence

# Emoji are off because rich would show the file x:100:y with one.
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)


def print_wide(table: RenderableType) -> None:
    """Print a table. Without a terminal to fit into, no column is cut off."""
    console = out if out.is_terminal else Console(width=200, emoji=False)
    console.print(table)


def print_tables(records: Sequence[Evidence]) -> None:
    """Print a table for each scenario, device, size and type."""
    from detcost.tables import evidence_tables

    for table in evidence_tables.terminal_tables(records):
        print_wide(table)


def read_evidence(results: Path, folklore: bool = False) -> list[Evidence]:
    """Return the evidence. Print what cannot be read, and a line about unfinished cells."""
    records, problems = reading.read(results, folklore)
    if problems and not records:
        raise reading.no_evidence(results, problems)
    report_problems(problems)
    if count := len(reading.unfinished(results, records, folklore)):
        cells = "1 cell is" if count == 1 else f"{count} cells are"
        err.print(f"{cells} unfinished: a run was interrupted, or it still measures")
    return records


def report_problems(problems: Iterable[Problem]) -> None:
    """Print what could not be read in the evidence, in a few lines for each file."""
    for line in reading.listed(problems):
        err.print(f"skipped {line}", markup=False, soft_wrap=True)
