"""The command line: it parses words and prints tables. Other packages do the work."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from detcost.cli import (
    compare_command,
    completion,
    farm_command,
    init_command,
    locate_command,
    machine_command,
    measure_command,
    merge_command,
    options,
)
from detcost.cli.console import (
    err,
    out,
    print_tables,
    print_wide,
    read_evidence,
    report_problems,
)
from detcost.cli.exit_codes import SOME_FAILED, USAGE_ERROR
from detcost.cli.live import LiveView
from detcost.cli.options import Command
from detcost.cli.output import Output
from detcost.errors import UsageError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

app.command(cls=Command)(measure_command.measure)
app.command(cls=Command)(init_command.init)
app.command(cls=Command)(compare_command.compare)
app.command(cls=Command)(locate_command.locate)
app.add_typer(farm_command.app, name="farm")
app.command(cls=Command)(machine_command.machine)
app.command(cls=Command)(merge_command.merge)


def _print_version(wanted: bool) -> None:
    if wanted:
        from detcost.cli import version

        typer.echo(version.text())
        raise typer.Exit


@app.callback(
    help="What bitwise reproducibility costs in TensorFlow, and whether you really get it."
)
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print versions and exit."
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command(cls=Command)
def show(
    results: options.Results = Path("results"),
    markdown: Annotated[bool, typer.Option(help="Print the overview as Markdown.")] = False,
    write: Annotated[
        Path | None,
        typer.Option(help="Write the overview between the marks in this file instead."),
    ] = None,
) -> None:
    """Show the newest evidence of every cell."""
    from detcost.evidence import reading
    from detcost.tables import choice_tables, evidence_tables, readme
    from detcost.tables.text import plain

    newest = reading.latest(read_evidence(results))
    if not newest:
        raise reading.no_evidence(results, [])
    if write:
        readme.replace_section(write, "show", readme.overview(newest))
    elif markdown:
        typer.echo(evidence_tables.markdown_overview(newest))
    else:
        print_tables(newest)
        for line in choice_tables.to_locate(evidence_tables.operations_to_find(newest)):
            out.print(plain(line), soft_wrap=True)


@app.command(cls=Command)
def summary(
    results: options.Results = Path("results"),
    scenario: options.Scenario = None,
    device: options.Device = None,
    machine: options.Machine = None,
    tensorflow: options.TensorFlow = None,
    markdown: options.Markdown = False,
    write: options.Write = None,
) -> None:
    """Summarise every setting: its cost, and in how many scenarios its bits stay."""
    from detcost.choosing.question import Question
    from detcost.choosing.summary import summarise
    from detcost.tables import summary_tables

    output = Output("summary", markdown=markdown, write=write)
    question = Question(
        scenarios=tuple(scenario or ("all",)),
        device=device,
        machine=machine,
        tensorflow=tensorflow,
    )
    settings = summarise(read_evidence(results), question)
    output.print(settings, summary_tables.terminal, summary_tables.markdown)


@app.command(cls=Command)
def choose(
    scenario: options.Scenario = None,
    device: options.Device = None,
    survive: options.Survive = None,
    max_rate: Annotated[
        float | None, typer.Option(help="Highest tolerable divergence rate, such as 0.05.")
    ] = None,
    results: options.Results = Path("results"),
    machine: options.Machine = None,
    tensorflow: options.TensorFlow = None,
    size: Annotated[str | None, typer.Option(help="Of the scenarios; else medium.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the scenarios; else float32.")] = None,
    json: options.Json = False,
    markdown: options.Markdown = False,
    write: options.Write = None,
) -> None:
    """Choose the cheapest setting that survives: one for all of --scenario, or one for each."""
    from detcost.choosing import answers
    from detcost.choosing.question import USUAL_SCOPES, Question
    from detcost.tables import choice_tables

    output = Output("choose", json, markdown, write)
    question = Question(
        scenarios=tuple(scenario or ("all",)),
        device=device,
        survive=tuple(survive or USUAL_SCOPES),
        max_rate=max_rate,
        machine=machine,
        tensorflow=tensorflow,
        size=size,
        dtype=dtype,
    )
    more = str(results / "more.trials.jsonl" if os.path.isdir(results) else results)
    decide = answers.choose if scenario else answers.choose_each
    answer = decide(read_evidence(results), question, more)
    output.print(answer, choice_tables.terminal, choice_tables.markdown, choice_tables.json_text)
    if not answers.all_qualify(answer):
        raise typer.Exit(SOME_FAILED)


@app.command(cls=Command)
def agreement(
    settings: options.ComparedSettings = None,
    scenario: options.Scenario = None,
    results: options.Results = Path("results"),
    json: options.Json = False,
    markdown: options.Markdown = False,
    write: options.Write = None,
) -> None:
    """Compare machines: which settings give the same bits on which of them."""
    from detcost.choosing.agreement import compare
    from detcost.tables import agreement_tables

    output = Output("agreement", json, markdown, write)
    comparison = compare(read_evidence(results), settings, scenario or ("all",))
    output.print(
        comparison,
        agreement_tables.terminal,
        agreement_tables.markdown,
        agreement_tables.json_text,
    )


@app.command(cls=Command)
def report(
    results: options.Results = Path("results"),
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("report"),
) -> None:
    """Write the page to choose on: one folder that opens from disk, without a network."""
    from detcost.report import site

    page, problems = site.write(results, out_folder)
    report_problems(problems)
    typer.echo(f"The page is {page}")


@app.command(cls=Command)
def folklore(
    results: Annotated[
        Path | None, typer.Option(help="Judge by this evidence; else measure now.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A file ….folklore.jsonl to append evidence to.")
    ] = None,
    json: options.Json = False,
    markdown: options.Markdown = False,
    write: options.Write = None,
) -> None:
    """Judge common claims about reproducible TensorFlow. Measuring takes two to three minutes."""
    from detcost.claims import formatting, measuring, verdicts

    output = Output("folklore", json, markdown, write)
    if results and out_file:
        raise UsageError("--out keeps what is measured, and --results measures nothing; keep one")
    if results:
        records = read_evidence(results, folklore=True)
        if not records:
            raise UsageError(
                f"{results}: no evidence for claims here, in a file ….folklore.jsonl; "
                "detcost folklore --out makes some"
            )
    else:
        view = LiveView()
        with view.shown():
            records = list(measuring.measure(out_file, view.on_progress))
    source = verdicts.source(records)
    output.print(
        verdicts.verdicts(records),
        partial(formatting.terminal_table, source=source),
        partial(formatting.markdown_table, source=source),
        formatting.json_text,
    )


@app.command(name="list", cls=Command)
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="scenarios, settings or devices",
            autocompletion=completion.one_of(completion.listings),
        ),
    ],
) -> None:
    """List scenarios, settings or devices."""
    from detcost.cli.listing import listing

    print_wide(listing(what))


@app.command(cls=Command)
def doctor() -> None:
    """Examine this machine: its hardware, its noise now, and remedies."""
    from detcost.cli.doctor import examine

    with err.status("measuring default against itself, about 15 s"):
        tables = examine()
    out.print(tables)


@app.command(cls=Command)
def schema() -> None:
    """Print the JSON schema of a line of evidence."""
    import msgspec

    from detcost.evidence.json_schema import json_schema

    typer.echo(msgspec.json.format(msgspec.json.encode(json_schema())).decode())


def main() -> None:
    """Run the command line. A user's mistake is one line and exit code 2."""
    try:
        app()
    except UsageError as error:
        err.print(f"detcost: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(USAGE_ERROR)
