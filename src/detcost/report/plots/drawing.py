"""Plots of the report: the costs of settings, and the bounds of their divergence rates.

Names in the cells are untrusted. Only :func:`detcost.report.plots.style.shown` draws them, and
the names of files are numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np

from detcost import process_pool
from detcost.choosing.question import simplest_first
from detcost.intervals import BAND
from detcost.report.plots import averages, marks
from detcost.report.plots import style as look
from detcost.report.plots.style import shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: The most machines with their own marks in a forest. More machines become boxes.
MOST_MACHINES = 6
#: The most that a plot shows. Its title and its text alternative state if there is more.
MOST_SETTINGS, MOST_SCENARIOS = 64, 100
#: The most settings of a frontier that the text alternative names.
MOST_NAMED = 6


class Plot(msgspec.Struct, frozen=True):
    """A plot: its file in the folder, its subject, and its text alternative."""

    file: str
    kind: Literal["frontier", "forest", "heatmap"]
    device: str
    scenario: str | None
    title: str
    alt: str


def draw(cells: pd.DataFrame, folder: Path) -> list[Plot]:
    """Draw the plots of every device as SVG files.

    Parameters
    ----------
    cells
        A row for each measured cell: ``scenario``, ``family``, ``setting``, ``device``,
        ``machine``; ``ratio``, ``low``, ``high`` of the cost; ``same_low``, ``same_high`` of the
        run's A/A comparison; ``bound``, the highest bound of a divergence rate; ``diverged``,
        whether any comparison diverged. NaN means unknown.
    folder
        The folder of the files. It is made if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    load()
    with process_pool.pool() as pool:
        return list(pool.imap(partial(_draw, folder=folder), _plans(averages.believable(cells))))


def load() -> None:
    """Import the libraries, which takes seconds. Later forks have them already."""
    import seaborn  # noqa: F401


class _Plan(NamedTuple):
    """A plot to draw: ``make`` returns its figure, its title and its text alternative."""

    kind: Literal["frontier", "forest", "heatmap"]
    file: str
    device: str
    scenario: str | None
    make: Callable[..., tuple[Figure, str, str]]
    arguments: tuple[Any, ...]


def _draw(plan: _Plan, folder: Path) -> Plot:
    with look.style():
        drawn, title, alt = plan.make(*plan.arguments)
        look.save(drawn, folder / plan.file, title, alt)
    return Plot(plan.file, plan.kind, plan.device, plan.scenario, title, alt)


def _plans(cells: pd.DataFrame) -> Iterator[_Plan]:
    for number, (device, rows) in enumerate(cells.groupby("device"), start=1):
        yield from _of_device(rows, str(device), number)


def _of_device(cells: pd.DataFrame, device: str, number: int) -> Iterator[_Plan]:
    settings = sorted(cells["setting"].unique(), key=simplest_first)
    where = shown(device)
    if len(settings) > MOST_SETTINGS:
        where += f", {MOST_SETTINGS} of {len(settings)} settings"
        cells = cells[cells["setting"].isin(settings[:MOST_SETTINGS])]
    costs = averages.costs(cells, ["scenario", "setting"])
    if cells["bound"].notna().any():
        file, over = f"frontier-{number}.svg", where + averages.over(cells, "scenario", "machine")
        most = cells["scenario"].nunique()
        yield _Plan(
            "frontier", file, device, None, _frontier, (averages.points(cells, costs), most, over)
        )
    if settings != ["default"]:
        file, over = f"heatmap-{number}.svg", averages.over(cells, "machine")
        families = cells.drop_duplicates("scenario").astype(str).set_index("scenario")["family"]
        table = (costs.drop("default", level="setting", errors="ignore"), families, where, over)
        yield _Plan("heatmap", file, device, None, _heatmap, table)
    for place, (scenario, rows) in enumerate(cells.groupby("scenario"), start=1):
        file, name = f"forest-{number}-{place}.svg", str(scenario)
        forest = (rows, costs.loc[[name]], shown(name), where)
        yield _Plan("forest", file, device, name, _forest, forest)


def _frontier(points: pd.DataFrame, most: int, where: str) -> tuple[Figure, str, str]:
    """Draw settings as points; ``most`` is the number of scenarios."""
    known = points.dropna(subset=["bound"])
    labels = [
        shown(p.Index) + ("" if p.whole else f" ({p.scenarios:.0f} of {most} scenarios)")
        for p in _rows(known)
    ]
    drawn, axes = look.figure((640, 240 + 10 * len(known)), 60, 14, 56, 72)
    look.rate_axis(axes, known["bound"].min(), look.width(labels))
    look.cost_axis(axes, "y", *_limits(known))
    marks.points(drawn, axes, known, labels)
    title = "Cost against the bound of the divergence rate"
    look.heading(drawn, title, where)
    return drawn, f"{title}: {where}", _frontier_alt(points, where)


def _limits(costs: pd.DataFrame) -> tuple[float, float]:
    """Return the limits of a cost axis. A wide interval may go beyond them."""
    ratios = costs["ratio"]
    least = min(0.95, max(ratios.min() / 1.5, costs["low"].fillna(ratios).min()))
    most = max(1.05, min(ratios.max() * 1.5, costs["high"].fillna(ratios).max()))
    pad = (most / least) ** 0.04
    return least / pad, most * pad


def _frontier_alt(points: pd.DataFrame, where: str) -> str:
    line = points[points["frontier"]]
    members = [
        f"{shown(p.Index)} ({look.cost(p)}, at most {look.percent(p.bound)})"
        for p in _rows(line.head(MOST_NAMED))
    ]
    more = f" and {len(line) - len(members)} more" if len(line) > len(members) else ""
    unknown = int(points["bound"].isna().sum())
    without = f" ({unknown} without a bound are not drawn)" if unknown else ""
    return (
        f"Cost of {len(points)} settings{without} against the upper bound of their divergence "
        f"rate, {where}. On the frontier: {', '.join(members) or 'none'}{more}. "
        + _survivor(points)
    )


def _survivor(points: pd.DataFrame) -> str:
    """Write which setting without a divergence is the cheapest."""
    whole = points[points["whole"]]
    quiet = whole[~whole["diverged"].astype(bool)]
    if whole.empty:
        return "No setting has a bound in every scenario."
    if quiet.empty:
        return "Under every setting some comparison diverged."
    best = next(_rows(quiet.nsmallest(1, "ratio")))
    return f"Cheapest with no divergence seen: {shown(best.Index)}, {look.cost(best)}."


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples()


def _counts(verdicts: pd.Series[str]) -> str:
    counts = verdicts.value_counts()
    texts = {
        "costs": "costs more",
        "faster": "faster",
        "free": f"free within ±{100 * BAND:g} %",
        "ambiguous": "ambiguous",
    }
    return ", ".join(f"{text}: {counts.get(verdict, 0)}" for verdict, text in texts.items())


def _heatmap(
    costs: pd.DataFrame, families: pd.Series[str], where: str, over: str
) -> tuple[Figure, str, str]:
    scenarios = sorted(families.index, key=lambda name: (families[name], name))
    if len(scenarios) > MOST_SCENARIOS:
        where += f", {MOST_SCENARIOS} of {len(scenarios)} scenarios"
        scenarios = scenarios[:MOST_SCENARIOS]
    where += over
    costs["verdict"] = averages.verdicts(costs)
    settings = sorted(costs.index.unique("setting"), key=simplest_first)
    ratios, verdicts = (
        costs[column].unstack().reindex(index=scenarios, columns=settings)
        for column in ("ratio", "verdict")
    )
    clear = verdicts.isin(["costs", "faster", "free"]).to_numpy()
    names = list(map(shown, scenarios)), list(map(shown, settings))
    drawn, axes = marks.heatmap(*names, ratios, clear)
    groups = families[scenarios].to_numpy()
    between = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    axes.hlines(between, 0, len(settings), look.MUTED, lw=0.8)
    title = "Cost of each setting in each scenario"
    look.heading(drawn, title, where)
    return drawn, f"{title}: {where}", _heatmap_alt(costs, where)


def _heatmap_alt(costs: pd.DataFrame, where: str) -> str:
    ordered = costs.sort_values("ratio").iloc[[0, -1]]
    low, high = (
        f"{shown(c.Index[1])} in {shown(c.Index[0])}, {look.cost(c)}" for c in _rows(ordered)
    )
    return (
        f"Cost of each setting in each scenario, {where}. Of {len(costs)} cells, "
        f"{_counts(costs['verdict'])}. Least: {low}; greatest: {high}."
    )


def _forest(
    cells: pd.DataFrame, means: pd.DataFrame, scenario: str, where: str
) -> tuple[Figure, str, str]:
    """Draw a row for each setting; ``means`` are over machines."""
    settings = sorted(cells["setting"].unique(), key=simplest_first)
    machines = sorted(cells["machine"].unique())
    costs = cells.sort_values(["setting", "machine"], ignore_index=True)
    costs = costs.astype({"setting": "str", "machine": "str"})
    costs["row"] = costs["setting"].map({name: place for place, name in enumerate(settings)})
    costs["mark"] = costs["machine"].map({name: place for place, name in enumerate(machines)})
    costs["verdict"] = averages.verdicts(costs)
    counts = _counts(costs.loc[costs["setting"].ne("default"), "verdict"])
    noise = cells.groupby("machine").agg({"same_low": "min", "same_high": "max"})
    _show_itself(costs, noise)
    names = [shown(setting) + (" (A/A)" if setting == "default" else "") for setting in settings]
    if len(machines) > MOST_MACHINES:
        keys, how = [], f"boxes over {len(machines)} machines: median, quartiles, extremes"
        costs, noise = costs.assign(low=np.nan, high=np.nan), noise.median().to_frame().T
    else:
        keys, how = list(map(shown, machines)), "95 % intervals"
        how += f", a mark for each of {len(keys)} machines" if len(keys) > 1 else ""
    drawn, axes = marks.rows(names, keys)
    look.cost_axis(axes, "x", *_limits(costs))
    low, high = noise["same_low"].min(), noise["same_high"].max()
    marks.bands(drawn, axes, low, high, len(keys))
    if keys:
        marks.intervals(axes, costs, keys)
    else:
        marks.boxes(axes, costs, names)
    title, where = f"Cost of each setting in {scenario}", f"{where}, {how}"
    look.heading(drawn, title, where)
    itself = f"; default against itself: {low:.2f} to {high:.2f}" if low < high else ""
    alt = (
        f"{title}, {where}. Settings: {counts}{itself}. {_survivor(averages.points(cells, means))}"
    )
    return drawn, f"{title}: {where}", alt


def _show_itself(costs: pd.DataFrame, noise: pd.DataFrame) -> None:
    """Show the A/A comparison in the row of ``default``: 1, except for noise."""
    default = costs["setting"].eq("default")
    ends = noise.loc[costs.loc[default, "machine"]].to_numpy()
    costs.loc[default, ["low", "high"]] = ends
    costs.loc[default, "ratio"] = np.nan_to_num(np.sqrt(ends.prod(axis=1)), nan=1.0)
    costs.loc[default, "verdict"] = ""
