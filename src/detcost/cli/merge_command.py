"""The command ``detcost merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detcost.cli.console import err, out, report_problems
from detcost.cli.exit_codes import SOME_FAILED
from detcost.tables.text import lines

Folders = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="Folders of results. They are only read.")
]
Into = Annotated[Path, typer.Option("--into", help="The folder to add them to.")]


def merge(folders: Folders, into: Into = Path("results")) -> None:
    """Merge results of many machines into one folder. The exit code is 1 if any are left out."""
    from detcost.farm.merging import merge

    with err.status(f"merging into {into}"):
        merged = merge(folders, into)
    report_problems(merged.problems)
    err.print(lines(merged.notes), soft_wrap=True, end="\n" if merged.notes else "")
    renamed = [f"{old}, which unlike machines are called, is {new}" for old, new in merged.renamed]
    count = len(merged.machines)
    machines = "1 machine" if count == 1 else f"{count} machines"
    renamed.append(f"{into}: {machines}, {merged.records} records of evidence")
    out.print(lines(renamed), soft_wrap=True)
    if merged.problems:
        raise typer.Exit(SOME_FAILED)
