"""History: the same cells in earlier runs and on other machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from detcost.choosing.scope_checks import count_text
from detcost.evidence.schema import OWN_SCOPES, Record
from detcost.report.cells import DIGEST
from detcost.tables.evidence_tables import cost_text


class Observation(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One cell in one run: its cost, its bits, and the scopes in which bits differed."""

    status: str
    text: str
    verdict: str
    ratio: float | None
    low: float | None
    high: float | None
    digest: str | None
    diverged: list[str]


class Observations(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One scenario on one device in one run: an observation for each setting.

    ``races`` names the settings whose bits differ from run to run. They agree with no others.
    """

    measured_at: str
    tensorflow: str
    commit: str | None
    device: str
    size: str
    dtype: str
    seed: int
    settings: dict[str, Observation]
    races: list[str]


class Change(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A difference between the last run of a cell and the run before it."""

    scenario: str
    setting: str
    device: str
    size: str
    dtype: str
    what: str
    before: str
    after: str
    measured_before: str
    measured_after: str


def observations(records: Iterable[Record]) -> dict[str, list[Observations]]:
    """Return the observations of one machine by scenario, the oldest run first."""
    by_scenario: dict[str, dict[tuple[str, ...], Observations]] = {}
    for record in records:
        runs = by_scenario.setdefault(record.scenario, {})
        key = (record.run_id, record.device, record.size, record.dtype)
        if key not in runs:
            runs[key] = Observations(
                measured_at=record.measured_at,
                tensorflow=record.tensorflow,
                commit=record.commit,
                device=record.device,
                size=record.size,
                dtype=record.dtype,
                seed=record.seed,
                settings={},
                races=[],
            )
        run = runs[key]
        observation = run.settings[record.setting] = _observation(record)
        if observation.diverged and record.races:
            run.races.append(record.setting)
    return {scenario: list(runs.values()) for scenario, runs in by_scenario.items()}


def _observation(record: Record) -> Observation:
    cost = record.cost
    return Observation(
        status=record.status,
        text=cost_text(cost),
        verdict=cost.verdict if cost else "ambiguous",
        ratio=cost.ratio if cost else None,
        low=cost.low if cost else None,
        high=cost.high if cost else None,
        digest=record.digest and record.digest[:DIGEST],
        diverged=_diverged(record),
    )


def changes(records: Sequence[Record]) -> Iterator[Change]:
    """Yield the changes of each cell of one machine between its last two runs.

    A cost changed if the two intervals do not overlap. Bits changed if the digests of one seed
    differ and the bits race in neither run.
    """
    earlier: dict[tuple[str, ...], Record] = {}
    last: dict[tuple[str, ...], Record] = {}
    for record in records:
        cell = record.cell
        if cell in last:
            earlier[cell] = last[cell]
        last[cell] = record
    for cell, before in earlier.items():
        after = last[cell]
        for what, was, now in _differences(before, after):
            times = (before.measured_at, after.measured_at)
            yield Change(cell[0], cell[1], cell[2], cell[3], cell[4], what, was, now, *times)


def _differences(before: Record, after: Record) -> Iterator[tuple[str, str, str]]:
    if before.tensorflow != after.tensorflow:
        yield "TensorFlow", before.tensorflow, after.tensorflow
    if before.status != after.status:
        yield "status", before.status, after.status
    if _apart(before, after):
        yield "cost", _cost(before), _cost(after)
    for scope in before.divergence.keys() & after.divergence.keys():
        was, now = (bool(record.divergence[scope].divergent) for record in (before, after))
        if was != now:
            yield scope, count_text(before, scope), count_text(after, scope)
    same_inputs = before.seed == after.seed
    if same_inputs and before.digest != after.digest and not (before.races or after.races):
        yield "bits", _short(before), _short(after)


def _apart(before: Record, after: Record) -> bool:
    if before.cost is None or after.cost is None or before.setting == "default":
        return False
    ends = (before.cost.low, before.cost.high, after.cost.low, after.cost.high)
    if any(end is None for end in ends):
        return False
    low, high, other_low, other_high = ends
    return bool(high < other_low or other_high < low)  # type: ignore[operator]  # none is None


def _diverged(record: Record) -> list[str]:
    """Return the scopes in which bits differed; for a cell that races, only ``OWN_SCOPES``."""
    differed = [scope for scope, count in record.divergence.items() if count.divergent]
    own = [scope for scope in differed if scope in OWN_SCOPES]
    return own or differed


def _cost(record: Record) -> str:
    return cost_text(record.cost)


def _short(record: Record) -> str:
    return (record.digest or "none")[:8]
