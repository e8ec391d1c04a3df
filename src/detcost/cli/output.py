"""The format of a command's result: a table in the terminal, JSON or Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import RenderableType

from detcost.cli.console import print_wide
from detcost.errors import UsageError

T = TypeVar("T")


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
        result: T,
        terminal: Callable[[T], RenderableType],
        markdown: Callable[[T], str],
        json: Callable[[T], str] | None = None,
    ) -> None:
        """Print a result in the requested format, or write it into a file."""
        if self.write:
            from detcost.tables import readme

            readme.replace_section(self.write, self.command, markdown(result))
        elif self.json and json:
            typer.echo(json(result))
        elif self.markdown:
            typer.echo(markdown(result))
        else:
            print_wide(terminal(result))
