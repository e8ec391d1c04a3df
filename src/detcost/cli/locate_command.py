"""The command ``detcost locate``: from a program to the operation to blame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detcost.cli import completion, options, report_page
from detcost.cli.console import err, out
from detcost.cli.exit_codes import INTERRUPTED, SOME_FAILED
from detcost.cli.live import LiveView
from detcost.cli.output import Output
from detcost.errors import UsageError
from detcost.evidence.schema import SCOPES

if TYPE_CHECKING:
    from detcost.locating.schema import Location

#: Where what was found is kept by default: beside the evidence that ``report`` reads.
DEFAULT_OUT = Path("results", "located")

Program = Annotated[
    str,
    typer.Argument(
        help="A name, or your own as path/to/file.py:name.",
        autocompletion=completion.one_of(completion.scenarios),
    ),
]
Setting = Annotated[
    str,
    typer.Option(
        "--setting",
        "-s",
        help="Under which it runs.",
        autocompletion=completion.one_of(completion.levers),
    ),
]
Device = Annotated[str, typer.Option("--device", "-d", help="Such as GPU:0.")]
Scope = Annotated[
    str | None,
    typer.Option(
        help=f"What differs between the two runs, of {','.join(SCOPES)}; else repeat.",
        autocompletion=completion.one_of(completion.scopes),
    ),
]
Time = Annotated[
    float | None,
    typer.Option(
        "--time",
        parser=options.seconds,
        metavar="TIME",
        help="For the search, such as 2m; else 60s. Proof and remedies take more.",
    ),
]
Record = Annotated[
    Path | None,
    typer.Option(help="Keep the digests of one run in a file ….recording, and compare nothing."),
]
Against = Annotated[
    Path | None,
    typer.Option(help="Such a file, of another machine or version, instead of the second run."),
]
Remedies = Annotated[
    bool, typer.Option("--remedies/--no-remedies", help="Try what cures it, and what that costs.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder to keep what was found in.")]


def locate(
    program: Program,
    scope: Scope = None,
    setting: Setting = "default",
    device: Device = "CPU:0",
    size: options.Size = "medium",
    dtype: options.Type = None,
    seed: options.Seed = 42,
    seconds: Time = None,
    record: Record = None,
    against: Against = None,
    remedies: Remedies = True,
    out_folder: Out = DEFAULT_OUT,
    report: options.ReportTo = None,
    json: options.Json = False,
    markdown: options.Markdown = False,
) -> None:
    """Locate the operation to blame for outputs that differ, prove it, and try what cures it.

    The exit code is 0 if nothing differed or the origin was found, else 1.
    """
    from detcost.locating import finding, keeping

    output = Output("locate", json, markdown)
    _check(scope, record, against, report)
    scope = scope or SCOPES[0]
    if record:
        _record(record, program, setting, device, size, dtype, seed)
        return
    view = LiveView()
    try:
        with view.shown():
            found = finding.locate(
                program,
                setting,
                device,
                scope=scope,
                seconds=seconds or finding.SECONDS,
                cure=remedies,
                size=size,
                dtype=dtype,
                seed=seed,
                compare_with=against,
                folder=out_folder / keeping.name_of(Path(program).name, setting, scope),
                on_progress=view.on_progress,
            )
    except KeyboardInterrupt:  # caught here because typer ends the program without a message
        err.print("detcost: interrupted; nothing was located")
        raise typer.Exit(INTERRUPTED) from None
    _finish(found, output, out_folder, report)


def _check(
    scope: str | None, record: Path | None, against: Path | None, report: Path | None
) -> None:
    """Refuse mistakes before the search, which takes minutes."""
    from detcost.evidence import recording
    from detcost.report import folder

    if record and (scope or against or report):
        raise UsageError(
            "--record keeps one run and compares nothing; leave out --scope, --against and --report"
        )
    if scope and against:
        raise UsageError(
            "--against compares with another run, and --scope says how to change this one; keep one"
        )
    if record:
        recording.check(record)
    if against:
        recording.read(against)
    if report:
        folder.check(report)


def _record(path: Path, program: str, setting: str, device: str, *cell: Any) -> None:
    """Record one run, and do not search."""
    from detcost.locating import finding

    size, dtype, seed = cell
    with err.status("recording one run"):
        recorded = finding.record(program, path, setting, device, size=size, dtype=dtype, seed=seed)
    frames = len(recorded.frames)
    out.print(f"{path}: {frames} executions, for detcost locate --against {path}", soft_wrap=True)


def _finish(found: Location, output: Output, out_folder: Path, report: Path | None) -> None:
    from detcost.locating import keeping
    from detcost.tables import locate_tables

    found = keeping.dated(found)
    kept = keeping.write(found, out_folder)
    output.print(found, locate_tables.terminal, locate_tables.markdown, locate_tables.json_text)
    if not (output.json or output.markdown):
        out.print(f"kept in {kept} (detcost report shows it)", soft_wrap=True)
    if report:
        _write_report(found, report)
    if not found.culprits and (found.probed.divergent or _hidden(found)):
        raise typer.Exit(SOME_FAILED)


def _hidden(found: Location) -> bool:
    """Whether outputs differed without the probe alone."""
    return bool(found.unprobed and found.unprobed.divergent)


def _write_report(found: Location, to: Path) -> None:
    from detcost.experiment import preparation
    from detcost.locating import as_evidence

    report_page.write(as_evidence.records(found, preparation.new_run_id()), [found], to)
