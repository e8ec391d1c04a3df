"""Shortens what asv prints of each scenario. ``asv -v run`` and ``asv show`` print everything.

A class of the suite gives eleven figures of each setting on each device. asv prints a table for
each figure, with rows for devices that this machine lacks. In place of it, ``time_step`` and
``track_cost`` keep their tables, without empty rows, and the others get one line.

This is a part of the asv plugin, and imports only asv and the standard library.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

from asv import results, runner, util
from asv.console import log

from .failures import failures, last_line

#: The figures that differ between settings in every scenario.
TABLES = ("time_step", "track_cost")
#: What asv puts before the output of each cell.
_CELL = re.compile(r"^For parameters: (.*)$", re.MULTILINE)

Benchmark = dict[str, Any]


def is_replay(benchmark: Benchmark) -> bool:
    """Return whether a benchmark is one of ``ScenarioSuite``, and replays what was measured."""
    return list(benchmark["param_names"]) == ["device", "setting"]


def format_result(result: results.Results, benchmark: Benchmark) -> tuple[str, str | None]:
    """Return asv's text for a result: what follows the benchmark's name, and further lines."""
    reasons = _new_failures(result, benchmark)
    if log.is_debug_enabled() or not is_replay(benchmark):
        text: tuple[str, str | None] = results.format_benchmark_result(result, benchmark)
        return text
    values = result.get_result_value(benchmark["name"], benchmark["params"])
    if not (measured := [value for value in values if not util.is_nan(value)]):
        return "n/a", None
    failed = measured.count(None)
    words = [f"{failed}/{len(measured)} failed"] if failed else []
    if benchmark["name"].rpartition(".")[2] in TABLES:
        details = [_table(result, benchmark, values), *reasons]
        return "".join(words) or "ok", "\n".join(details)
    if known := [value for value in measured if value is not None]:
        words.append(_summary(known, benchmark["unit"]))
    return ", ".join(words), "\n".join(reasons) or None


def _summary(values: list[float], unit: str) -> str:
    """Return the values of all settings in a few words."""
    if unit == "rate":
        return f"0 in {values.count(0)} of {len(values)}"
    low, high = (util.human_value(value, unit) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _table(result: results.Results, benchmark: Benchmark, values: list[float | None]) -> str:
    """Return asv's table without devices and settings that have no figure here."""
    names = list(itertools.product(*benchmark["params"]))
    measured = [name for name, value in zip(names, values, strict=True) if not util.is_nan(value)]
    params = [
        [value for value in axis if any(name[place] == value for name in measured)]
        for place, axis in enumerate(benchmark["params"])
    ]
    kept = result.get_result_value(benchmark["name"], params)
    stats = result.get_result_stats(benchmark["name"], params)
    shown = [
        (value, results.get_err(value, stat) if stat else None)
        for value, stat in zip(kept, stats, strict=True)
    ]
    lines = results._format_benchmark_result(shown, {**benchmark, "params": params})
    return "\n".join(lines).strip()


def _new_failures(result: results.Results, benchmark: Benchmark) -> list[str]:
    """Note the reason of every failed cell. Return those that no earlier figure had."""
    name, params = benchmark["name"], benchmark["params"]
    stderr = result.stderr.get(name) or ""
    values = result.get_result_value(name, params)
    if not params:
        failed = [(name, last_line(stderr))] if None in values else []
    else:
        status = dict(zip(map(", ".join, itertools.product(*params)), values, strict=True))
        _, *outputs = _CELL.split(stderr)
        failed = [
            (_place(name, cell), last_line(output))
            for cell, output in zip(outputs[::2], outputs[1::2], strict=True)
            if status.get(cell, 0) is None
        ]
    return [f"{place}: {reason}" for place, reason in failed if failures.add(place, reason)]


def _place(name: str, cell: str) -> str:
    """Return the class of a benchmark and a cell, such as ``conv.Conv2dBackward CPU:0 xla``."""
    return " ".join([name.rpartition(".")[0], *cell.replace("'", "").split(", ")])


_run_benchmark = runner.run_benchmark


def run_benchmark(benchmark: Benchmark, *args: Any, **kwargs: Any) -> Any:
    """Run a benchmark. ``--quick`` does not shorten a replay, which takes no time.

    asv would take one block's median, whose ratio is not the ratio that ``track_cost`` gives.
    """
    if is_replay(benchmark):
        kwargs["extra_params"] = {}
    return _run_benchmark(benchmark, *args, **kwargs)


runner.run_benchmark = run_benchmark
runner.format_benchmark_result = format_result
