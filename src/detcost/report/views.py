"""Views: all that was measured on one device with one TensorFlow, ready to be chosen from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import isnan

import msgspec
import numpy as np

from detcost import contrasts
from detcost.errors import UsageError
from detcost.evidence import Evidence
from detcost.report.cells import Cell, Figure, cell
from detcost.selection import Selection, resolve
from detcost.settings import parse
from detcost.snippets import Snippets, snippets


class Subject(msgspec.Struct, frozen=True):
    """What a question may be about: a scenario, a family, or all.

    Everything that takes statistics is worked out here, by the functions that
    :func:`detcost.choosing.choose` uses; the page is left to sift and sort.

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


class View(msgspec.Struct, frozen=True):
    """What was measured on a device with one TensorFlow, at one size and type.

    ``cells`` has a row a scenario and a column a setting; ``None`` was not measured.
    """

    tensorflow: str
    device: str
    size: str
    dtype: str
    scenarios: list[str]
    families: list[str]
    settings: list[str]
    cells: list[list[Cell | None]]
    snippets: dict[str, Snippets]
    subjects: dict[str, Subject]


def views(records: Sequence[Evidence]) -> Iterator[View]:
    """Yield the views of one machine's newest records, the newest TensorFlow first."""
    groups: dict[tuple[str, str, str, str], list[Evidence]] = {}
    for record in sorted(records, key=lambda record: record.release)[::-1]:
        key = (record.tensorflow, record.device, record.size, record.dtype)
        groups.setdefault(key, []).append(record)
    for (tensorflow, *place), group in groups.items():
        yield _view(tensorflow, group[::-1], *place)


def _view(tensorflow: str, records: Sequence[Evidence], device: str, size: str, dtype: str) -> View:
    families = {record.scenario: record.family for record in records}
    names = tuple(families)
    chosen = Selection(names, device, size, dtype, tuple(records))
    rows = [chosen.row(name) for name in names]
    subjects = _Subjects(chosen.settings, rows)
    places = {name: place for place, name in enumerate(names)}
    asked = dict.fromkeys(["all", *families.values(), *names])
    return View(
        tensorflow=tensorflow,
        device=device,
        size=size,
        dtype=dtype,
        scenarios=list(names),
        families=list(families.values()),
        settings=list(chosen.settings),
        cells=[
            [cell(r, s) if r else None for r, s in zip(row, chosen.settings, strict=True)]
            for row in rows
        ],
        snippets=_snippets(chosen.settings, records[0].seed),
        subjects={
            name: subjects.about([places[each] for each in resolve((name,), families)])
            for name in asked
        },
    )


class _Subjects:
    """Works out the figures of subjects, and what they have in common once."""

    def __init__(self, settings: Sequence[str], rows: Sequence[Sequence[Evidence | None]]) -> None:
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
        own = self._ratios[scenarios]
        if len(scenarios) == 1:
            means, ties = own[0], self._ties[scenarios[0]]
        else:
            together = contrasts.combine(self._costs.of(scenarios))
            means, ties = together.ratios(self._default), together.ties
        digits = (ties.T[np.ix_(settings, settings)] + ord("0")).astype(np.uint8)
        return Subject(
            scenarios=scenarios,
            settings=settings,
            costs=_figures(means[settings]),
            worst=_figures(contrasts.worst(own)[settings]),
            ties=[row.tobytes().decode() for row in digits],
        )


def _figures(ratios: contrasts.Array) -> list[Figure | None]:
    return [None if isnan(figure[0]) else Figure(*figure) for figure in ratios.tolist()]


def _snippets(settings: Sequence[str], seed: int) -> dict[str, Snippets]:
    """Return the code for every setting that this detcost knows."""
    found = ((setting, _snippets_of(setting, seed)) for setting in settings)
    return {setting: code for setting, code in found if code}


@lru_cache(maxsize=4096)
def _snippets_of(setting: str, seed: int) -> Snippets | None:
    try:
        return snippets(parse(setting), seed)
    except UsageError:  # a lever of a newer detcost, or of nobody's
        return None
