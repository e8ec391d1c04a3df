"""The same bits on all machines, as rows of text: settings, prices, groups, and the test of isa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from detcost.choosing.across import listed
from detcost.choosing.common_bits import CommonBits
from detcost.choosing.isa_prediction import IsaTest, Prediction
from detcost.choosing.scope_checks import groups_of_names
from detcost.tables.evidence_tables import cost_text

TITLE = "The same bits on all machines, at what price"
COMMANDS = "The commands: detcost choose --scenario all --survive repeat,process,machine"
#: How many costs a row lists before it has their range.
MOST_COSTS = 4


def rows(fleet: Sequence[CommonBits]) -> Iterator[list[str]]:
    """Yield the titles, then a row for each scenario."""
    yield ["scenario", "machines", "cheapest setting that makes all agree", "cost, mean [95 %]"]
    for row in fleet:
        yield [row.scenario, str(row.machines), _setting(row), _cost(row)]


def _setting(row: CommonBits) -> str:
    if row.best:
        return row.best
    count = len(row.groups) + len(row.races)
    if count == 1:
        return f"all agree under {row.fewest}, which does not survive repeat and process"
    return f"none; {count} groups under {row.fewest}: {groups_of_names(row.groups, row.races)}"


def _cost(row: CommonBits) -> str:
    if not row.best:
        return "–"
    if row.best == "default":
        return "1"
    costs = [(name, cost.ratio) for name, cost in row.on_each.items() if cost]
    if len(costs) <= MOST_COSTS:
        on_each = ", ".join(f"{name} {ratio:.2f}" for name, ratio in costs)
    else:
        ratios = [ratio for _, ratio in costs]
        on_each = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"{cost_text(row.cost)} ({on_each})"


def remarks(fleet: Sequence[CommonBits], test: IsaTest) -> Iterator[str]:
    """Yield what could explain the groups, and whether scope isa predicted them."""
    without = [row for row in fleet if not row.best]
    causes = Counter((row.explained, row.excluded) for row in without)
    for (explained, excluded), count in causes.items():
        if explained:
            names = "scenario" if count == 1 else "scenarios"
            not_these = f"; {', '.join(excluded)} cannot" if excluded else ""
            yield f"{', '.join(explained)} could explain the groups of {count} {names}{not_these}."
    lacking = Counter((s, machines) for row in without for s, machines in row.lacking.items())
    for setting, machines in lacking:
        yield f"{setting} was not measured on {listed(machines)}. {COMMANDS}"
    yield from isa_lines(test)


def isa_lines(test: IsaTest) -> Iterator[str]:
    """Yield how often scope ``isa`` on one machine predicted the bits of another."""
    same, other = test.counts["same"], test.counts["other"]
    total = sum(same.values()) + sum(other.values())
    if not total:
        return
    yield (
        f"Scope isa put to the test on {total} cells, each of two machines with unlike instruction "
        f"sets: same bits predicted in {sum(same.values())}, seen in {same['same']} of them; "
        f"other bits predicted in {sum(other.values())}, seen in {other['other']} of them."
    )
    failed: dict[tuple[str, bool], list[Prediction]] = {}
    for each in test.exceptions:
        failed.setdefault((each.scenario, each.predicted), []).append(each)
    for (scenario, predicted), cells in failed.items():
        settings = ", ".join(dict.fromkeys(each.setting for each in cells))
        pairs = "; ".join(dict.fromkeys(f"{each.newer} for {each.older}" for each in cells))
        said = "other bits predicted, same" if predicted else "same bits predicted, others"
        yield f"Exception: {scenario} under {settings}: {said} seen ({pairs})."
