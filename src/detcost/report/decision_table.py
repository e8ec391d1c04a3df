"""Subjects of questions: every decision on them that does not depend on what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan

import msgspec
import numpy as np

from detcost.comparison import contrasts
from detcost.evidence.schema import SCOPES, Record
from detcost.intervals import BAND, ambiguity, verdict
from detcost.tables.evidence_tables import interval_text

Rates = tuple[float | None, ...]
#: Of a setting without figures in one of the scenarios: no rate is tolerable.
NEVER: Rates = (None,) * len(SCOPES)


class SubjectCost(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A ratio with its 95 % interval, in figures and in words.

    ``verdict`` is a place in the list of verdicts.
    """

    text: str
    ratio: float
    low: float | None
    high: float | None
    verdict: int


class Subject(msgspec.Struct, frozen=True, gc=False):
    """A scenario, a family, or all: the subject of a question.

    The figures come from the functions that :func:`detcost.choosing.decision.choose` uses. The
    page only filters and sorts.

    Attributes
    ----------
    scenarios, settings
        Places in the view's lists.
    costs, worst
        Of each setting; of a single scenario ``worst`` is empty, since both are the same.
    ties
        For each setting a string of a ``0`` or ``1`` for each: whether that one's cost cannot
        be told from it, should it be the cheapest.
    rates
        For each setting the place of its lowest tolerable rates, a rate a scope.
    source
        The place of the source.
    """

    scenarios: list[int]
    settings: list[int]
    costs: list[SubjectCost | None]
    worst: list[SubjectCost | None]
    ties: list[str]
    rates: list[int]
    source: int


class Subjects:
    """Works out subjects, and what they have in common once.

    Attributes
    ----------
    rates
        Lowest tolerable rates that settings have, a rate a scope.
    verdicts
        Verdicts that costs have, each with its explanation.
    """

    def __init__(
        self,
        settings: Sequence[str],
        rows: Sequence[Sequence[Record | None]],
        rates: Sequence[Sequence[Rates]],
    ) -> None:
        """``rows`` has a row a scenario, and in it a record a setting; so has ``rates``."""
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
        """The rates of every setting so far."""
        return list(self._rate_places)

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """The verdicts of every cost so far."""
        return [(word, f"{word}: {meaning}") for word, meaning in self._verdict_places]

    def about(self, scenarios: list[int], source: int) -> Subject:
        """Return the subject of some scenarios, by their places."""
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
            found = [rows[0][setting] for setting in settings]
        else:
            found = [_greatest({row[setting] for row in rows}) for setting in settings]
        places = self._rate_places
        return [places.setdefault(rates, len(places)) for rates in found]

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
    """Write rows of zeros and ones."""
    size = len(ties)
    digits = (ties + ord("0")).astype(np.uint8).tobytes().decode()
    return [digits[start : start + size] for start in range(0, size * size, size)]
