"""Options of the command line: lists of words, options that take one value, and formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from detcost.errors import UsageError


def several(*names: str, help: str) -> Any:
    """Return an option for a list of words: ``a,b`` is the same as the option given twice."""
    return typer.Option(*names, help=f"{help} Several: a,b or repeat the option.", callback=_words)


def _words(param: typer.CallbackParam, values: Sequence[str] | None) -> list[str] | None:
    """Return the words of all the values, each once, in the order given."""
    if not values:
        return None
    words = [word.strip() for value in values for word in value.split(",")]
    if "" in words:
        name = _name(param)
        raise UsageError(
            f'{name} "{",".join(values)}": a word is missing; '
            f"put one comma between two words, or leave {name} out"
        )
    return list(dict.fromkeys(words))


class Command(TyperCommand):
    """A command that refuses a second value for an option that takes one.

    Without it the last value would count, and nothing would say so.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Check the words of the command line, then read them."""
        given: list[Any] = self.make_parser(ctx).parse_args(list(args))[2]
        for param, times in Counter(given).items():
            if times > 1 and not (param.multiple or param.is_flag):
                raise UsageError(f"{_name(param)} is given {times} times; it takes one, keep one")
        return super().parse_args(ctx, args)


def refuse_two_formats(json: bool, markdown: bool, write: Path | None) -> None:
    """Refuse to print JSON where Markdown is asked for as well, before any work is done."""
    if json and (markdown or write):
        other = "--markdown" if markdown else "--write, which writes Markdown,"
        raise UsageError(f"--json and {other} ask for two formats; choose one")


def _name(param: Any) -> str:
    """Return an option's name as people know it: the long one."""
    return max(map(str, param.opts), key=len)
