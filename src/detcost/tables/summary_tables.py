"""The summary of settings as tables: in a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table

from detcost.choosing.summary import CostRange, SettingSummary, Share, Summary
from detcost.evidence.schema import SCOPES
from detcost.tables import readme
from detcost.tables.text import code, lines, markdown_text, plain

HEADER = ("setting", "cost, mean (range)", *SCOPES, "left out")


def terminal(summary: Summary) -> RenderableType:
    """Return the table, a row a setting, and the notes needed to read it."""
    table = Table()
    for column in HEADER:
        table.add_column(plain(column), no_wrap=True)
    for setting in summary.settings:
        shares = (plain(_share(s), "green" if _all_stay(s) else "") for s in _shares(setting))
        cost, left_out = plain(_cost(setting)), plain(_left_out(setting))
        table.add_row(plain(setting.setting), cost, *shares, left_out)
    return Group(table, lines(_notes(summary)))


def markdown(summary: Summary) -> str:
    """Return the same as Markdown."""
    rows = [list(HEADER), ["---"] * len(HEADER)]
    for setting in summary.settings:
        shares = map(_share, _shares(setting))
        rows.append([code(setting.setting), _cost(setting), *shares, _left_out(setting)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([table, " ".join(map(markdown_text, _notes(summary)))])


def _shares(setting: SettingSummary) -> list[Share]:
    return [setting.shares[scope] for scope in SCOPES]


def _all_stay(share: Share) -> bool:
    return 0 < share.compared == share.stays


def _share(share: Share) -> str:
    if not share.compared:
        return "–" if share.applies else "n/a"
    return f"{share.stays} of {share.compared}"


def _cost(setting: SettingSummary) -> str:
    if setting.setting == "default":
        return "1"
    return cost_range_text(setting.cost)


def cost_range_text(cost: CostRange | None) -> str:
    """Write a cost over scenarios: ``1.12 (0.90 to 1.58)``."""
    return "–" if cost is None else f"{cost.mean:.2f} ({cost.low:.2f} to {cost.high:.2f})"


def _left_out(setting: SettingSummary) -> str:
    return ", ".join(f"{n} {s.replace('_', ' ')}" for s, n in setting.left_out.items())


def _notes(summary: Summary) -> Iterator[str]:
    count = len(summary.scenarios)
    subject = f"{count} scenario{'' if count == 1 else 's'} on {summary.device}"
    yield f"{subject}; {readme.provenance(summary.records)}."
    yield (
        "Cost: step time ÷ step time under default. The mean is geometric and gives every "
        "scenario the same weight. The range goes from the lowest cost of a scenario to the "
        "highest, and is no confidence interval."
    )
    if floor := readme.noise_floor(summary.records):
        yield f"The noise floor, default against itself: at most {100 * floor:.0f} % off."
    yield (
        "A scope's column: in how many scenarios no comparison differed when only that changed. "
        "Scenarios to which the scope means nothing are not counted. A scenario that differs in "
        "repeat or process mostly differs in the further columns too: its race is the cause there, "
        "not the scope."
    )
    yield "If a lever means nothing to a scenario, the setting without that lever counts there."
    if any(setting.left_out for setting in summary.settings):
        yield (
            "Left out: scenarios without a result under the setting. Its mean has the others alone."
        )
