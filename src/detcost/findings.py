"""Findings: whether a setting survives a scope, and what stands against it."""

from __future__ import annotations

import msgspec

from detcost.evidence import Comparison, Record
from detcost.profiles import PROFILES
from detcost.statistics import upper_bound_of_zero


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a setting in one scope of one scenario.

    Attributes
    ----------
    survives
        No comparison differed and the bound is not above the asked-for rate. ``None``
        where nothing was compared.
    divergent, trials, high
        Of how many comparisons the bytes differed, and the upper end of the rate's interval.
    applies
        Whether the scope means anything to the scenario. Where it does not, nothing stands
        against the setting.
    why
        What stands against it, or why the scope means nothing there.
    skipped
        Circumstances that could not be tried.
    """

    scenario: str
    scope: str
    survives: bool | None
    divergent: int = 0
    trials: int = 0
    high: float | None = None
    applies: bool = True
    why: str | None = None
    skipped: tuple[str, ...] = ()

    @property
    def stands_against(self) -> bool:
        """Whether a setting with this finding does not qualify."""
        return self.applies and not self.survives


def find(record: Record, scope: str, max_rate: float | None) -> Finding:
    """Judge a cell in one scope; ``max_rate`` is the highest tolerable bound, ``None`` any."""
    found = record.divergence.get(scope)
    if found is None or (not found.trials and not found.reason):
        skipped = tuple(found.skipped) if found else ()
        why = (
            f"not measured ({', '.join(skipped)} could not be tried)" if skipped else "not measured"
        )
        return Finding(
            scenario=record.scenario, scope=scope, survives=None, why=why, skipped=skipped
        )
    if not found.trials:
        return Finding(
            scenario=record.scenario, scope=scope, survives=None, applies=False, why=found.reason
        )
    against = _against(scope, found, max_rate)
    return Finding(
        scenario=record.scenario,
        scope=scope,
        survives=against is None,
        divergent=found.divergent,
        trials=found.trials,
        high=found.high,
        why=against,
        skipped=tuple(found.skipped),
    )


def _against(scope: str, found: Comparison, max_rate: float | None) -> str | None:
    if found.divergent:
        return f"{found.divergent} of {found.trials} differed"
    if max_rate is None or (found.high is not None and found.high <= max_rate):
        return None
    bound = percent(found.high)
    said = f"0 of {found.trials} differed, which bounds the rate at {bound}"
    return f"{said}; {_tighter(scope, max_rate)}"


def _tighter(scope: str, max_rate: float) -> str:
    """Say which profile bounds a clean cell's rate as asked."""
    for profile in PROFILES.values():
        bound = upper_bound_of_zero(profile.trials_in(scope))
        if bound is not None and bound <= max_rate:
            return f"--profile {profile.name} would bound it at {percent(bound)}"
    return f"no profile bounds it at {percent(max_rate)}"


def percent(rate: float | None) -> str:
    """Write a rate: ``1.0 %``, ``14 %``, ``0.0095 %``."""
    return f"{hundredths(rate)} %"


def hundredths(rate: float | None) -> str:
    """Write a rate in per cent, without the sign: ``1.0``, ``14``, ``?`` if it is unknown."""
    if rate is None:
        return "?"
    figure = 100 * rate
    return f"{figure:.2g}" if figure < 10 else f"{figure:.0f}"
