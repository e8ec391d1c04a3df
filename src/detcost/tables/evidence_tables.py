"""Evidence as a person reads it: in a terminal, in Markdown, and as a pandas frame."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table
from rich.text import Text

from detcost.choosing.scope_checks import (
    ANYWAY,
    CARRIES_STATE,
    COLD,
    count_text,
    differs_anyway,
    first_call_text,
    hundredths,
    repeats_its_sequence,
)
from detcost.comparison import effects
from detcost.comparison.contrasts import Estimate
from detcost.evidence.schema import SCOPES, Cost, Divergence, Evidence
from detcost.outputs.severity import Severity
from detcost.outputs.trajectory import Trajectory
from detcost.tables.partitions import partition_text
from detcost.tables.text import code, lines, plain

if TYPE_CHECKING:
    import pandas as pd

#: Settings of the overview: nothing, TensorFlow's own switch, and the most that can be set.
OVERVIEW = ("default", "op_determinism", "op_determinism+threads=1")


def to_frame(records: Iterable[Evidence]) -> pd.DataFrame:
    """Return one row a record, nested fields as ``cost.ratio``, ``divergence.repeat.rate``."""
    import pandas as pd

    return pd.json_normalize([msgspec.to_builtins(record) for record in records])


def cost_text(cost: Cost | Estimate | None) -> str:
    """Write a cost with its interval: ``1.34 [1.29, 1.40]``."""
    if cost is None or cost.ratio is None:
        return "–"
    if cost.low is None or cost.high is None:
        return f"{cost.ratio:.2f} [?, ?]"
    return f"{cost.ratio:.2f} [{cost.low:.2f}, {cost.high:.2f}]"


def divergence_text(found: Divergence | None) -> str:
    """Write a count with its bound or interval: ``0/315 ≤ 1.0 %``, ``203/315 = 64 % [59, 70]``."""
    if found is None or found.rate is None:
        return "n/a" if found and found.reason else "–"
    count = f"{found.divergent}/{found.trials}"
    if found.divergent == 0:
        return f"{count} ≤ {hundredths(found.high)} %"
    return (
        f"{count} = {hundredths(found.rate)} % [{hundredths(found.low)}, {hundredths(found.high)}]"
    )


def trajectory_text(found: Trajectory) -> str:
    """Write where trainings part: ``first differs at step 3 of 12; by 1e-07 at step 3, …``.

    Steps are counted from 1, as people do.
    """
    ends = {found.steps[0]: found.relative[0], found.steps[-1]: found.relative[-1]}
    growth = ", ".join(
        f"{'?' if relative is None else f'{relative:.0e}'} at step {step + 1}"
        for step, relative in ends.items()
    )
    return f"first differs at step {found.first_step + 1} of {found.steps[-1] + 1}; by {growth}"


def severity_text(found: Severity) -> str:
    """Write how far outputs differ, and which: ``differs by up to 3 ulp in step()[0], step()[2]``.

    Nothing where neither is known.
    """
    apart = "" if found.max_ulp is None else f" by up to {found.max_ulp} ulp"
    where = f" in {', '.join(found.outputs)}" if found.outputs else ""
    return f"differs{apart}{where}" if apart or where else ""


def terminal_tables(records: Sequence[Evidence]) -> Iterator[Table]:
    """Yield one table a scenario, device, size and type: a row a setting."""
    for name, group in _by_experiment(records):
        yield _terminal_table(name, group)


def markdown_overview(records: Sequence[Evidence]) -> str:
    """Return one table: a row a scenario and setting, a column a scope.

    A cell says of how many comparisons the bits differed; in scope ``threads`` also
    which sizes of the pools agree. Of several versions of TensorFlow on a machine it has the
    newest. What must be known to read it stands below.
    """
    header = ["scenario", "setting", "cost [95 %]", *SCOPES, "same bits as `default`"]
    rows = [header, ["---"] * len(header)]
    releases = sorted(records, key=lambda record: record.release)
    last = {record.machine_name: record.tensorflow for record in releases}
    newest = [record for record in records if record.tensorflow == last[record.machine_name]]
    shown = []
    for name, group in _by_experiment(newest):
        by_setting = {record.setting: record for record in group}
        for setting in OVERVIEW:
            cells = _overview_cells(by_setting.get(setting))
            rows.append([code(name), f"`{setting}`", *cells])
        shown += [by_setting[setting] for setting in OVERVIEW if setting in by_setting]
    table = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*table, *(f"\n{line}." for line in _legend(shown))])


def _overview_cells(record: Evidence | None) -> list[str]:
    if record is None:
        return ["not measured"] + ["–"] * (len(SCOPES) + 1)
    if record.status != "ok":
        return [record.status.replace("_", " ")] + ["–"] * (len(SCOPES) + 1)
    cells = {scope: _overview_count(record, scope) for scope in SCOPES}
    if repeats_its_sequence(record, "repeat"):
        cells["repeat"] += f"<br>{CARRIES_STATE}"
    if sizes := _agreement(record, "threads"):
        cells["threads"] += f"<br>{code(sizes)}"
    return [cost_text(record.cost), *cells.values(), record.same_bits_as_default or "–"]


def _overview_count(record: Evidence, scope: str) -> str:
    found = record.divergence.get(scope)
    if found is None or not found.trials:
        return divergence_text(found)
    count = count_text(record, scope)
    return f"**{count}**" if found.divergent and not differs_anyway(record, scope) else count


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
    """Put the bound under the count, so that six scopes fit beside each other."""
    found = record.divergence.get(scope)
    if differs_anyway(record, scope):
        return Text(count_text(record, scope), "dim")
    text = re.sub(" = | (?=≤)", "\n", divergence_text(found))
    return Text(text, "red" if found and found.divergent else "")


def _error(accuracy: float | None) -> str:
    return "–" if accuracy is None else f"{accuracy:.1e}"


def _verdict(record: Evidence) -> str:
    if record.status != "ok":
        return record.status.replace("_", " ")
    if record.setting == "default":
        return "(A/A)"
    return record.cost.verdict if record.cost else "–"


def _notes(record: Evidence) -> list[str]:
    words = []
    if record.status == "ok":
        words += _seen(record)
    else:
        words.append(textwrap.shorten(record.reason or "", 100, placeholder=" …"))
    if record.overridden:
        words.append(f"left out of the program: {'; '.join(record.overridden)}")
    return words


def _seen(record: Evidence) -> list[str]:
    words = []
    if record.severity and (how := severity_text(record.severity)):
        words.append(textwrap.shorten(how, 100, placeholder=" …"))
    if record.severity and record.severity.trajectory:
        words.append(trajectory_text(record.severity.trajectory))
    if repeats_its_sequence(record, "repeat"):
        words.append(CARRIES_STATE)
    words += _first_calls(record)
    for scope in ("threads", "execution"):
        if sizes := _agreement(record, scope):
            words.append(f"{scope} {sizes}")
    return words


def _first_calls(record: Evidence) -> Iterator[str]:
    """Say, of a cell that carries state, where its sequences part."""
    for scope, found in record.divergence.items():
        where = first_call_text(found)
        if where and not differs_anyway(record, scope):
            yield f"{scope} {where}"


def _agreement(record: Evidence, scope: str) -> str:
    """Write which variants agree, where the scope and no race decides that."""
    found = record.divergence.get(scope)
    return "" if found is None or record.races else partition_text(found.variants)


def _captions(group: Sequence[Evidence]) -> list[str]:
    found = []
    controls = next((record.controls for record in group if record.controls), None)
    if controls:
        failures = "; ".join(controls.failures)
        verdict = f"CONTROLS FAILED: {failures}" if failures else "controls passed"
        found.append(f"default against itself: {cost_text(controls.same_setting)}; {verdict}")
    found += _legend(group)
    return found + [f"each lever's own effect: {each}" for each in effects.factors(group)]


def _legend(records: Sequence[Evidence]) -> Iterator[str]:
    """Say what must be known to read the figures of some records, where they have such."""
    if any(differs_anyway(record, scope) for record in records for scope in record.divergence):
        yield ANYWAY
    if any(record.cold and record.cost for record in records):
        yield COLD


def _by_experiment(records: Sequence[Evidence]) -> Iterator[tuple[str, list[Evidence]]]:
    """Group by all but the setting, in the order measured; the name tells the unusual."""
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
        words = [word for word, common in zip(rest, usual, strict=True) if word != common]
        yield " ".join([scenario, *words]), list(group)
