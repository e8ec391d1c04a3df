"""Data of plots: figures of the cells of all machines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from detcost.choosing.question import USUAL_SCOPES
from detcost.evidence.schema import SCOPES
from detcost.report.cells import CellView
from detcost.report.views import View

if TYPE_CHECKING:
    import pandas as pd

WORDS = ("scenario", "family", "setting", "device", "machine")
#: ``bound`` is the highest one in the usual scopes; ``diverged`` is about these scopes too.
FIGURES = ("ratio", "low", "high", "same_low", "same_high", "bound", "diverged")


class Words(NamedTuple):
    """A column of words: each word once, and the place of each cell's word."""

    known: list[str]
    places: npt.NDArray[np.int_]


class Columns(NamedTuple):
    """The data of one device of a machine, by the names of columns."""

    words: dict[str, Words]
    figures: dict[str, npt.NDArray[np.float64]]


def columns(machine: str, shown: Sequence[View]) -> list[Columns]:
    """Return the data of a machine from the newest view of each device."""
    newest: dict[str, View] = {}
    for view in shown:
        newest.setdefault(view.device, view)
    return [_columns(machine, view) for view in newest.values()]


def frame(parts: Sequence[Columns]) -> pd.DataFrame:
    """Return the data of all machines, with a row for each cell."""
    import pandas as pd

    words = {name: _categorical([part.words[name] for part in parts]) for name in WORDS}
    figures = {name: np.concatenate([part.figures[name] for part in parts]) for name in FIGURES}
    return pd.DataFrame({**words, **figures}).astype({"diverged": bool})


def _categorical(parts: Sequence[Words]) -> pd.Categorical[str]:
    import pandas as pd

    names = sorted({name for part in parts for name in part.known})
    places = {name: place for place, name in enumerate(names)}
    codes = [np.array([places[name] for name in part.known])[part.places] for part in parts]
    return pd.Categorical.from_codes(np.concatenate(codes), pd.Index(names))


def _columns(machine: str, view: View) -> Columns:
    cells = list(itertools.chain(*view.cells))
    kept = np.array([place for place, cell in enumerate(cells) if cell and cell.cost], dtype=int)
    row, setting = np.divmod(kept, len(view.settings))
    figures = _figures(view, [cell for cell in cells if cell and cell.cost], kept)
    default = [name == "default" for name in view.settings]
    figures[np.array(default)[setting], :3] = 1  # by definition
    only = np.zeros_like(kept)
    words = ((view.scenarios, row), (view.families, row), (view.settings, setting))
    alone = (([view.device], only), ([machine], only))
    return Columns(
        words=dict(zip(WORDS, itertools.starmap(Words, words + alone), strict=True)),
        figures=dict(zip(FIGURES, figures.T, strict=True)),
    )


def _figures(
    view: View, cells: Sequence[CellView], kept: npt.NDArray[np.int_]
) -> npt.NDArray[np.float64]:
    """Return a row for each cell, with the :data:`FIGURES`; ``kept`` are the cells' places."""
    costs = [(cost.ratio, cost.low, cost.high) for cell in cells if (cost := cell.cost)]
    same = [(s.low, s.high) if (s := o.same_setting) else (None, None) for o in view.origins]
    # A scope that was not measured has the last check, whose bound is unknown.
    bounds = [(c.high if c.trials else None, c.divergent > 0) for c in view.checks]
    bounds.append((None, False))
    usual = [SCOPES.index(scope) for scope in USUAL_SCOPES]
    sets = [[-1 if own[scope] is None else own[scope] for scope in usual] for own in view.sets]
    by_set = _array(bounds, 2)[np.array(sets, dtype=int).reshape(-1, len(usual))].max(axis=1)
    checked = [place for places in view.checked for place in places]
    return np.column_stack(
        [
            _array(costs, 3),
            _array(same, 2)[[cell.origin for cell in cells]],
            by_set[[checked[place] for place in kept]],
        ]
    )


def _array(rows: Sequence[Sequence[float | None]], wide: int) -> npt.NDArray[np.float64]:
    return np.array(rows, dtype=float).reshape(-1, wide)
