"""The command ``detcost compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detcost.cli import completion, options
from detcost.cli.console import err, report_problems
from detcost.cli.exit_codes import INTERRUPTED, SOME_FAILED
from detcost.cli.live import LiveView
from detcost.cli.output import Output
from detcost.errors import UsageError

if TYPE_CHECKING:
    from detcost.pairing.schema import PairEvidence

Programs = Annotated[
    list[str] | None,
    typer.Argument(
        help="Two programs, such as a.py:x b.py:y.",
        autocompletion=completion.one_of(completion.scenarios),
    ),
]
Settings = Annotated[
    list[str] | None,
    options.several(
        "--settings",
        "-s",
        help="Of both programs; else default,op_determinism.",
        autocompletion=completion.list_of(completion.levers, ",+"),
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="A file ….compare.jsonl to append the records to.")
]
Results = Annotated[
    Path | None, typer.Option(help="Show the records of this file; else measure now.")
]


def compare(
    programs: Programs = None,
    settings: Settings = None,
    devices: options.Devices = None,
    profile: options.Profile = None,
    size: options.Size = "medium",
    seed: options.Seed = 42,
    out_file: Out = None,
    results: Results = None,
    json: options.Json = False,
    markdown: options.Markdown = False,
) -> None:
    """Compare two programs: whether their bits are equal, and the time of one ÷ the other's.

    The exit code is 0 if the bits are equal under every setting, else 1.
    """
    import detcost
    from detcost.pairing import schema

    output = Output("compare", json, markdown)
    if results:
        if programs or out_file:
            raise UsageError("--results measures nothing; leave programs and --out away")
        records, problems = schema.read(results)
        report_problems(problems)
        if not records:
            raise UsageError(f"{results}: no comparison here; detcost compare --out keeps them")
        _finish(output, records)
        return
    first, second = _two(programs or [])
    records = []
    view = LiveView()
    try:
        with view.shown():
            detcost.compare(
                first,
                second,
                settings,
                devices,
                profile=profile,
                size=size,
                seed=seed,
                out=out_file,
                on_progress=view.on_progress,
                on_record=records.append,
            )
    except KeyboardInterrupt:  # caught here because typer ends the program without a message
        _print(output, records)
        err.print("detcost: interrupted; settings compared before are complete")
        raise typer.Exit(INTERRUPTED) from None
    _finish(output, records)


def _two(programs: Sequence[str]) -> tuple[str, str]:
    if len(programs) != 2:
        raise UsageError(
            f"compare takes two programs, not {len(programs)}: detcost compare a.py:x b.py:y"
        )
    return programs[0], programs[1]


def _finish(output: Output, records: Sequence[PairEvidence]) -> None:
    _print(output, records)
    if any(record.bits != "equal" for record in records):
        raise typer.Exit(SOME_FAILED)


def _print(output: Output, records: Sequence[PairEvidence]) -> None:
    from detcost.tables import compare_tables

    if records:
        output.print(
            records, compare_tables.terminal, compare_tables.markdown, compare_tables.json_text
        )
