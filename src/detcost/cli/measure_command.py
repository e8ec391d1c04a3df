"""The command ``detcost measure``."""

from __future__ import annotations

import typer

from detcost.cli import options
from detcost.cli.console import err, live_progress, print_tables
from detcost.cli.exit_codes import INTERRUPTED, SOME_FAILED


def measure(
    scenarios: options.Scenarios,
    settings: options.Settings = None,
    devices: options.Devices = None,
    scopes: options.Scopes = None,
    profile: options.Profile = None,
    size: options.Size = "medium",
    dtype: options.Type = None,
    seed: options.Seed = 42,
    out_file: options.Out = None,
) -> None:
    """Measure what settings cost, and whether the bits stay."""
    import detcost

    records: list[detcost.Evidence] = []
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
    except KeyboardInterrupt:  # caught here because typer ends the program without a message
        err.print("detcost: interrupted; --out keeps the cells measured so far")
        raise typer.Exit(INTERRUPTED) from None
    finally:  # an interrupt or a full disk must not hide the cells measured before it
        print_tables(records)
    measurement = detcost.Measurement(records)
    for reason in measurement.absent_devices:
        err.print(f"detcost: {reason}", soft_wrap=True)
    if not measurement.complete:
        raise typer.Exit(SOME_FAILED)
