"""The live table has a row for every planned setting, and fills as records come."""

from __future__ import annotations

from rich.console import Console

from detcost.tables.live_table import live_table
from factories import cost, divergence, failed, racing, record

PLANNED = ["default", "op_determinism", "xla", "threads=1"]


def text_of(*records) -> list[str]:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(live_table(records, PLANNED, ("process", "repeat")))
    return captured.get().splitlines()


def row(lines: list[str], setting: str) -> str:
    [line] = [line for line in lines if f"│ {setting} " in line]
    return line


def test_planned_settings_wait_until_something_is_known():
    lines = text_of()
    assert all("…" in row(lines, setting) for setting in PLANNED)
    assert "repeat" in lines[1]
    assert lines[1].index("repeat") < lines[1].index("process")


def test_cost_verdict_and_counts_so_far_are_shown():
    seen = record(
        setting="op_determinism",
        cost=cost(1.3, 1.2, 1.4),
        divergence={"repeat": divergence(0, 24)},
    )
    line = row(text_of(record(divergence=racing()), seen), "op_determinism")
    assert "1.30 [1.20, 1.40]" in line
    assert "costs" in line
    assert "0/24" in line
    assert "…" in line, "no process was compared yet"


def test_a_cell_that_failed_has_its_status():
    line = row(text_of(failed(setting="xla", status="unimplemented")), "xla")
    assert "unimplemented" in line
