"""Views: everything measured on one device with one TensorFlow, with the decisions on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from detcost.choosing import judging
from detcost.choosing.missing import OUT, is_nameable, lacking_scopes, measure_words
from detcost.choosing.question import Selection, lever_count
from detcost.choosing.scope_checks import NOT_MEASURED
from detcost.errors import UsageError
from detcost.evidence.schema import ALL_SCOPES
from detcost.report.cells import CellView, CellViews, Origin
from detcost.report.checks import CheckSets, CheckView
from detcost.report.decision_table import NEVER, Rates, Subject, Subjects
from detcost.report.projection import LONGEST, Projection
from detcost.report.sources import Sources, SourceView
from detcost.settings.grammar import parse
from detcost.settings.snippets import Snippets, snippets


class Unusable(msgspec.Struct, frozen=True, array_like=True):
    """The reason why a cell has no figures, in short and in full."""

    word: str
    reason: str


class Missing(msgspec.Struct, frozen=True, array_like=True):
    """The settings and scopes in which a scenario was not measured.

    Attributes
    ----------
    known
        The scopes in which some cell was measured.
    lacking
        By the setting's place: the scopes that a measurement would add.
    """

    known: list[str]
    lacking: dict[int, list[str]]


class View(msgspec.Struct, frozen=True):
    """Everything measured on a device with one TensorFlow, at one size and type.

    ``cells`` has a row for each scenario and a column for each setting; ``None`` was not
    measured. ``checked`` has the place of each cell's set, and ``sets`` has the place of each
    scope's check.

    Attributes
    ----------
    levers
        The number of levers of each setting.
    rates
        The lowest tolerable rates of subjects' settings, one for each scope.
    unusable, missing
        By the scenario's place; ``unusable`` then by the setting's place.
    command
        The words of a command that measures. The page fills in ``{scenarios}``,
        ``{settings}``, ``{scopes}`` and ``{options}``.
    origins, sources, verdicts
        Shared by cells or subjects.
    """

    tensorflow: str
    device: str
    size: str
    dtype: str
    scenarios: list[str]
    families: list[str]
    settings: list[str]
    levers: list[int]
    cells: list[list[CellView | None]]
    checked: list[list[int | None]]
    sets: list[list[int | None]]
    checks: list[CheckView]
    rates: list[Rates]
    unusable: dict[int, dict[int, Unusable]]
    missing: dict[int, Missing]
    command: list[str]
    origins: list[Origin]
    sources: list[SourceView]
    verdicts: list[tuple[str, str]]
    snippets: dict[str, Snippets]
    subjects: dict[str, Subject]


Row = list[Projection | None]


def views(records: Sequence[Projection], failures: Mapping[str, Sequence[str]]) -> Iterator[View]:
    """Yield the views of one machine's newest records, the newest TensorFlow first.

    ``failures`` are the failed controls by run.
    """
    groups: dict[tuple[str, str, str, str], list[Projection]] = {}
    for record in records[::-1]:
        key = (record.tensorflow, record.device, record.size, record.dtype)
        groups.setdefault(key, []).append(record)
    for group in sorted(groups.values(), key=lambda group: group[0].release, reverse=True):
        yield _view(group[::-1], failures)


def _view(records: Sequence[Projection], failures: Mapping[str, Sequence[str]]) -> View:
    families = {record.scenario: record.family for record in records}
    names = tuple(families)
    first = records[0]
    chosen = Selection(names, first.device, first.size, first.dtype, tuple(records))
    settings = chosen.settings
    rows = [chosen.row(name) for name in names]
    cells, checks = CellViews(), CheckSets()
    shown = [
        [cells.cell(r, s) if r else None for r, s in zip(row, settings, strict=True)]
        for row in rows
    ]
    sources = Sources(rows, shown, failures)
    checked = [[checks.place(record) if record else None for record in row] for row in rows]
    subjects = Subjects(settings, rows, _rates(rows, checked, checks))
    decided = {
        name: subjects.about(places, sources.about(places))
        for name, places in _subjects(families).items()
    }
    sorted_checks, sets = checks.sorted()
    return View(
        tensorflow=first.tensorflow,
        device=first.device,
        size=first.size,
        dtype=first.dtype,
        scenarios=list(names),
        families=list(families.values()),
        settings=list(settings),
        levers=list(map(lever_count, settings)),
        cells=shown,
        checked=checked,
        sets=sets,
        checks=sorted_checks,
        rates=subjects.rates,
        unusable=_unusable(rows),
        missing=_missing(rows, names),
        command=_command(first),
        origins=cells.origins,
        sources=sources.views,
        verdicts=subjects.verdicts,
        snippets=_snippets(settings, first.seed),
        subjects=decided,
    )


def _subjects(families: Mapping[str, str]) -> dict[str, list[int]]:
    """Return the places of each subject's scenarios."""
    subjects: dict[str, list[int]] = {}
    for place, (name, family) in enumerate(families.items()):
        for subject in dict.fromkeys(("all", family, name)):
            subjects.setdefault(subject, []).append(place)
    return subjects


def _rates(
    rows: Sequence[Row], checked: Sequence[Sequence[int | None]], checks: CheckSets
) -> list[list[Rates]]:
    """Return the lowest tolerable rates of each cell."""
    return [
        [
            NEVER if r is None or place is None or r.status != "ok" else checks.rates[place]
            for r, place in zip(row, places, strict=True)
        ]
        for row, places in zip(rows, checked, strict=True)
    ]


def _unusable(rows: Sequence[Row]) -> dict[int, dict[int, Unusable]]:
    unusable: dict[int, dict[int, Unusable]] = {}
    for place, row in enumerate(rows):
        for column, record in enumerate(row):
            if record is None or record.status != "ok":
                word = record.status.replace("_", " ") if record else NOT_MEASURED
                reason = judging.unusable(record)[: 2 * LONGEST]
                unusable.setdefault(place, {})[column] = Unusable(word, reason)
    return unusable


def _missing(rows: Sequence[Row], scenarios: Sequence[str]) -> dict[int, Missing]:
    missing: dict[int, Missing] = {}
    for place, row in enumerate(rows):
        lacking = {column: lacking_scopes(record) for column, record in enumerate(row)}
        lacking = {column: scopes for column, scopes in lacking.items() if scopes}
        if lacking and is_nameable(scenarios[place]):
            known = {scope for record in row if record for scope in record.divergence}
            missing[place] = Missing(
                _in_order(known), {column: _in_order(scopes) for column, scopes in lacking.items()}
            )
    return missing


def _in_order(scopes: set[str]) -> list[str]:
    """Return the known ones of some scopes in their order."""
    return [scope for scope in ALL_SCOPES if scope in scopes]


def _command(record: Projection) -> list[str]:
    where = {"device": record.device, "size": record.size, "dtype": record.dtype}
    *words, option, out = measure_words("{scenarios}", "{settings}", "{scopes}", where, OUT)
    return [*words, "{options}", option, out]


def _snippets(settings: Sequence[str], seed: int) -> dict[str, Snippets]:
    """Return the code for each setting that this detcost knows."""
    codes = {setting: _snippets_of(setting, seed) for setting in settings}
    return {setting: code for setting, code in codes.items() if code}


@lru_cache(maxsize=4096)
def _snippets_of(setting: str, seed: int) -> Snippets | None:
    try:
        return snippets(parse(setting), seed)
    except UsageError:  # a lever that this detcost does not know
        return None
