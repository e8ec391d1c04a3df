"""A fleet: the cells of a question at every platform that one answer is for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import msgspec

from detcost.choosing.across import CHANGES, Across, Platform, by_platform, cells_of
from detcost.choosing.question import (
    Question,
    Selection,
    select,
    simplest_first,
)
from detcost.evidence.reading import latest
from detcost.evidence.schema import DERIVED_SCOPES, Record

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Fleet(Generic[R]):
    """Selections of the same scenarios, by platform: one unless the question asks for several.

    Records have the comparisons of the derived scopes.
    """

    selections: dict[Platform, Selection[R]]

    @property
    def first(self) -> Selection[R]:
        """The first selection. It has the scenarios, device, size and type of all."""
        return next(iter(self.selections.values()))

    @property
    def is_single(self) -> bool:
        """Whether the answer is for one machine with one version of TensorFlow."""
        return len(self.selections) == 1

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """Every setting measured at some platform, the simplest first."""
        names = {name for chosen in self.selections.values() for name in chosen.settings}
        return tuple(sorted(names, key=simplest_first))

    @property
    def records(self) -> list[R]:
        """The records of all platforms."""
        return [record for chosen in self.selections.values() for record in chosen.records]

    def rows(self, platform: Platform | None = None) -> list[list[R | None]]:
        """Return the records of each scenario at each platform, or at one: one for each setting."""
        chosen = self.selections.values() if platform is None else [self.selections[platform]]
        return [
            [one.record(scenario, setting) for setting in self.settings]
            for one in chosen
            for scenario in one.scenarios
        ]

    def spans(self, scope: str) -> bool:
        """Whether the fleet has several machines, or several versions, as the scope compares."""
        changed, _ = CHANGES[scope]
        return len(set(map(changed, self.selections))) > 1

    def name(self, platform: Platform) -> str:
        """Return the name of a platform: only what tells it from the others."""
        version = f"TensorFlow {platform.tensorflow}"
        if not self.spans("version"):
            return platform.machine
        return f"{platform.machine}, {version}" if self.spans("machine") else version

    def name_without(self, scope: str, platform: Platform) -> str | None:
        """Return the part of a name that a derived scope does not change, if the fleet has it."""
        other = "version" if scope == "machine" else "machine"
        if not self.spans(other):
            return None
        return platform.machine if scope == "version" else f"TensorFlow {platform.tensorflow}"


def select_fleet(records: Iterable[R], question: Question) -> Fleet[R]:
    """Return the records that a question asks for, at every platform that it asks for.

    They have the comparisons with every other platform of the evidence.

    Raises
    ------
    UsageError
        For a name that is not in the evidence.
    """
    newest = latest(records)
    chosen = select(newest, question)
    known = Across()
    everywhere = by_platform(record for record in newest if _is_of(record, chosen))
    for platform, own in everywhere.items():
        known.add(platform, dict(cells_of(_of(chosen, own))))
    return Fleet(
        {
            platform: _compared(platform, _of(chosen, own), known)
            for platform, own in by_platform(chosen.records).items()
        }
    )


def _is_of(record: Record, chosen: Selection[R]) -> bool:
    """Return whether a record is of a scenario, device, size and type of a selection."""
    _, _, *where = record.cell
    return record.scenario in chosen.scenarios and where == [
        *(chosen.device, chosen.size, chosen.dtype)
    ]


def _of(chosen: Selection[R], records: Sequence[R]) -> Selection[R]:
    return dataclasses.replace(chosen, records=tuple(records))


def _compared(platform: Platform, chosen: Selection[R], known: Across) -> Selection[R]:
    """Return a selection whose records have the comparisons of the derived scopes."""
    return _of(chosen, [with_comparisons(record, platform, known) for record in chosen.records])


def with_comparisons(record: R, platform: Platform, known: Across) -> R:
    """Return a record with the comparisons of the derived scopes."""
    derived = known.comparisons(platform, record.cell)
    measured = {s: c for s, c in record.divergence.items() if s not in DERIVED_SCOPES}
    return msgspec.structs.replace(record, divergence={**measured, **derived})
