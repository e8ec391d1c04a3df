"""Findings: whether a setting survives a scope, and what stands against it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import msgspec

from detcost.evidence.schema import OWN_SCOPES, Comparison, Record
from detcost.experiment.profiles import PROFILES
from detcost.intervals import upper_bound_of_zero

#: Of a cell whose outputs move on from call to call, and in which every call agreed.
CARRIES_STATE = "carries state, its sequence repeats"
#: What parentheses around a count mean.
ANYWAY = (
    "(k/n): the bits differ in repeat or process already, "
    "so this count says nothing about the scope"
)
#: Of costs that :attr:`detcost.evidence.schema.Record.cold` says are cold.
COLD = (
    "cost: of steps after idleness, as detcost measured before schema 3; "
    "two threads or XLA may come out 5–15 % off"
)

#: No profile bounds a clean cell's rate as asked.
NO_PROFILE = "no profile bounds it at {rate}"
#: A setting or a scope that was not measured in a scenario.
NOT_MEASURED = "not measured"


class ScopeCheck(msgspec.Struct, frozen=True, kw_only=True):
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
        Conditions that could not be tried.
    anyway
        Whether the bits differ in ``repeat`` or ``process`` already, so that this count says
        nothing about the scope.
    note
        What is to be known of the count: that the cell carries state.
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
    anyway: bool = False
    note: str | None = None

    @property
    def disqualifies(self) -> bool:
        """Whether a setting with this finding does not qualify."""
        return self.applies and not self.survives


def lowest_rate(found: Comparison | None) -> float | None:
    """Return the lowest tolerable divergence rate that a count meets.

    0 if the scope means nothing to the cell, so that nothing disqualifies. ``None`` if no rate
    does: a comparison differed, or none was made. Infinite if only a question that takes any
    bound does: the count is clean, and its bound is unknown.
    """
    if found is None or not found.trials:
        return 0.0 if found and found.reason else None
    if found.divergent:
        return None
    return math.inf if found.high is None else max(found.high, sys.float_info.min)


def check_scope(record: Record, scope: str, max_rate: float | None) -> ScopeCheck:
    """Judge a cell in one scope; ``max_rate`` is the highest tolerable bound, ``None`` any."""
    found = record.divergence.get(scope)
    if found is None or not found.trials:
        return _not_compared(record.scenario, scope, found)
    against = _against(record, scope, found, max_rate)
    return ScopeCheck(
        scenario=record.scenario,
        scope=scope,
        survives=against is None,
        divergent=found.divergent,
        trials=found.trials,
        high=found.high,
        why=against,
        skipped=tuple(found.skipped),
        anyway=differs_anyway(record, scope),
        note=CARRIES_STATE if repeats_its_sequence(record, scope) else None,
    )


def _not_compared(scenario: str, scope: str, found: Comparison | None) -> ScopeCheck:
    if found and found.reason:
        return ScopeCheck(
            scenario=scenario, scope=scope, survives=None, applies=False, why=found.reason
        )
    skipped = tuple(found.skipped) if found else ()
    tried = f" ({', '.join(skipped)} could not be tried)" if skipped else ""
    why = f"{NOT_MEASURED}{tried}"
    return ScopeCheck(scenario=scenario, scope=scope, survives=None, why=why, skipped=skipped)


def differs_anyway(record: Record, scope: str) -> bool:
    """Return whether what differed in a scope is no news of it, since the cell differs anyway."""
    found = record.divergence.get(scope)
    return bool(found and found.divergent and record.races_anyway(scope))


def repeats_its_sequence(record: Record, scope: str) -> bool:
    """Return whether the cell carries state, and this is the scope that saw its calls agree."""
    found = record.divergence.get(scope)
    counted = found and found.trials and not found.divergent
    return bool(scope == "repeat" and record.carries_state and counted)


def count_text(record: Record, scope: str) -> str:
    """Write of how many comparisons the bits differed: ``6/6``, or ``(6/6)`` if they do anyway."""
    found = record.divergence[scope]
    count = f"{found.divergent}/{found.trials}"
    return f"({count})" if differs_anyway(record, scope) else count


def first_call_text(found: Comparison) -> str | None:
    """Say which call of a cell that carries state is the first to differ."""
    return None if found.first_call is None else f"first differs at call {found.first_call}"


def _against(record: Record, scope: str, found: Comparison, max_rate: float | None) -> str | None:
    if differs_anyway(record, scope):
        own = (each for each in OWN_SCOPES if each in record.divergence)
        return f"differs in {next(s for s in own if record.divergence[s].divergent)} already"
    lowest = lowest_rate(found)
    if lowest is None:
        counted = f"{found.divergent} of {found.trials} differed"
        return "; ".join(filter(None, (counted, first_call_text(found))))
    if max_rate is None or lowest <= max_rate:
        return None
    return f"{bound_text(found)}; {_tighter(scope, max_rate)}"


def bound_text(found: Comparison) -> str:
    """Say what a clean count allows to be said of the rate."""
    return f"0 of {found.trials} differed, which bounds the rate at {percent(found.high)}"


def _tighter(scope: str, max_rate: float) -> str:
    """Say which profile bounds a clean cell's rate as asked."""
    for bound, advice in profile_bounds(scope):
        if bound <= max_rate:
            return advice
    return NO_PROFILE.format(rate=percent(max_rate))


def profile_bounds(scope: str) -> Iterator[tuple[float, str]]:
    """Yield the bound that each profile gives a clean cell's rate, and the advice to use it."""
    for profile in PROFILES.values():
        bound = upper_bound_of_zero(profile.trials_in(scope))
        if bound is not None:
            yield bound, f"--profile {profile.name} would bound it at {percent(bound)}"


def percent(rate: float | None) -> str:
    """Write a rate: ``1.0 %``, ``14 %``, ``0.0095 %``."""
    return f"{hundredths(rate)} %"


def hundredths(rate: float | None) -> str:
    """Write a rate in per cent, without the sign: ``1.0``, ``14``, ``?`` if it is unknown."""
    if rate is None:
        return "?"
    figure = 100 * rate
    return f"{figure:.2g}" if figure < 10 else f"{figure:.0f}"
