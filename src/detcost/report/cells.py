"""Cells as the page has them: arrays, since a report may hold a million."""

from __future__ import annotations

import math

import msgspec

from detcost.evidence import schema
from detcost.outputs.severity import Severity
from detcost.report.projection import LONGEST, Projection
from detcost.tables.evidence_tables import cost_text, repeated_draws_text
from detcost.tables.followed import process_text

#: Hexadecimal digits that the page keeps of a digest. They suffice to tell outputs apart.
DIGEST = 16
#: The most curves of a cell, and points of a curve, that the page keeps of untrusted evidence.
MOST_SCOPES, MOST_POINTS = len(schema.SCOPES), 200


class Figure(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A ratio with its 95 % interval, as a text and as figures."""

    text: str
    ratio: float | None
    low: float | None
    high: float | None


class CostView(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A cost, as a text and as figures; fields as in :class:`detcost.evidence.schema.Cost`."""

    text: str
    ratio: float | None
    low: float | None
    high: float | None
    verdict: str
    why: str | None
    block_ratios: list[float]


class Origin(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The run that a cell is from; ``same_setting`` is its A/A comparison."""

    run: str
    profile: str | None
    seed: int
    commit: str | None
    same_setting: Figure | None


class Curve(msgspec.Struct, frozen=True, gc=False):
    """The process that differs first in a scope, followed over many steps.

    Attributes
    ----------
    steps
        How many steps it was followed.
    at, relative
        The steps with a known distance above zero, and these distances.
    """

    scope: str
    text: str
    steps: int
    at: list[int]
    relative: list[float]


class CellView(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A measured cell. Fields are those of evidence, in seconds and bytes.

    Attributes
    ----------
    stands_for
        The setting that was measured, if it is simpler than the one listed: the other levers
        mean nothing to the scenario.
    followed, draws
        What following it over many steps showed, and that its draws repeat.
    overridden
        What the program sets by itself, and what was left out.
    origin
        A place in the list of origins.
    """

    status: str
    reason: str | None
    stands_for: str | None
    cost: CostView | None
    first_call_seconds: float | None
    peak_memory_bytes: int | None
    device_memory_bytes: int | None
    severity: Severity | None
    accuracy: float | None
    digest: str | None
    same_bits_as_default: str | None
    carries_state: bool | None
    followed: list[Curve]
    draws: str | None
    overridden: str | None
    measured_at: str
    origin: int


class CellViews:
    """Makes cells, and collects their origins, which many cells share."""

    def __init__(self) -> None:
        """Start without cells."""
        self.origins: list[Origin] = []
        self._places: dict[tuple[object, ...], int] = {}

    def cell(self, record: Projection, setting: str) -> CellView:
        """Return the cell of a record that is listed under a setting."""
        return CellView(
            record.status,
            record.reason and record.reason[:LONGEST],
            record.setting if record.setting != setting else None,
            _cost(record.cost) if record.cost else None,
            record.first_call_seconds,
            record.peak_memory_bytes,
            record.device_memory_bytes,
            record.severity,
            record.accuracy,
            record.digest and record.digest[:DIGEST],
            record.same_bits_as_default,
            record.carries_state,
            _curves(record.following) if record.following else [],
            _draws(record.repeated_draws) if record.repeated_draws else None,
            "; ".join(record.overridden)[:LONGEST] if record.overridden else None,
            record.measured_at,
            self._origin(record),
        )

    def _origin(self, record: Projection) -> int:
        same = record.controls.same_setting if record.controls else None
        profile = record.protocol.profile if record.protocol else None
        figures = (same.ratio, same.low, same.high) if same else None
        key = (record.run_id, profile, record.seed, record.commit, figures)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.origins)
            figure = Figure(cost_text(same), *figures) if figures else None
            self.origins.append(Origin(record.run_id, profile, record.seed, record.commit, figure))
        return place


def _curves(following: schema.Following) -> list[Curve]:
    """Return a curve for each scope. Evidence is untrusted: it may have too many points."""
    curves = []
    for scope, process in list(following.by_scope().items())[:MOST_SCOPES]:
        points = zip(process.steps[:MOST_POINTS], process.relative, strict=False)
        known = [
            (step, relative)
            for step, relative in points
            if relative and 0 < relative < math.inf and 0 < step <= following.steps
        ]
        text = process_text(process, following.steps)[:LONGEST]
        at, distances = [step for step, _ in known], [relative for _, relative in known]
        curves.append(Curve(scope[:LONGEST], text, following.steps, at, distances))
    return curves


def _draws(draws: schema.RepeatedDraws) -> str:
    return repeated_draws_text(draws)[:LONGEST]


def _cost(cost: schema.Cost) -> CostView:
    return CostView(
        cost_text(cost),
        cost.ratio,
        cost.low,
        cost.high,
        cost.verdict,
        cost.why,
        cost.block_ratios,
    )
