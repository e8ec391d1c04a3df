"""Evidence as tables: in a terminal, in Markdown, and as a pandas frame."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table
from rich.text import Text

from detcost.choosing import to_locate
from detcost.choosing.question import USUAL_SCOPES, simplest_first
from detcost.choosing.scope_checks import (
    ANYWAY,
    CARRIES_STATE,
    COLD,
    count_text,
    differs_anyway,
    first_call_text,
    hundredths,
    is_unexpected,
    repeats_its_sequence,
)
from detcost.comparison import lever_effects
from detcost.comparison.contrasts import Estimate
from detcost.evidence.schema import SCOPES, Comparison, Cost, Evidence, RepeatedDraws
from detcost.outputs.severity import Severity
from detcost.outputs.trajectory import Trajectory
from detcost.tables.followed import following_texts
from detcost.tables.partitions import partition_text
from detcost.tables.text import code, lines, plain

if TYPE_CHECKING:
    import pandas as pd


def to_frame(records: Iterable[Evidence]) -> pd.DataFrame:
    """Return one row a record. Nested fields are ``cost.ratio``, ``divergence.repeat.rate``."""
    import pandas as pd

    return pd.json_normalize([msgspec.to_builtins(record) for record in records])


def cost_text(cost: Cost | Estimate | None) -> str:
    """Write a cost with its interval: ``1.34 [1.29, 1.40]``."""
    if cost is None or cost.ratio is None:
        return "–"
    return interval_text(cost.ratio, cost.low, cost.high)


def interval_text(ratio: float, low: float | None, high: float | None) -> str:
    """Write a ratio with its interval, as :func:`cost_text` does."""
    if low is None or high is None:
        return f"{ratio:.2f} [?, ?]"
    return f"{ratio:.2f} [{low:.2f}, {high:.2f}]"


def divergence_text(comparison: Comparison | None) -> str:
    """Write a count with its bound or interval: ``0/315 ≤ 1.0 %``, ``203/315 = 64 % [59, 70]``."""
    if comparison is None or comparison.rate is None:
        return "n/a" if comparison and comparison.reason else "–"
    count = f"{comparison.divergent}/{comparison.trials}"
    rate, low, high = map(hundredths, (comparison.rate, comparison.low, comparison.high))
    return f"{count} = {rate} % [{low}, {high}]" if comparison.divergent else f"{count} ≤ {high} %"


def trajectory_text(trajectory: Trajectory) -> str:
    """Write where trainings part: ``first differs at step 3 of 12; by 1e-07 at step 3, …``.

    The text counts steps from 1.
    """
    steps, relative = trajectory.steps, trajectory.relative
    ends = {steps[0]: relative[0], steps[-1]: relative[-1]}
    growth = ", ".join(
        f"{'?' if distance is None else f'{distance:.0e}'} at step {step + 1}"
        for step, distance in ends.items()
    )
    return f"first differs at step {trajectory.first_step + 1} of {steps[-1] + 1}; by {growth}"


def severity_text(severity: Severity) -> str:
    """Write how far outputs differ, and which: ``differs by up to 3 ulp in step()[0], step()[2]``.

    The text is empty if neither is known.
    """
    distance = "" if severity.max_ulp is None else f" by up to {severity.max_ulp} ulp"
    where = f" in {', '.join(severity.outputs)}" if severity.outputs else ""
    return f"differs{distance}{where}" if distance or where else ""


def repeated_draws_text(draws: RepeatedDraws) -> str:
    """Write how it was seen that every call draws the same numbers."""
    where = "without seeds and caches" if draws.under == "unseeded" else f"under {draws.under}"
    return (
        f"draws the same numbers in every call: {draws.calls} calls {where} gave "
        f"{draws.distinct} outputs, the calls here 1"
    )


def terminal_tables(records: Sequence[Evidence]) -> Iterator[Table]:
    """Yield a table for each scenario, device, size and type, with one row a setting."""
    for name, group in _by_experiment(records):
        yield _terminal_table(name, group)


def markdown_overview(records: Sequence[Evidence]) -> str:
    """Return one table with a row for each scenario and setting, and a column for each scope.

    A cell has the count of comparisons in which the bits differed. In scope ``threads`` it also
    has the sizes of the pools that agree. Only the newest TensorFlow of a machine is shown, and
    only scopes in which something was measured. Notes below the table explain its marks.
    """
    shown = _of_newest_tensorflow(records)
    scopes = [scope for scope in SCOPES if any(scope in record.divergence for record in shown)]
    header = ["scenario", "setting", "cost [95 %]", *scopes, "same bits as `default`"]
    rows = [header, ["---"] * len(header)]
    for name, group in _by_experiment(shown):
        for record in sorted(group, key=lambda record: simplest_first(record.setting)):
            cells = _overview_cells(record, scopes)
            rows.append([code(name), code(record.setting), *cells])
    table = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*table, *(f"\n{line}." for line in _legend(shown))])


def operations_to_find(records: Sequence[Evidence]) -> list[str]:
    """Return a command for each scenario that differed under every setting measured."""
    groups = [to_locate.first(group, USUAL_SCOPES) for _, group in _by_experiment(records)]
    return [command for command in groups if command]


def _of_newest_tensorflow(records: Sequence[Evidence]) -> list[Evidence]:
    releases = sorted(records, key=lambda record: record.release)
    newest = {record.machine_name: record.tensorflow for record in releases}
    return [record for record in records if record.tensorflow == newest[record.machine_name]]


def _overview_cells(record: Evidence, scopes: Sequence[str]) -> list[str]:
    if record.status != "ok":
        return [record.status.replace("_", " ")] + ["–"] * (len(scopes) + 1)
    cells = {scope: _overview_count(record, scope) for scope in scopes}
    if repeats_its_sequence(record, "repeat"):
        cells["repeat"] += f"<br>{CARRIES_STATE}"
    if sizes := _agreement(record, "threads"):
        cells["threads"] += f"<br>{code(sizes)}"
    return [cost_text(record.cost), *cells.values(), record.same_bits_as_default or "–"]


def _overview_count(record: Evidence, scope: str) -> str:
    comparison = record.divergence.get(scope)
    if comparison is None or not comparison.trials:
        return divergence_text(comparison)
    count = count_text(record, scope)
    return f"**{count}**" if is_unexpected(record, scope) else count


def _terminal_table(name: str, group: Sequence[Evidence]) -> Table:
    table = Table(title=plain(name, "bold"), title_justify="left", caption_justify="left")
    scopes = [scope for scope in SCOPES if any(scope in record.divergence for record in group)]
    accurate = any(record.accuracy is not None for record in group)
    for column in ("setting", "cost [95 %]", *scopes, "same bits\nas default"):
        table.add_column(column, no_wrap=True)
    if accurate:
        table.add_column("error", justify="right", no_wrap=True)
    table.add_column("first call", justify="right", no_wrap=True)
    table.add_column("note")
    for record in group:
        table.add_row(
            plain(record.setting),
            lines([cost_text(record.cost), _verdict(record)]),
            *(_count(record, scope) for scope in scopes),
            record.same_bits_as_default or "–",
            *([_error(record.accuracy)] if accurate else []),
            f"{record.first_call_seconds:.2f} s" if record.first_call_seconds else "–",
            lines(_notes(record)),
        )
    table.caption = lines(_captions(group), "table.caption")
    return table


def _count(record: Evidence, scope: str) -> Text:
    """Return a count with its bound on a second line, so that six scopes fit side by side."""
    comparison = record.divergence.get(scope)
    if differs_anyway(record, scope):
        return Text(count_text(record, scope), "dim")
    text = re.sub(" = | (?=≤)", "\n", divergence_text(comparison))
    return Text(text, "red" if is_unexpected(record, scope) else "")


def _error(accuracy: float | None) -> str:
    return "–" if accuracy is None else f"{accuracy:.1e}"


def _verdict(record: Evidence) -> str:
    if record.status != "ok":
        return record.status.replace("_", " ")
    if record.setting == "default":
        return "(A/A)"
    return record.cost.verdict if record.cost else "–"


def _notes(record: Evidence) -> list[str]:
    notes: list[str] = []
    if record.status == "ok":
        notes += _observations(record)
    else:
        notes.append(textwrap.shorten(record.reason or "", 100, placeholder=" …"))
    if record.overridden:
        notes.append(f"left out of the program: {'; '.join(record.overridden)}")
    return notes


def _observations(record: Evidence) -> Iterator[str]:
    if record.severity and (distance := severity_text(record.severity)):
        yield textwrap.shorten(distance, 100, placeholder=" …")
    if record.severity and record.severity.trajectory:
        yield trajectory_text(record.severity.trajectory)
    if repeats_its_sequence(record, "repeat"):
        yield CARRIES_STATE
    yield from _first_calls(record)
    if record.repeated_draws:
        yield repeated_draws_text(record.repeated_draws)
    if record.following:
        yield from following_texts(record.following)
    for scope in ("threads", "execution"):
        if groups := _agreement(record, scope):
            yield f"{scope} {groups}"


def _first_calls(record: Evidence) -> Iterator[str]:
    """Yield, for each scope, where the sequence of a cell that carries state first differs."""
    for scope, comparison in record.divergence.items():
        first_call = first_call_text(comparison)
        if first_call and not differs_anyway(record, scope):
            yield f"{scope} {first_call}"


def _agreement(record: Evidence, scope: str) -> str:
    """Write which variants of a scope agree. The text is empty if the cell races."""
    comparison = record.divergence.get(scope)
    return "" if comparison is None or record.races else partition_text(comparison.variants)


def _captions(group: Sequence[Evidence]) -> Iterator[str]:
    controls = next((record.controls for record in group if record.controls), None)
    if controls:
        failures = "; ".join(controls.failures)
        verdict = f"CONTROLS FAILED: {failures}" if failures else "controls passed"
        yield f"default against itself: {cost_text(controls.same_setting)}; {verdict}"
    yield from _legend(group)
    yield from (f"each lever's own effect: {factors}" for factors in lever_effects.factors(group))


def _legend(records: Sequence[Evidence]) -> Iterator[str]:
    """Yield the notes that the figures of some records need."""
    if any(differs_anyway(record, scope) for record in records for scope in record.divergence):
        yield ANYWAY
    if any(record.cold and record.cost for record in records):
        yield COLD


def _by_experiment(records: Sequence[Evidence]) -> Iterator[tuple[str, list[Evidence]]]:
    """Group by all but the setting, in the order measured.

    The name of a group has the scenario, and every other part that is not the usual one.
    """
    machines = {record.machine_name for record in records}
    versions = {record.tensorflow for record in records}

    def experiment(record: Evidence) -> tuple[str, ...]:
        machine = record.machine_name if len(machines) > 1 else ""
        version = f"TensorFlow {record.tensorflow}" if len(versions) > 1 else ""
        return (record.scenario, record.device, record.size, record.dtype, machine, version)

    order = {key: i for i, key in enumerate(dict.fromkeys(map(experiment, records)))}
    ordered = sorted(records, key=lambda record: order[experiment(record)])
    for key, group in itertools.groupby(ordered, key=experiment):
        scenario, *rest = key
        usual = ("CPU:0", "medium", "float32", "", "")
        unusual = [part for part, common in zip(rest, usual, strict=True) if part != common]
        yield " ".join([scenario, *unusual]), list(group)
