"""Views: all that was measured on one device with one TensorFlow, ready to be chosen from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from detcost.choosing.selection import Selection
from detcost.errors import UsageError
from detcost.report.cells import CellView, CellViews, Origin
from detcost.report.decision_table import Subject, Subjects
from detcost.report.projection import Count, Projection
from detcost.settings.grammar import parse
from detcost.settings.snippets import Snippets, snippets


class View(msgspec.Struct, frozen=True):
    """What was measured on a device with one TensorFlow, at one size and type.

    ``cells`` has a row a scenario and a column a setting; ``None`` was not measured. ``counts``
    and ``origins`` are those that cells share.
    """

    tensorflow: str
    device: str
    size: str
    dtype: str
    scenarios: list[str]
    families: list[str]
    settings: list[str]
    cells: list[list[CellView | None]]
    counts: list[Count]
    origins: list[Origin]
    snippets: dict[str, Snippets]
    subjects: dict[str, Subject]


def views(records: Sequence[Projection]) -> Iterator[View]:
    """Yield the views of one machine's newest records, the newest TensorFlow first."""
    groups: dict[tuple[str, str, str, str], list[Projection]] = {}
    for record in records[::-1]:
        key = (record.tensorflow, record.device, record.size, record.dtype)
        groups.setdefault(key, []).append(record)
    for group in sorted(groups.values(), key=lambda group: group[0].release, reverse=True):
        yield _view(group[::-1])


def _view(records: Sequence[Projection]) -> View:
    families = {record.scenario: record.family for record in records}
    names = tuple(families)
    first = records[0]
    chosen = Selection(names, first.device, first.size, first.dtype, tuple(records))
    rows = [chosen.row(name) for name in names]
    cells = CellViews()
    subjects = Subjects(chosen.settings, rows)
    asked: dict[str, list[int]] = {}
    for place, (name, family) in enumerate(families.items()):
        for subject in dict.fromkeys(("all", family, name)):
            asked.setdefault(subject, []).append(place)
    return View(
        tensorflow=first.tensorflow,
        device=first.device,
        size=first.size,
        dtype=first.dtype,
        scenarios=list(names),
        families=list(families.values()),
        settings=list(chosen.settings),
        cells=[
            [cells.cell(r, s) if r else None for r, s in zip(row, chosen.settings, strict=True)]
            for row in rows
        ],
        counts=cells.counts,
        origins=cells.origins,
        snippets=_snippets(chosen.settings, first.seed),
        subjects={name: subjects.about(places) for name, places in asked.items()},
    )


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
