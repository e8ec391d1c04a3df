"""Subjects of questions: the decisions on them that no question changes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan

import msgspec
import numpy as np

from detcost.comparison import contrasts
from detcost.evidence.schema import ALL_SCOPES, Record
from detcost.intervals import BAND, ambiguity, verdict
from detcost.tables.evidence_tables import interval_text

Rates = tuple[float | None, ...]
#: The rates of a setting that was not measured in one of the scenarios: none is tolerable.
NEVER: Rates = (None,) * len(ALL_SCOPES)


class SubjectCost(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A ratio with its 95 % interval, as a text and as figures.

    ``verdict`` is a place in the view's list of verdicts.
    """

    text: str
    ratio: float
    low: float | None
    high: float | None
    verdict: int


class Subject(msgspec.Struct, frozen=True, gc=False):
    """The subject of a question: a scenario, a family, or all scenarios.

    The functions that :func:`detcost.choosing.answers.choose` uses make the figures. The page
    only filters and sorts.

    Attributes
    ----------
    scenarios, settings
        Places in the view's lists.
    costs, worst
        One for each setting. For a single scenario ``worst`` is empty: it equals ``costs``.
    ties
        For each setting as the cheapest one, a string: ``1`` for each setting that is tied with
        it, ``0`` for each other one.
    rates
        The place of each setting's lowest tolerable rates.
    source
        The place of the answer's source.
    """

    scenarios: list[int]
    settings: list[int]
    costs: list[SubjectCost | None]
    worst: list[SubjectCost | None]
    ties: list[str]
    rates: list[int]
    source: int


class Subjects:
    """Makes subjects, and computes once what they share.

    Attributes
    ----------
    rates
        The lowest tolerable rates of settings, one for each scope.
    verdicts
        The verdicts on costs, each with its explanation.
    """

    def __init__(
        self,
        settings: Sequence[str],
        rows: Sequence[Sequence[Record | None]],
        rates: Sequence[Sequence[Rates]],
    ) -> None:
        """``rows`` and ``rates`` have a row for each scenario and a column for each setting."""
        self._default = settings.index("default") if "default" in settings else None
        self._costs = contrasts.between(rows)
        self._ratios = self._costs.ratios(self._default)
        self._ties = self._costs.ties
        self._apart = [
            {place for place, r in enumerate(row) if r and r.setting == settings[place]}
            for row in rows
        ]
        self._rates = rates
        self._rate_places: dict[Rates, int] = {}
        self._verdict_places: dict[tuple[str, str], int] = {}

    @property
    def rates(self) -> list[Rates]:
        """The rates of all subjects so far."""
        return list(self._rate_places)

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """The verdicts of all subjects so far."""
        return [(word, f"{word}: {meaning}") for word, meaning in self._verdict_places]

    def about(self, scenarios: list[int], source: int) -> Subject:
        """Return the subject of some scenarios, which are places."""
        settings = sorted(set().union(*(self._apart[scenario] for scenario in scenarios)))
        worst: list[SubjectCost | None] = []
        if len(scenarios) == 1:
            ratios, ties = self._ratios[scenarios[0]], self._ties[scenarios[0]]
        else:
            together = contrasts.combine(self._costs.for_scenarios(scenarios))
            ratios, ties = together.ratios(self._default), together.ties
            worst = self._figures(contrasts.worst(self._ratios[scenarios])[settings])
        return Subject(
            scenarios=scenarios,
            settings=settings,
            costs=self._figures(ratios[settings]),
            worst=worst,
            ties=_texts(ties.T[np.ix_(settings, settings)]),
            rates=self._lowest(scenarios, settings),
            source=source,
        )

    def _lowest(self, scenarios: Sequence[int], settings: Sequence[int]) -> list[int]:
        """Return the places of the lowest rates that settings meet in all of the scenarios."""
        rows = [self._rates[scenario] for scenario in scenarios]
        if len(rows) == 1:
            lowest = [rows[0][setting] for setting in settings]
        else:
            lowest = [_greatest({row[setting] for row in rows}) for setting in settings]
        places = self._rate_places
        return [places.setdefault(rates, len(places)) for rates in lowest]

    def _figures(self, ratios: contrasts.Array) -> list[SubjectCost | None]:
        return [None if isnan(ratio) else self._figure(ratio, *e) for ratio, *e in ratios.tolist()]

    def _figure(self, ratio: float, low: float, high: float) -> SubjectCost:
        known = low > 0 and isfinite(high)
        first, last = (low, high) if known else (None, None)
        word = verdict(first, last)
        meaning = _MEANING.get(word) or str(ambiguity(first, last))
        place = self._verdict_places.setdefault((word, meaning), len(self._verdict_places))
        return SubjectCost(interval_text(ratio, first, last), ratio, first, last, place)


def _greatest(rates: set[Rates]) -> Rates:
    """Return the greatest of some rates, scope by scope; ``None`` if one of them is."""
    return tuple(None if None in own else max(own) for own in zip(*rates, strict=True))


_MEANING = {
    "free": f"the whole interval lies within ±{100 * BAND:g} % of 1",
    "costs": f"the whole interval lies above +{100 * BAND:g} %",
    "faster": f"the whole interval lies below −{100 * BAND:g} %",
}


def _texts(ties: contrasts.Mask) -> list[str]:
    """Write each row of a mask as zeros and ones."""
    size = len(ties)
    digits = (ties + ord("0")).astype(np.uint8).tobytes().decode()
    return [digits[start : start + size] for start in range(0, size * size, size)]
