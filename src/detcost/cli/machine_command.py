"""The command ``detcost machine``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from detcost.cli.console import err, out

Name = Annotated[
    str | None, typer.Option(help="Of the machine; else the file's, or one that tells what it is.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what the file says of this machine.")
]


def machine(name: Name = None, overwrite: Overwrite = False) -> None:
    """Write what this machine is into ~/.asv-machine.json, for asv run. Keep what is there."""
    from detcost.errors import UsageError
    from detcost.host import asv_machine
    from detcost.host.words import can_name_a_folder
    from detcost.tables.text import plain

    if name and not can_name_a_folder(name):
        raise UsageError(f'--name "{name}": names a folder of results; use letters, digits and -')
    entry, names = asv_machine.write(name, overwrite)
    title = plain(f"{entry['machine']}, in {asv_machine.path()}")
    table = Table("key", "value", title=title, title_justify="left")
    for key, value in entry.items():
        table.add_row(plain(key), plain(str(value)))
    out.print(table)
    if asv_machine.needs_name(names):
        err.print(
            f"the file describes {len(names)} machines: "
            f"asv run --machine {entry['machine']} measures this one",
            markup=False,
            soft_wrap=True,
        )
