"""Plotted: the figures of a machine's cells that plots put beside the other machines'."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from detcost.report.cells import Cell
from detcost.report.views import View
from detcost.selection import USUAL_SCOPES

if TYPE_CHECKING:
    import pandas as pd

WORDS = ("scenario", "family", "setting", "device", "machine")
#: The bound is the worst, and bits diverged, in the usual scopes.
FIGURES = ("ratio", "low", "high", "same_low", "same_high", "bound", "diverged")

#: By name: lists of words, arrays of figures.
Columns = dict[str, Any]


def columns(machine: str, shown: Sequence[View]) -> Columns:
    """Return what is plotted of a machine, a place a cell; of each device its newest view."""
    newest: dict[str, View] = {}
    for view in shown:
        newest.setdefault(view.device, view)
    rows = [
        ((scenario, family, setting, view.device, machine), _figures(found, setting))
        for view in newest.values()
        for scenario, family, row in zip(view.scenarios, view.families, view.cells, strict=True)
        for setting, found in zip(view.settings, row, strict=True)
        if found and found.cost
    ]
    figures = np.array([figures for _, figures in rows], dtype=float).reshape(-1, len(FIGURES))
    return {
        **{name: [words[place] for words, _ in rows] for place, name in enumerate(WORDS)},
        **dict(zip(FIGURES, figures.T, strict=True)),
    }


def frame(machines: Sequence[Columns]) -> pd.DataFrame:
    """Put the columns of all machines together."""
    import pandas as pd

    words = {
        name: pd.Categorical(list(itertools.chain(*(each[name] for each in machines))))
        for name in WORDS
    }
    figures = {name: np.concatenate([each[name] for each in machines]) for name in FIGURES}
    return pd.DataFrame({**words, **figures}).astype({"diverged": bool})


def _figures(found: Cell, setting: str) -> tuple[float | None, ...]:
    """Return the figures of a cell; ``default`` costs 1 by definition."""
    cost, same = found.cost, found.same_setting
    compared = [found.scopes[scope] for scope in USUAL_SCOPES if scope in found.scopes]
    bounds = [count.high for count in compared if count.trials and count.high is not None]
    return (
        *(
            (1.0, 1.0, 1.0)
            if setting == "default" or not cost
            else (cost.ratio, cost.low, cost.high)
        ),
        *((same.low, same.high) if same else (None, None)),
        max(bounds) if len(bounds) == len(USUAL_SCOPES) else None,
        any(count.divergent for count in compared),
    )
