"""The command line: words in, tables out; everything else lives elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from detcost import experiment
from detcost.errors import UsageError
from detcost.evidence import Evidence
from detcost.profiles import SCOPES
from detcost.reading import Problem

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What bitwise reproducibility costs in TensorFlow, and whether you really get it.",
)
# A colon is a colon: rich would show the file x:100:y as an emoji.
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)

ResultsOption = Annotated[Path, typer.Option(help="A results folder or evidence file.")]

DONE, SOME_FAILED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130


@app.command()
def measure(
    scenarios: Annotated[
        list[str], typer.Argument(help="Names, or your own as path/to/file.py:name.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--settings", "-s", help="Such as op_determinism+threads=1; repeatable."),
    ] = None,
    devices: Annotated[
        list[str] | None, typer.Option("--devices", "-d", help="Such as CPU:0; repeatable.")
    ] = None,
    scopes: Annotated[
        str | None,
        typer.Option(help=f"Of {','.join(SCOPES)}; else the profile's own."),
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
        with _live_progress() as on_progress:
            detcost.measure(
                scenarios,
                _split(settings),
                _split(devices),
                scopes=scopes.split(",") if scopes else None,
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


@app.command()
def show(
    results: ResultsOption = Path("results"),
    markdown: Annotated[bool, typer.Option(help="Print the overview as Markdown.")] = False,
    write: Annotated[
        Path | None, typer.Option(help="Put the overview between the marks in this file instead.")
    ] = None,
) -> None:
    """Show the newest evidence of every cell."""
    from detcost import reading, readme, tables

    newest = reading.latest(_read(results))
    if not newest:
        raise UsageError(f"{results}: no evidence here; run make bench, or detcost measure --out")
    if write:
        readme.replace_section(write, "show", readme.overview(newest))
    elif markdown:
        typer.echo(tables.markdown_overview(newest))
    else:
        _print_tables(newest)


@app.command()
def choose(
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="A scenario, a family or all; several want one setting for all."),
    ] = None,
    device: Annotated[str, typer.Option(help="Such as CPU:0.")] = "CPU:0",
    survive: Annotated[
        str, typer.Option(help=f"Of {','.join(SCOPES)}: where the bits must stay.")
    ] = "repeat,process",
    max_rate: Annotated[
        float | None, typer.Option(help="Highest tolerable divergence rate, such as 0.05.")
    ] = None,
    results: ResultsOption = Path("results"),
    machine: Annotated[str | None, typer.Option(help="Where there are several.")] = None,
    tensorflow: Annotated[str | None, typer.Option(help="Version; else the newest.")] = None,
    size: Annotated[str | None, typer.Option(help="Of the scenarios; else medium.")] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the scenarios; else float32.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it for a program.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print it as Markdown.")] = False,
    write: Annotated[
        Path | None, typer.Option(help="Put that between the marks in this file instead.")
    ] = None,
) -> None:
    """Choose the cheapest setting that survives; without --scenario, one for each scenario."""
    from detcost import answers, choosing, readme
    from detcost.selection import Question

    question = Question(
        scenarios=tuple(_split(scenario) or ("all",)),
        device=device,
        survive=tuple(survive.split(",")),
        max_rate=max_rate,
        machine=machine,
        tensorflow=tensorflow,
        size=size,
        dtype=dtype,
    )
    out_file = str(results / "more.trials.jsonl" if results.is_dir() else results)
    ask = choosing.choose if scenario else choosing.choose_each
    found = ask(_read(results), question, out_file)
    if write:
        readme.replace_section(write, "choose", answers.markdown(found))
    elif json:
        typer.echo(answers.json_text(found))
    elif markdown:
        typer.echo(answers.markdown(found))
    else:
        _print_wide(answers.terminal(found))
    if not choosing.all_qualify(found):
        raise typer.Exit(SOME_FAILED)


@app.command()
def report(
    results: ResultsOption = Path("results"),
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("report"),
) -> None:
    """Write the page to choose on: one folder that opens from disk, without a network."""
    from detcost.report import site

    page, problems = site.write(results, out_folder)
    _tell(problems)
    typer.echo(f"The page is {page}")


@app.command()
def folklore(
    results: Annotated[
        Path | None, typer.Option(help="Judge by what was measured before; else measure now.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A file ….folklore.jsonl to append evidence to.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print all of it for a program.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print it as Markdown.")] = False,
    write: Annotated[
        Path | None, typer.Option(help="Put that between the marks in this file instead.")
    ] = None,
) -> None:
    """Judge what people are told about reproducible TensorFlow: about five minutes."""
    from detcost import readme
    from detcost.folklore import measuring, telling, verdicts

    if results:
        records = _read(results, folklore=True)
    else:
        with _live_progress() as on_progress:
            records = list(measuring.measure(out_file, on_progress))
    found, source = verdicts.verdicts(records), verdicts.source(records)
    if write:
        readme.replace_section(write, "folklore", telling.markdown_table(found, source))
    elif json:
        typer.echo(telling.json_text(found))
    elif markdown:
        typer.echo(telling.markdown_table(found, source))
    else:
        _print_wide(telling.terminal_table(found, source))


@app.command(name="list")
def list_(
    what: Annotated[str, typer.Argument(help="scenarios, settings or devices")],
) -> None:
    """List scenarios, settings or devices."""
    from detcost import listing

    _print_wide(listing.table(what))


@app.command()
def doctor() -> None:
    """Say what this machine is, how noisy it is now, and what to do about it."""
    from detcost import doctor as examination

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


@contextmanager
def _live_progress() -> Iterator[Callable[[experiment.Progress], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("starting TensorFlow", total=1.0, left="")

        def on_progress(now: experiment.Progress) -> None:
            bar.update(
                task,
                completed=now.fraction,
                description=f"{now.scenario} on {now.device}: {now.doing}",
                left=f"about {now.time_left} left",
            )

        yield on_progress


def _print_tables(records: list[Evidence]) -> None:
    from detcost import tables

    for table in tables.terminal_tables(records):
        _print_wide(table)


def _read(results: Path, folklore: bool = False) -> list[Evidence]:
    """Return the evidence; say what of it cannot be read."""
    from detcost import reading

    records, problems = reading.read(results, folklore)
    _tell(problems)
    return records


def _tell(problems: Iterable[Problem]) -> None:
    for problem in problems:
        err.print(f"skipped {problem}", markup=False, soft_wrap=True)


def _print_wide(table: RenderableType) -> None:
    """Print without cutting columns off when there is no terminal to fit into."""
    console = out if out.is_terminal else Console(width=200, emoji=False)
    console.print(table)


def _split(words: list[str] | None) -> list[str] | None:
    return [part for word in words for part in word.split(",")] if words else None
