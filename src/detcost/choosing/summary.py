"""A summary of settings: what each costs, and in how many scenarios its bits stay."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from detcost.choosing.question import Question, Selection, select
from detcost.choosing.scope_checks import check_scope
from detcost.comparison import contrasts
from detcost.evidence.schema import SCOPES, Evidence


class CostRange(msgspec.Struct, frozen=True):
    """The cost of a setting over scenarios.

    Attributes
    ----------
    mean
        The geometric mean of the scenarios' costs. Every scenario has the same weight.
    low, high
        The lowest and the highest cost of a scenario.
    scenarios
        How many scenarios have a cost.
    """

    mean: float
    low: float
    high: float
    scenarios: int


class Share(msgspec.Struct, frozen=True):
    """In how many scenarios the bits stay, of those in which a scope was compared.

    ``applies`` is ``False`` where the scope means nothing to any of the scenarios.
    """

    stays: int
    compared: int
    applies: bool = True


class SettingSummary(msgspec.Struct, frozen=True):
    """A setting over all scenarios.

    Attributes
    ----------
    cost
        ``None`` where no scenario has a cost.
    shares
        By scope.
    left_out
        How many scenarios have no result under this setting, by the reason.
    """

    setting: str
    cost: CostRange | None
    shares: dict[str, Share]
    left_out: dict[str, int]


class Summary(msgspec.Struct, frozen=True):
    """The settings of one device, the simplest first, and the records they were taken from."""

    scenarios: tuple[str, ...]
    device: str
    settings: tuple[SettingSummary, ...]
    records: tuple[Evidence, ...]


def summarise(records: Iterable[Evidence], question: Question) -> Summary:
    """Summarise every setting measured over the scenarios of a question.

    Cells are taken and judged as :func:`detcost.choosing.answers.choose` does. Where a lever
    means nothing to a scenario, the cell without it counts. The scopes and the rate of the
    question are not used: every scope is judged, at any rate.

    Raises
    ------
    UsageError
        Where the evidence does not hold what is asked about.
    """
    selection = select(records, question)
    costs = _costs(selection)
    summaries = (
        SettingSummary(
            setting,
            _cost_range(costs[:, place]),
            {scope: _share(selection, setting, scope) for scope in SCOPES},
            _left_out(selection, setting),
        )
        for place, setting in enumerate(selection.settings)
    )
    return Summary(selection.scenarios, selection.device, tuple(summaries), selection.records)


def _costs(selection: Selection[Evidence]) -> contrasts.Array:
    """Return the cost of every scenario (row) under every setting (column); NaN is unknown."""
    settings = selection.settings
    default = settings.index("default") if "default" in settings else None
    rows = [selection.row(scenario) for scenario in selection.scenarios]
    return contrasts.between(rows).ratios(default)[..., 0]


def _cost_range(costs: contrasts.Array) -> CostRange | None:
    known = costs[~np.isnan(costs)].tolist()
    if not known:
        return None
    mean = math.exp(math.fsum(map(math.log, known)) / len(known))
    return CostRange(mean, min(known), max(known), len(known))


def _share(selection: Selection[Evidence], setting: str, scope: str) -> Share:
    measured = [r for r in _row(selection, setting) if r and r.status == "ok"]
    checks = [check_scope(record, scope, None) for record in measured]
    compared = [check for check in checks if check.trials]
    return Share(
        stays=sum(bool(check.survives) for check in compared),
        compared=len(compared),
        applies=not checks or any(check.applies for check in checks),
    )


def _left_out(selection: Selection[Evidence], setting: str) -> dict[str, int]:
    statuses = [r.status if r else "not_measured" for r in _row(selection, setting)]
    return dict(Counter(status for status in statuses if status != "ok"))


def _row(selection: Selection[Evidence], setting: str) -> Sequence[Evidence | None]:
    return [selection.record(scenario, setting) for scenario in selection.scenarios]
