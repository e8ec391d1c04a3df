"""The command line: words in, tables out; everything else lives elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from detcost.cli.console import err, live_progress, out, print_wide, tell
from detcost.cli.options import Command, refuse_two_formats, several
from detcost.errors import UsageError
from detcost.evidence.schema import SCOPES, Evidence

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What bitwise reproducibility costs in TensorFlow, and whether you really get it.",
)

ResultsOption = Annotated[Path, typer.Option(help="A results folder or evidence file.")]
ScenarioOption = Annotated[list[str] | None, several(help="A scenario, a family or all.")]
DeviceOption = Annotated[str, typer.Option(help="Such as CPU:0.")]
MachineOption = Annotated[str | None, typer.Option(help="Else the one measured last.")]
TensorFlowOption = Annotated[str | None, typer.Option(help="Version; else the newest.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print it for a program.")]
MarkdownOption = Annotated[bool, typer.Option(help="Print it as Markdown.")]
WriteOption = Annotated[
    Path | None, typer.Option(help="Put that between the marks in this file instead.")
]

DONE, SOME_FAILED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130


@app.command(cls=Command)
def measure(
    scenarios: Annotated[
        list[str], typer.Argument(help="Names, or your own as path/to/file.py:name.")
    ],
    settings: Annotated[
        list[str] | None, several("--settings", "-s", help="Such as op_determinism+threads=1.")
    ] = None,
    devices: Annotated[list[str] | None, several("--devices", "-d", help="Such as CPU:0.")] = None,
    scopes: Annotated[
        list[str] | None, several(help=f"Of {','.join(SCOPES)}; else the profile's own.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="quick, standard or full; else DETCOST_PROFILE, else standard."),
    ] = None,
    size: Annotated[str, typer.Option(help="small, medium or large.")] = "medium",
    dtype: Annotated[str | None, typer.Option(help="Such as bfloat16.")] = None,
    seed: Annotated[int, typer.Option(help="Of inputs, seeds and order.")] = 42,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="File to append evidence to.")
    ] = None,
) -> None:
    """Measure what settings cost, and whether the bits stay."""
    import detcost

    records: list[Evidence] = []
    try:
        with live_progress() as on_progress:
            detcost.measure(
                scenarios,
                settings,
                devices,
                scopes=scopes,
                profile=profile,
                size=size,
                dtype=dtype,
                seed=seed,
                out=out_file,
                on_progress=on_progress,
                on_record=records.append,
            )
    except KeyboardInterrupt:  # here, since typer ends the program on it without a word
        err.print("detcost: interrupted; cells measured before are kept where --out was given")
        raise typer.Exit(INTERRUPTED) from None
    finally:  # an interrupt or a full disk must not hide what was measured before it
        _print_tables(records)
    if not detcost.Measurement(records).complete:
        raise typer.Exit(SOME_FAILED)


@app.command(cls=Command)
def show(
    results: ResultsOption = Path("results"),
    markdown: Annotated[bool, typer.Option(help="Print the overview as Markdown.")] = False,
    write: Annotated[
        Path | None, typer.Option(help="Put the overview between the marks in this file instead.")
    ] = None,
) -> None:
    """Show the newest evidence of every cell."""
    from detcost.evidence import reading
    from detcost.tables import evidence_tables, readme

    newest = reading.latest(_read(results))
    if not newest:
        raise UsageError(f"{results}: no evidence here; run make bench, or detcost measure --out")
    if write:
        readme.replace_section(write, "show", readme.overview(newest))
    elif markdown:
        typer.echo(evidence_tables.markdown_overview(newest))
    else:
        _print_tables(newest)


@app.command(cls=Command)
def summary(
    results: ResultsOption = Path("results"),
    scenario: ScenarioOption = None,
    device: DeviceOption = "CPU:0",
    machine: MachineOption = None,
    tensorflow: TensorFlowOption = None,
    markdown: MarkdownOption = False,
    write: WriteOption = None,
) -> None:
    """Summarise every setting: its cost, and in how many scenarios its bits stay."""
    from detcost.choosing.selection import Question
    from detcost.choosing.summary import summarise
    from detcost.tables import readme, summary_tables

    question = Question(
        scenarios=tuple(scenario or ("all",)),
        device=device,
        machine=machine,
        tensorflow=tensorflow,
    )
    table = summarise(_read(results), question)
    if write:
        readme.replace_section(write, "summary", summary_tables.markdown(table))
    elif markdown:
        typer.echo(summary_tables.markdown(table))
    else:
        print_wide(summary_tables.terminal(table))


@app.command(cls=Command)
def choose(
    scenario: ScenarioOption = None,
    device: DeviceOption = "CPU:0",
    survive: Annotated[
        list[str] | None,
        several(help=f"Of {','.join(SCOPES)}: where the bits must stay; else repeat,process."),
    ] = None,
    max_rate: Annotated[
        float | None, typer.Option(help="Highest tolerable divergence rate, such as 0.05.")
    ] = None,
    results: ResultsOption = Path("results"),
    machine: MachineOption = None,
    tensorflow: TensorFlowOption = None,
    size: Annotated[str | None, typer.Option(help="Of the scenarios; else medium.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the scenarios; else float32.")] = None,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    write: WriteOption = None,
) -> None:
    """Choose the cheapest setting that survives: one for all of --scenario, or one for each."""
    from detcost.choosing import decision
    from detcost.choosing.selection import USUAL_SCOPES, Question
    from detcost.tables import choice_tables, readme

    refuse_two_formats(json, markdown, write)
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
    out_file = str(results / "more.trials.jsonl" if results.is_dir() else results)
    ask = decision.choose if scenario else decision.choose_each
    found = ask(_read(results), question, out_file)
    if write:
        readme.replace_section(write, "choose", choice_tables.markdown(found))
    elif json:
        typer.echo(choice_tables.json_text(found))
    elif markdown:
        typer.echo(choice_tables.markdown(found))
    else:
        print_wide(choice_tables.terminal(found))
    if not decision.all_qualify(found):
        raise typer.Exit(SOME_FAILED)


@app.command(name="agreement", cls=Command)
def agreement_(
    settings: Annotated[
        list[str] | None,
        several("--settings", "-s", help="Else the common ones, and all with isa=."),
    ] = None,
    scenario: ScenarioOption = None,
    results: ResultsOption = Path("results"),
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    write: WriteOption = None,
) -> None:
    """Tell which settings give the same bits on which machines."""
    from detcost.choosing import agreement
    from detcost.tables import agreement_tables, readme

    refuse_two_formats(json, markdown, write)
    found = agreement.compare(_read(results), settings, scenario or ("all",))
    if write:
        readme.replace_section(write, "agreement", agreement_tables.markdown(found))
    elif json:
        typer.echo(agreement_tables.json_text(found))
    elif markdown:
        typer.echo(agreement_tables.markdown(found))
    else:
        print_wide(agreement_tables.terminal(found))


@app.command(cls=Command)
def report(
    results: ResultsOption = Path("results"),
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("report"),
) -> None:
    """Write the page to choose on: one folder that opens from disk, without a network."""
    from detcost.report import site

    page, problems = site.write(results, out_folder)
    tell(problems)
    typer.echo(f"The page is {page}")


@app.command(cls=Command)
def folklore(
    results: Annotated[
        Path | None, typer.Option(help="Judge by what was measured before; else measure now.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A file ….folklore.jsonl to append evidence to.")
    ] = None,
    json: JsonOption = False,
    markdown: MarkdownOption = False,
    write: WriteOption = None,
) -> None:
    """Judge what people are told about reproducible TensorFlow: about five minutes."""
    from detcost.claims import formatting, measuring, verdicts
    from detcost.tables import readme

    refuse_two_formats(json, markdown, write)
    if results:
        records = _read(results, folklore=True)
    else:
        with live_progress() as on_progress:
            records = list(measuring.measure(out_file, on_progress))
    found, source = verdicts.verdicts(records), verdicts.source(records)
    if write:
        readme.replace_section(write, "folklore", formatting.markdown_table(found, source))
    elif json:
        typer.echo(formatting.json_text(found))
    elif markdown:
        typer.echo(formatting.markdown_table(found, source))
    else:
        print_wide(formatting.terminal_table(found, source))


@app.command(name="list", cls=Command)
def list_(
    what: Annotated[str, typer.Argument(help="scenarios, settings or devices")],
) -> None:
    """List scenarios, settings or devices."""
    from detcost.cli import listing

    print_wide(listing.table(what))


@app.command(cls=Command)
def doctor() -> None:
    """Say what this machine is, how noisy it is now, and what to do about it."""
    from detcost.cli import doctor as examination

    with err.status("measuring default against itself, about 15 s"):
        report = examination.examine()
    out.print(report)


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    try:
        app()
    except UsageError as error:
        err.print(f"detcost: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(USAGE_ERROR)


def _print_tables(records: list[Evidence]) -> None:
    from detcost.tables import evidence_tables

    for table in evidence_tables.terminal_tables(records):
        print_wide(table)


def _read(results: Path, folklore: bool = False) -> list[Evidence]:
    """Return the evidence; say what of it cannot be read."""
    from detcost.evidence import reading

    records, problems = reading.read(results, folklore)
    tell(problems)
    return records
