"""Subjects: what a question may be about, with every figure of it that takes statistics."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import msgspec
import numpy as np

from detcost.comparison import contrasts
from detcost.evidence.schema import Record
from detcost.report.cells import Figure


class Subject(msgspec.Struct, frozen=True, gc=False):
    """What a question may be about: a scenario, a family, or all.

    The figures come from the functions that :func:`detcost.choosing.decision.choose` uses. The
    page only filters and sorts.

    Attributes
    ----------
    scenarios, settings
        Places in the view's lists.
    costs, worst
        Of each setting.
    ties
        For each setting a string of a ``0`` or ``1`` for each: whether that one's cost cannot
        be told from it, should it be the cheapest.
    """

    scenarios: list[int]
    settings: list[int]
    costs: list[Figure | None]
    worst: list[Figure | None]
    ties: list[str]


class Subjects:
    """Works out subjects, and what they have in common once."""

    def __init__(self, settings: Sequence[str], rows: Sequence[Sequence[Record | None]]) -> None:
        """``rows`` has a row a scenario, and in it a record a setting."""
        self._default = settings.index("default") if "default" in settings else None
        self._costs = contrasts.between(rows)
        self._ratios = self._costs.ratios(self._default)
        self._ties = self._costs.ties
        self._apart = [
            {place for place, r in enumerate(row) if r and r.setting == settings[place]}
            for row in rows
        ]

    def about(self, scenarios: list[int]) -> Subject:
        """Return the subject of some scenarios, by their places."""
        settings = sorted(set().union(*(self._apart[scenario] for scenario in scenarios)))
        if len(scenarios) == 1:
            ratios, ties = self._ratios[scenarios[0]], self._ties[scenarios[0]]
            means = worst = _figures(ratios[settings])
        else:
            together = contrasts.combine(self._costs.of(scenarios))
            means = _figures(together.ratios(self._default)[settings])
            worst = _figures(contrasts.worst(self._ratios[scenarios])[settings])
            ties = together.ties
        return Subject(
            scenarios, settings, means, worst, _texts(ties.T[np.ix_(settings, settings)])
        )


def _figures(ratios: contrasts.Array) -> list[Figure | None]:
    return [None if isnan(figure[0]) else Figure(*figure) for figure in ratios.tolist()]


def _texts(ties: contrasts.Mask) -> list[str]:
    """Write rows of zeros and ones."""
    size = len(ties)
    digits = (ties + ord("0")).astype(np.uint8).tobytes().decode()
    return [digits[start : start + size] for start in range(0, size * size, size)]
