"""The page's section "Which operation": what ``locate`` found in the cells of the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from detcost.evidence.reading import Problem
from detcost.locating import keeping
from detcost.locating.schema import Location
from detcost.report.machines import MOST_ROWS, Card
from detcost.report.projection import LONGEST
from detcost.tables import located

#: The most characters of a text. The code of a remedy must not be cut off.
_LONGEST = 4000


class LocatedView(msgspec.Struct, frozen=True):
    """A location in words, and the cell in which it was found.

    ``account`` has the fields of :class:`detcost.tables.located.Account`.
    """

    machine: str
    tensorflow: str
    scenario: str
    setting: str
    device: str
    size: str
    dtype: str
    scope: str
    located_at: str
    account: Any


def read(results: Path, cards: Iterable[Card]) -> tuple[list[LocatedView], list[Problem]]:
    """Return what was found on the machines that the page has, the newest first.

    It lies in a folder of results. Locations of other machines are problems, because the page has
    no place for them.
    """
    if not results.is_dir():
        return [], []
    locations, problems = keeping.read(results)
    machines = {card.name for card in cards}
    views = sorted(map(_view, locations), key=lambda view: view.located_at, reverse=True)
    problems += _homeless(results, views, machines)
    return [view for view in views if view.machine in machines][:MOST_ROWS], problems


def _homeless(folder: Path, views: Sequence[LocatedView], machines: set[str]) -> Iterator[Problem]:
    for name in dict.fromkeys(view.machine for view in views):
        if name not in machines:
            why = f"locate ran on {name}, and no evidence of that machine is here"
            yield Problem(str(folder), None, why)


def _view(location: Location) -> LocatedView:
    return LocatedView(
        machine=str(location.machine.get("name"))[:LONGEST],
        tensorflow=location.versions.get("tensorflow") or "unknown",
        scenario=location.scenario,
        setting=location.setting,
        device=location.device,
        size=location.size,
        dtype=location.dtype,
        scope=location.scope,
        located_at=location.located_at,
        account=_bounded(msgspec.to_builtins(located.account(location))),
    )


def _bounded(value: Any) -> Any:
    """Return an untrusted description with texts and lists of bounded length."""
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, dict):
        return {name: _bounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(each) for each in value[:MOST_ROWS]]
    return value
