"""Evidence as a person reads it: in a terminal, in Markdown, and as a pandas frame."""

from __future__ import annotations

import html
import itertools
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table
from rich.text import Text

from detcost.evidence import Cost, Divergence, Evidence

if TYPE_CHECKING:
    import pandas as pd

#: Settings of the overview, a column each.
OVERVIEW = ("default", "op_determinism", "threads=1", "op_determinism+threads=1")


def to_frame(records: Iterable[Evidence]) -> pd.DataFrame:
    """Return one row a record, nested fields as ``cost.ratio``, ``divergence.repeat.rate``."""
    import pandas as pd

    return pd.json_normalize([msgspec.to_builtins(record) for record in records])


def cost_text(cost: Cost | None) -> str:
    """Write a cost with its interval: ``1.34 [1.29, 1.40]``."""
    if cost is None or cost.ratio is None:
        return "–"
    if cost.low is None or cost.high is None:
        return f"{cost.ratio:.2f} [?, ?]"
    return f"{cost.ratio:.2f} [{cost.low:.2f}, {cost.high:.2f}]"


def divergence_text(found: Divergence | None) -> str:
    """Write a count with its bound or interval: ``0/315 ≤ 1.0 %``, ``203/315 = 64 % [59, 70]``."""
    if found is None or found.rate is None:
        return "–"
    count = f"{found.divergent}/{found.trials}"
    if found.divergent == 0:
        return f"{count} ≤ {_percent(found.high)} %"
    return f"{count} = {_percent(found.rate)} % [{_percent(found.low)}, {_percent(found.high)}]"


def terminal_tables(records: Sequence[Evidence]) -> Iterator[Table]:
    """Yield one table a scenario, device, size and type: a row a setting."""
    for name, group in _by_experiment(records):
        yield _terminal_table(name, group)


def markdown_overview(records: Sequence[Evidence]) -> str:
    """Return one table: a row a scenario, and the factorial's plainest settings as columns.

    A cell shows the cost with its 95 % interval, then of how many repeats and of
    how many fresh processes the bits differed.
    """
    header = ["scenario", *(f"`{setting}`" for setting in OVERVIEW)]
    rows = [header, ["---"] * len(header)]
    for name, group in _by_experiment(records):
        by_setting = {record.setting: record for record in group}
        cells = [_overview_cell(by_setting.get(setting)) for setting in OVERVIEW]
        rows.append([_code(name), *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _overview_cell(record: Evidence | None) -> str:
    if record is None:
        return "not measured"
    if record.status != "ok":
        return record.status.replace("_", " ")
    counts = (record.divergence.get(scope) for scope in ("repeat", "process"))
    shares = " ".join(f"{c.divergent}/{c.trials}" if c else "–" for c in counts)
    if any(found.divergent for found in record.divergence.values()):
        shares = f"**{shares}**"
    return f"{cost_text(record.cost)}<br>{shares}"


def _terminal_table(name: str, group: Sequence[Evidence]) -> Table:
    table = Table(title=_plain(name, "bold"), title_justify="left", caption_justify="left")
    for column in ("setting", "cost [95 %]", "verdict", "repeat differs", "process differs"):
        table.add_column(column, no_wrap=True)
    table.add_column("first call", justify="right", no_wrap=True)
    table.add_column("note")
    for record in group:
        table.add_row(
            _plain(record.setting),
            _plain(cost_text(record.cost)),
            _verdict(record),
            *(_styled(record.divergence.get(scope)) for scope in ("repeat", "process")),
            f"{record.first_call_seconds:.2f} s" if record.first_call_seconds else "–",
            _plain(_note(record)),
        )
    table.caption = _plain(_caption(group), "table.caption")
    return table


def _verdict(record: Evidence) -> str:
    if record.status != "ok":
        return record.status.replace("_", " ")
    if record.setting == "default":
        return "(A/A)"
    return record.cost.verdict if record.cost else "–"


def _note(record: Evidence) -> str:
    if record.status != "ok":
        return textwrap.shorten(record.reason or "", 100, placeholder=" …")
    if record.severity and record.severity.max_ulp is not None:
        return f"differs by up to {record.severity.max_ulp} ulp"
    return ""


def _styled(found: Divergence | None) -> Text:
    return Text(divergence_text(found), "red" if found and found.divergent else "")


def _caption(group: Sequence[Evidence]) -> str:
    controls = next((record.controls for record in group if record.controls), None)
    if controls is None:
        return ""
    same = f"default against itself: {cost_text(controls.same_setting)}"
    failures = "; ".join(controls.failures)
    return f"{same}; CONTROLS FAILED: {failures}" if failures else f"{same}; controls passed"


def _by_experiment(records: Sequence[Evidence]) -> Iterator[tuple[str, list[Evidence]]]:
    """Group by all but the setting, in the order measured; the name tells the unusual."""
    machines = {str(record.machine.get("name")) for record in records}

    def experiment(record: Evidence) -> tuple[str, ...]:
        machine = str(record.machine.get("name")) if len(machines) > 1 else ""
        return (record.scenario, record.device, record.size, record.dtype, machine)

    order = {key: i for i, key in enumerate(dict.fromkeys(map(experiment, records)))}
    ordered = sorted(records, key=lambda record: order[experiment(record)])
    for key, group in itertools.groupby(ordered, key=experiment):
        scenario, *rest = key
        usual = ("CPU:0", "medium", "float32", "")
        words = [word for word, common in zip(rest, usual, strict=True) if word != common]
        yield " ".join([scenario, *words]), list(group)


def _plain(text: str, style: str = "") -> Text:
    """Show a stranger's text as it is: no markup, no emoji, no codes that steer the terminal."""
    return Text(_printable(text), style)


def _code(text: str) -> str:
    """Write a stranger's text as Markdown's code in a table, where nothing in it is HTML."""
    return "`" + _printable(text).translate({ord("`"): "'", ord("|"): r"\|", ord("\\"): "/"}) + "`"


def markdown_text(text: str) -> str:
    """Write a stranger's text as a line of Markdown in which nothing is HTML or a link."""
    return re.sub(r"[\\`*_\[\]|#]", r"\\\g<0>", html.escape(_printable(text), quote=False))


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _percent(rate: float | None) -> str:
    if rate is None:
        return "?"
    percent = 100 * rate
    return f"{percent:.2g}" if percent < 10 else f"{percent:.0f}"
