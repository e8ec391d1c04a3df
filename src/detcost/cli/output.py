"""The format of a command's result: a table in the terminal, JSON or Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import RenderableType

from detcost.cli.console import print_wide
from detcost.errors import UsageError


@dataclass(frozen=True)
class Output:
    """Where and how a command prints its result.

    Raises :class:`UsageError` for two formats at once, before the command does any work.
    """

    command: str
    json: bool = False
    markdown: bool = False
    write: Path | None = None

    def __post_init__(self) -> None:
        """Refuse JSON together with Markdown."""
        if self.json and (self.markdown or self.write):
            other = "--markdown" if self.markdown else "--write, which writes Markdown,"
            raise UsageError(f"--json and {other} ask for two formats; choose one")

    def print(
        self,
        terminal: Callable[[], RenderableType],
        markdown: Callable[[], str],
        json: Callable[[], str] | None = None,
    ) -> None:
        """Make the result in the format asked for, and print or write it."""
        if self.write:
            from detcost.tables import readme

            readme.replace_section(self.write, self.command, markdown())
        elif self.json and json:
            typer.echo(json())
        elif self.markdown:
            typer.echo(markdown())
        else:
            print_wide(terminal())
