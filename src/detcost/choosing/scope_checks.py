"""Scope checks: whether a setting survives a scope, and the reason if it does not."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from detcost.evidence.schema import DERIVED_SCOPES, OWN_SCOPES, Comparison, Divergence, Record
from detcost.experiment.profiles import PROFILES
from detcost.intervals import upper_bound_of_zero

#: The note on a cell whose outputs change from call to call, and equally in every process.
CARRIES_STATE = "carries state, its sequence repeats"
#: The meaning of parentheses around a count.
ANYWAY = (
    "(k/n): the bits differ in repeat or process already, "
    "so this count is no evidence about the scope"
)
#: The note on costs that are cold: see :attr:`detcost.evidence.schema.Record.cold`.
COLD = (
    "cost: of steps after idleness, as detcost measured before schema 3; "
    "with two threads or XLA it may be 5–15 % off"
)
#: The advice if no profile measures enough for the rate.
NO_PROFILE = "no profile bounds it at {rate}"
#: The reason if a scenario has no record of a setting or a scope.
NOT_MEASURED = "not measured"
#: What a derived scope compares.
PLURAL: dict[str, str] = {"machine": "machines", "version": "versions"}
#: Numbers of machines or versions that advice names.
FLEETS = (3, 5, 10, 20, 30, 60, 100, 300, 1000, 3000, 10000)
#: Where else a cell must be measured for a scope that no machine can measure alone.
ELSEWHERE = {"machine": "on another machine", "version": "with another TensorFlow"}


class ScopeCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The check of one setting in one scope of one scenario.

    Attributes
    ----------
    survives
        No comparison differed, and the bound is at most the highest tolerable rate. If the
        scenario expects its outputs to vary: they did. ``None`` if nothing was compared.
    divergent, trials, high
        The comparisons that differed, all comparisons, and the upper end of the rate's interval.
    applies
        Whether the scope means anything to the scenario. If not, the scope disqualifies no
        setting.
    why
        The reason why the setting does not survive, or why the scope does not apply.
    skipped
        Conditions that could not be tried.
    anyway
        Whether the bits already differ in ``repeat`` or ``process``, so that this count is no
        evidence about the scope.
    note
        Set if the cell carries state.
    where
        The machine, or the version of TensorFlow, if the answer is for several of them.
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
    where: str | None = None

    @property
    def disqualifies(self) -> bool:
        """Whether this check keeps its setting from qualifying."""
        return self.applies and not self.survives


def lowest_rate(record: Record, scope: str) -> float | None:
    """Return the lowest tolerable divergence rate that the count of a scope meets.

    0 if the scope means nothing to the cell, so that nothing disqualifies, or if the scenario
    expects its outputs to vary and they did. ``None`` if no rate does: a comparison differed, or
    none was made. Infinite if only a question that takes any bound does: the count is clean, and
    its bound is unknown.
    """
    comparison = record.divergence.get(scope)
    if comparison is None or not comparison.trials:
        return 0.0 if comparison and comparison.reason else None
    if record.expect == "varies":
        return 0.0 if comparison.divergent or record.draws_anew else None
    if comparison.divergent:
        return None
    return math.inf if comparison.high is None else max(comparison.high, sys.float_info.min)


def check_scope(record: Record, scope: str, max_rate: float | None) -> ScopeCheck:
    """Check a cell in one scope.

    ``max_rate`` is the highest tolerable bound on the rate. ``None`` accepts any bound.
    """
    comparison = record.divergence.get(scope)
    if comparison is None or not comparison.trials:
        return _not_compared(record.scenario, scope, comparison)
    why = _why_not(record, scope, comparison, max_rate)
    return ScopeCheck(
        scenario=record.scenario,
        scope=scope,
        survives=why is None,
        divergent=comparison.divergent,
        trials=comparison.trials,
        high=comparison.high,
        why=why,
        skipped=tuple(comparison.skipped),
        anyway=differs_anyway(record, scope),
        note=CARRIES_STATE if repeats_its_sequence(record, scope) else None,
    )


def _not_compared(scenario: str, scope: str, comparison: Comparison | None) -> ScopeCheck:
    if comparison and comparison.reason:
        return ScopeCheck(
            scenario=scenario, scope=scope, survives=None, applies=False, why=comparison.reason
        )
    skipped = tuple(comparison.skipped) if comparison else ()
    tried = f" ({', '.join(skipped)} could not be tried)" if skipped else ""
    why = f"{not_measured(scope)}{tried}"
    return ScopeCheck(scenario=scenario, scope=scope, survives=None, why=why, skipped=skipped)


def not_measured(scope: str) -> str:
    """Write that a scope was not measured, or for a derived scope where else it was not."""
    return f"{NOT_MEASURED} {ELSEWHERE[scope]}" if scope in ELSEWHERE else NOT_MEASURED


def differs_anyway(record: Record, scope: str) -> bool:
    """Return whether a scope's count is no evidence about it, because the cell races."""
    comparison = record.divergence.get(scope)
    expected = record.expect == "varies"
    return bool(comparison and comparison.divergent and record.races_anyway(scope)) and not expected


def repeats_its_sequence(record: Record, scope: str) -> bool:
    """Return whether the cell carries state, and ``scope`` is ``repeat`` and saw no difference."""
    comparison = record.divergence.get(scope)
    clean = comparison and comparison.trials and not comparison.divergent
    return bool(scope == "repeat" and record.carries_state and clean)


def count_text(record: Record, scope: str) -> str:
    """Write how many comparisons differed: ``6/6``, or ``(6/6)`` if the cell races."""
    comparison = record.divergence[scope]
    count = f"{comparison.divergent}/{comparison.trials}"
    return f"({count})" if differs_anyway(record, scope) else count


def first_call_text(comparison: Comparison) -> str | None:
    """Write which call of a cell that carries state is the first to differ."""
    call = comparison.first_call
    return None if call is None else f"first differs at call {call}"


def groups_of_names(alike: Iterable[Sequence[str]], races: Sequence[str]) -> str:
    """Write which machines agree, and which race: ``intel, arm | amd | old (races)``."""
    groups = [", ".join(names) for names in alike]
    return " | ".join([*groups, *(f"{', '.join(races)} (races)" for _ in races[:1])])


def groups_text(comparison: Comparison) -> str:
    """Write which machines or versions agree: ``intel, arm | amd``. Empty if it is not known."""
    if isinstance(comparison, Divergence):
        return " | ".join(variant.label for variant in comparison.variants)
    return getattr(comparison, "partition", "")  # as the page has it


def _why_not(
    record: Record, scope: str, comparison: Comparison, max_rate: float | None
) -> str | None:
    if record.expect == "varies":
        return _why_never_changed(record, scope, comparison)
    if differs_anyway(record, scope):
        own = (name for name in OWN_SCOPES if name in record.divergence)
        return f"differs in {next(s for s in own if record.divergence[s].divergent)} already"
    lowest = lowest_rate(record, scope)
    if lowest is None:
        count = f"{comparison.divergent} of {comparison.trials} differed"
        groups = groups_text(comparison) if scope in DERIVED_SCOPES else None
        return "; ".join(filter(None, (count, first_call_text(comparison), groups)))
    if max_rate is None or lowest <= max_rate:
        return None
    return f"{bound_text(comparison)}; {_tighter(scope, max_rate)}"


def _why_never_changed(record: Record, scope: str, comparison: Comparison) -> str | None:
    """Write why a scenario that expects its outputs to vary does not qualify.

    Its outputs vary if they differ in the scope. A cell that carries state also varies if no two
    of its calls gave the same outputs, although every process repeats the sequence.
    """
    if lowest_rate(record, scope) is not None:
        return None
    expected = "and the scenario expects them to vary"
    if record.sequence:
        outputs, calls = len(set(record.sequence)), len(record.sequence)
        return f"draws repeat: {outputs} different outputs in {calls} calls, {expected}"
    return f"draws never changed: 0 of {comparison.trials} differed, {expected}"


def is_unexpected(record: Record, scope: str) -> bool:
    """Return whether a count, of one comparison or more, is not what the scenario expects."""
    comparison = record.divergence.get(scope)
    if comparison is None or not comparison.trials:
        return False
    if record.expect == "varies":
        return lowest_rate(record, scope) is None
    return bool(comparison.divergent) and not differs_anyway(record, scope)


def bound_text(comparison: Comparison) -> str:
    """Write the bound that a clean count gives."""
    return f"0 of {comparison.trials} differed, which bounds the rate at {percent(comparison.high)}"


def _tighter(scope: str, max_rate: float) -> str:
    """Write what would bound a clean cell's rate at ``max_rate`` or less."""
    for bound, advice in bounds(scope):
        if bound <= max_rate:
            return advice
    return NO_PROFILE.format(rate=percent(max_rate))


def bounds(scope: str) -> Iterator[tuple[float, str]]:
    """Yield bounds of a clean cell's rate, each with the advice on how to get it.

    It is a profile, or in a derived scope the number of machines or versions.
    """
    if scope in PLURAL:
        ways = {f"{count} {PLURAL[scope]} that agree": count - 1 for count in FLEETS}
    else:
        ways = {f"--profile {own.name}": own.trials_in(scope) for own in PROFILES.values()}
    for way, trials in ways.items():
        bound = upper_bound_of_zero(trials)
        if bound is not None:
            yield bound, f"{way} would bound it at {percent(bound)}"


def percent(rate: float | None) -> str:
    """Write a rate: ``1 %``, ``14 %``, ``0.0095 %``."""
    return f"{hundredths(rate)} %"


def hundredths(rate: float | None) -> str:
    """Write a rate in per cent, without the sign: ``1``, ``14``, ``?`` if it is unknown."""
    if rate is None:
        return "?"
    figure = 100 * rate
    return f"{figure:.2g}" if figure < 10 else f"{figure:.0f}"
