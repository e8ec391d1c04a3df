"""Views: all that was measured on one device with one TensorFlow, ready to be chosen from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from detcost import contrasts
from detcost.contrasts import Contrasts, Estimate
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
    rows = {name: chosen.row(name) for name in names}
    parts = {name: contrasts.between(row) for name, row in rows.items()}
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
            for row in rows.values()
        ],
        snippets=_snippets(chosen.settings, records[0].seed),
        subjects={name: _subject(chosen, resolve((name,), families), parts) for name in asked},
    )


def _subject(view: Selection, names: Sequence[str], parts: dict[str, Contrasts]) -> Subject:
    settings = view.of(names).settings
    places = [view.settings.index(setting) for setting in settings]
    whole = places == list(range(len(view.settings)))
    own = [parts[name] if whole else parts[name].among(places) for name in names]
    together = contrasts.combine(own)
    blank: list[Estimate | None] = [None] * len(places)
    default = settings.index("default") if "default" in settings else None
    means = blank if default is None else together.estimates(default)
    worst = means
    if len(own) > 1 and default is not None:
        each = zip(*(part.estimates(default) for part in own), strict=True)
        worst = [contrasts.worst(costs) for costs in each]
    return Subject(
        scenarios=[view.scenarios.index(name) for name in names],
        settings=places,
        costs=[_figure(mean) for mean in means],
        worst=[_figure(cost) for cost in worst],
        ties=[(row + ord("0")).astype("uint8").tobytes().decode() for row in together.ties.T],
    )


def _figure(found: Estimate | None) -> Figure | None:
    return Figure(found.ratio, found.low, found.high) if found else None


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
