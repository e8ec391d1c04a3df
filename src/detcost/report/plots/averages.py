"""Averages of costs over scenarios and machines. NaN means unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detcost.comparison.contrasts import LARGEST_RATIO
from detcost.intervals import BAND

if TYPE_CHECKING:
    import pandas as pd


def believable(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with a possible cost; impossible intervals and bounds become unknown."""
    import pandas as pd

    figures = ["ratio", "low", "high", "same_low", "same_high", "bound"]
    cells = cells.assign(**{name: pd.to_numeric(cells[name], errors="coerce") for name in figures})
    cells.loc[cells["setting"] == "default", ["ratio", "low", "high"]] = 1.0
    for low, middle, high in (("low", "ratio", "high"), ("same_low", "same_low", "same_high")):
        sound = cells[low].ge(1 / LARGEST_RATIO) & cells[high].le(LARGEST_RATIO)
        sound &= cells[middle].between(cells[low], cells[high])
        cells.loc[~sound, [low, high]] = np.nan
    cells.loc[~cells["bound"].between(0, 1, inclusive="right"), "bound"] = np.nan
    return cells[cells["ratio"].between(1 / LARGEST_RATIO, LARGEST_RATIO)]


def costs(cells: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return geometric means of costs. Runs are independent, so their variances add up."""
    import pandas as pd

    logs = np.log(cells[["ratio", "low", "high"]])
    variance = ((logs["high"] - logs["low"]) / 2) ** 2
    groups = cells.assign(log=logs["ratio"], variance=variance.fillna(np.inf)).groupby(by)
    mean, margin = groups["log"].mean(), np.sqrt(groups["variance"].sum()) / groups.size()
    margin = margin.where(margin < np.inf)  # unknown if one of them is
    ends = {"ratio": mean, "low": mean - margin, "high": mean + margin}
    means = pd.DataFrame({name: np.exp(end) for name, end in ends.items()})
    return means.reset_index().astype(dict.fromkeys(by, "str")).set_index(by)


def verdicts(costs: pd.DataFrame) -> list[str]:
    """Return the verdict on each row, as :func:`detcost.intervals.verdict` does."""
    low, high = costs["low"], costs["high"]
    conditions = {
        "costs": low > 1 + BAND,
        "faster": high < 1 - BAND,
        "free": (low >= 1 - BAND) & (high <= 1 + BAND),
    }
    return list(np.select(list(conditions.values()), list(conditions), "ambiguous"))


def points(cells: pd.DataFrame, by_scenario: pd.DataFrame) -> pd.DataFrame:
    """Return the mean cost and the worst bound of each setting, and the settings of the frontier.

    ``by_scenario`` has the :func:`costs` of the cells by scenario and setting. Only a setting
    that is known in every scenario can be on the frontier: other means are of other programs.
    """
    by_setting = cells.groupby("setting")
    settings = costs(by_scenario.reset_index(), ["setting"]).assign(
        bound=by_setting["bound"].max(),
        diverged=by_setting["diverged"].any(),
        scenarios=cells.dropna(subset=["bound"]).groupby("setting")["scenario"].nunique(),
    )
    settings["whole"] = settings["scenarios"].eq(cells["scenario"].nunique())
    settings = settings.sort_values(["bound", "ratio"])
    whole = settings.loc[settings["whole"], "ratio"]
    cheaper = whole < whole.cummin().shift(fill_value=np.inf)
    settings["frontier"] = settings.index.isin(whole.index[cheaper])
    return settings


def over(cells: pd.DataFrame, *columns: str) -> str:
    """Write over how many of each column a geometric mean is, if over more than one."""
    counts = {column: cells[column].nunique() for column in columns}
    several = [f"{count} {column}s" for column, count in counts.items() if count > 1]
    return f", geometric mean over {' and '.join(several)}" if several else ""
