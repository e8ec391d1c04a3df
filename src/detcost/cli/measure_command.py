"""The command ``detcost measure``: it measures, and ends with what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from detcost.cli import options, report_page
from detcost.cli.console import err, out, print_tables
from detcost.cli.exit_codes import INTERRUPTED, SOME_FAILED
from detcost.cli.live import LiveView
from detcost.cli.output import Output

if TYPE_CHECKING:
    from detcost.tables.next_steps import NextSteps

#: Where evidence is kept by default: ``show``, ``choose`` and ``report`` read this folder.
DEFAULT_OUT = Path("results", "measured.trials.jsonl")


def measure(
    scenarios: options.Scenarios,
    settings: options.Settings = None,
    devices: options.Devices = None,
    scopes: options.Scopes = None,
    profile: options.Profile = None,
    seconds: options.Time = None,
    size: options.Size = "medium",
    dtype: options.Type = None,
    seed: options.Seed = 42,
    steps: options.Steps = None,
    out_file: options.Out = DEFAULT_OUT,
    report: options.ReportTo = None,
    json: options.Json = False,
    markdown: options.Markdown = False,
) -> None:
    """Measure what settings cost, and whether the bits stay; then say what to do next.

    A program of yours gets the settings that fit it, and a few minutes.
    """
    import detcost
    from detcost.report import folder

    output = Output("measure", json, markdown)
    if report:  # before the measurement, which takes minutes
        folder.check(report)
    view = LiveView()
    interrupted = False
    try:
        with view.shown():
            detcost.measure(
                scenarios,
                settings,
                devices,
                scopes=scopes,
                profile=profile,
                seconds=seconds,
                size=size,
                dtype=dtype,
                seed=seed,
                steps=steps,
                out=out_file,
                on_progress=view.on_progress,
                on_record=view.on_record,
                on_partial=view.on_partial,
                on_plan=view.on_plan,
            )
    except KeyboardInterrupt:  # caught here because typer ends the program without a message
        interrupted = True
    finally:  # an interrupt or a full disk must not hide what was measured before it
        _print(view, output, out_file)
    if interrupted:
        err.print(f"detcost: interrupted; {out_file} keeps what was measured", soft_wrap=True)
    if report and view.so_far:
        report_page.write(view.so_far, report_page.located(view.so_far, out_file), report)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    measurement = detcost.Measurement(view.records)
    for reason in measurement.absent_devices:
        err.print(f"detcost: {reason}", soft_wrap=True)
    if not measurement.complete:
        raise typer.Exit(SOME_FAILED)


def _print(view: LiveView, output: Output, out_file: Path) -> None:
    from detcost.tables import next_steps

    if not view.so_far:
        return
    steps = next_steps.next_steps(view.so_far, view.plans, str(out_file))
    if output.json or output.markdown:
        output.print(steps, next_steps.terminal, next_steps.markdown, next_steps.json_text)
        return
    print_tables(view.so_far)
    _print_steps(steps)
    where = " (detcost show, choose and report read it)" if out_file == DEFAULT_OUT else ""
    out.print(f"evidence: {out_file}{where}", soft_wrap=True)


def _print_steps(steps: Sequence[NextSteps]) -> None:
    from detcost.tables import next_steps

    for each in steps:
        out.print(Text())
        out.print(next_steps.terminal([each]), soft_wrap=True)
