"""What ``locate`` counted, as records of evidence: the cell, and the settings tried as remedies."""

from __future__ import annotations

from collections.abc import Iterator

from detcost.evidence.results import Divergence
from detcost.evidence.schema import SCOPES, Evidence
from detcost.locating.schema import Location, Rate, Remedy


def records(location: Location, run_id: str) -> list[Evidence]:
    """Return a record of the cell without the probe, and of every setting tried on the whole step.

    A remedy's cost is relative to the step as it is, so only remedies of ``default`` are records.
    A location that comes from a comparison with a file has no scope to count in.
    """
    own = [_record(location, run_id, location.setting, location.unprobed or location.probed)]
    if location.setting != "default":
        return own
    return own + [
        _record(location, run_id, remedy.name, remedy.whole, remedy)
        for remedy in _settings(location)
        if remedy.whole
    ]


def _settings(location: Location) -> Iterator[Remedy]:
    known = {remedy.name: remedy for each in location.culprits for remedy in each.remedies}
    yield from (remedy for remedy in known.values() if remedy.kind == "setting")


def _record(
    location: Location, run_id: str, setting: str, rate: Rate, remedy: Remedy | None = None
) -> Evidence:
    return Evidence(
        run_id=run_id,
        measured_at=location.located_at,
        scenario=location.scenario,
        family=location.scenario.partition(":")[0],
        setting=setting,
        device=location.device,
        size=location.size,
        dtype=location.dtype,
        seed=location.seed,
        status="ok",
        cost=remedy.cost if remedy else None,
        divergence={location.scope: _counted(rate)} if location.scope in SCOPES else {},
        machine=dict(location.machine),
        versions={name: version for name, version in location.versions.items() if version},
    )


def _counted(rate: Rate) -> Divergence:
    share = rate.divergent / rate.trials if rate.trials else None
    distinct = 1 + (rate.divergent > 0)  # at least: locate counts differences, not outputs
    return Divergence(rate.divergent, rate.trials, share, rate.low, rate.high, distinct)
