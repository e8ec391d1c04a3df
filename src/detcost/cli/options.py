"""Options that commands share: lists of words, and options that take one value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from detcost.cli import completion
from detcost.cli.completion import Complete
from detcost.errors import UsageError
from detcost.evidence.schema import ALL_SCOPES, SCOPES


def several(*names: str, help: str, autocompletion: Complete | None = None) -> Any:
    """Return an option for a list of words: ``a,b`` is the same as the option given twice."""
    return typer.Option(
        *names,
        help=f"{help} Several: a,b or repeat the option.",
        callback=_split,
        autocompletion=autocompletion,
    )


def _split(
    context: typer.Context, param: typer.CallbackParam, values: Sequence[str] | None
) -> list[str] | None:
    """Return the words of all the values, each once, in the order given."""
    if not values or context.resilient_parsing:
        return None
    words = [word.strip() for value in values for word in value.split(",")]
    if "" in words:
        name = _long_name(param)
        raise UsageError(
            f'{name} "{",".join(values)}": a word is missing; '
            f"put one comma between two words, or leave {name} out"
        )
    return list(dict.fromkeys(words))


class Command(TyperCommand):
    """A command that refuses a second value for an option that takes one, and an empty value.

    Otherwise the last value would count, and an empty one would be the default, without a message.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Check the words of the command line, then parse them."""
        if not ctx.resilient_parsing:
            values, _, given = self.make_parser(ctx).parse_args(list(args))
            self._refuse_repeated(given)
            self._refuse_empty(given, values)
        return super().parse_args(ctx, args)

    @staticmethod
    def _refuse_repeated(given: Sequence[Any]) -> None:
        for param, times in Counter(given).items():
            if times > 1 and not (param.multiple or param.is_flag):
                raise UsageError(
                    f"{_long_name(param)} is given {times} times; it takes one, keep one"
                )

    @staticmethod
    def _refuse_empty(given: Sequence[Any], values: Mapping[str, Any]) -> None:
        for param in given:
            value = values.get(param.name)
            if isinstance(value, str) and not value.strip() and param.param_type_name == "option":
                name = _long_name(param)
                raise UsageError(f'{name} "{value}": the value is missing; or leave {name} out')


def _long_name(param: Any) -> str:
    """Return an option's name as users know it: the long one."""
    return max(map(str, param.opts), key=len)


_complete_scopes = completion.list_of(completion.scopes)
_complete_settings = completion.list_of(completion.levers, ",+")

# Of a measurement.
Scenarios = Annotated[
    list[str],
    typer.Argument(
        help="Names, or your own as path/to/file.py:name.",
        autocompletion=completion.one_of(completion.scenarios),
    ),
]
Settings = Annotated[
    list[str] | None,
    several(
        "--settings",
        "-s",
        help="Such as op_determinism+threads=1.",
        autocompletion=_complete_settings,
    ),
]
Devices = Annotated[list[str] | None, several("--devices", "-d", help="Such as CPU:0.")]
Scopes = Annotated[
    list[str] | None,
    several(
        help=f"Of {','.join(SCOPES)}; else the profile's own.", autocompletion=_complete_scopes
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="quick, standard or full; else DETCOST_PROFILE, else standard.",
        autocompletion=completion.one_of(completion.profiles),
    ),
]
Size = Annotated[
    str,
    typer.Option(
        help="small, medium or large.", autocompletion=completion.one_of(completion.sizes)
    ),
]
Type = Annotated[
    str | None,
    typer.Option(help="Such as bfloat16.", autocompletion=completion.one_of(completion.dtypes)),
]
Seed = Annotated[int, typer.Option(help="Of inputs, seeds and order.")]
Steps = Annotated[
    int | None,
    typer.Option(help="Follow each cell this long: where do runs part, and how fast?"),
]
Out = Annotated[Path, typer.Option("--out", help="File to append evidence to.")]


def seconds(text: str) -> float:
    """Return the seconds of a time such as ``90s``, ``2m`` or ``1.5h``."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError(f'--time "{text}": write a time such as 90s, 2m or 1h')
    return seconds


Time = Annotated[
    float | None,
    typer.Option(
        "--time", parser=seconds, metavar="TIME", help="For all of it, such as 90s or 2m."
    ),
]
ReportTo = Annotated[
    Path | None, typer.Option("--report", help="Folder to write a page about it to.")
]

# Of a question to the evidence.
Results = Annotated[Path, typer.Option(help="A results folder or evidence file.")]
Scenario = Annotated[
    list[str] | None,
    several(
        help="A scenario, a family or all.",
        autocompletion=completion.list_of(completion.scenarios_and_families),
    ),
]
Survive = Annotated[
    list[str] | None,
    several(
        help=f"Of {','.join(ALL_SCOPES)}: where the bits must stay; else repeat,process.",
        autocompletion=completion.list_of(completion.survivable_scopes),
    ),
]
ComparedSettings = Annotated[
    list[str] | None,
    several(
        "--settings",
        "-s",
        help="Else the common ones, and all with isa=.",
        autocompletion=_complete_settings,
    ),
]
Device = Annotated[str | None, typer.Option(help="Such as GPU:0; else CPU:0.")]
Machine = Annotated[str | None, typer.Option(help="Else the one measured last.")]
TensorFlow = Annotated[str | None, typer.Option(help="Version; else the newest.")]

# Of the output.
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Markdown = Annotated[bool, typer.Option(help="Print Markdown.")]
Write = Annotated[
    Path | None, typer.Option(help="Write the Markdown between the marks in this file instead.")
]
