"""The plan of a guard: how many comparisons it makes, and which rate they would find."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import msgspec

from detcost import intervals
from detcost.choosing.question import Question
from detcost.choosing.scope_checks import percent
from detcost.experiment import profiles
from detcost.experiment.profiles import PROFILES, Profile

#: The fewest calls of each process: two of them are compared with a first one.
FEWEST_CALLS = 3


class GuardPlan(msgspec.Struct, frozen=True):
    """What a guard compares. It is fixed before the first process starts.

    Attributes
    ----------
    scopes
        The scopes that are asked about.
    rate
        The divergence rate that every scope finds with a probability of 95 %. ``None`` leaves the
        number of comparisons to the profile.
    profile
        How many processes are compared, and how many calls of each. Nothing is timed.
    """

    scopes: tuple[str, ...]
    rate: float | None
    profile: Profile

    def trials_in(self, scope: str) -> int:
        """Return the minimum number of comparisons in a scope."""
        return self.profile.trials_in(scope)

    @property
    def promise(self) -> str:
        """The comparisons of each scope, and the rate that they find with 95 %."""
        return "; ".join(
            f"{scope}: at least {self.trials_in(scope)} comparisons, which find a rate of "
            f"{percent(intervals.upper_bound_of_zero(self.trials_in(scope)))} with 95 %"
            for scope in self.scopes
        )


def trials_for(rate: float) -> int:
    """Return the smallest number of comparisons that finds a rate with a probability of 95 %.

    If none of so many comparisons differs, the 95 % bound is at most ``rate``. So a rate of 0.05
    needs 59 comparisons, and one of 0.01 needs 299.

    Parameters
    ----------
    rate
        Above 0, and at most 1.
    """
    if rate >= intervals.CONFIDENCE:
        return 1
    trials = math.ceil(math.log(1 - intervals.CONFIDENCE) / math.log1p(-rate))
    bound = intervals.upper_bound_of_zero(trials)
    return trials if bound is not None and bound <= rate else trials + 1


def plan(scopes: str | Sequence[str], rate: float | None, profile: str | None) -> GuardPlan:
    """Plan the comparisons of a guard.

    Some processes run perturbed, so that a rare divergence appears sooner. They come on top of the
    comparisons that the rate needs.

    Parameters
    ----------
    scopes
        The scopes that are asked about.
    rate
        See :attr:`GuardPlan.rate`.
    profile
        The profile with the fewest processes, calls and trials to compare. ``None`` is the value
        of ``DETCOST_PROFILE``, or ``quick``.

    Raises
    ------
    UsageError
        For an unknown scope or profile, no scope, or a rate that is not above 0 and at most 1.
    """
    names = (scopes,) if isinstance(scopes, str) else tuple(scopes)
    survive = Question(survive=names, max_rate=rate).survive
    base = _profile(profile)
    needed = trials_for(rate) if rate is not None else 0
    unperturbed = base.processes - base.perturbed
    if "process" in survive:
        unperturbed = max(unperturbed, needed)
    calls = base.calls
    if "repeat" in survive:
        # The first process of each Python may be only a reference.
        calls = max(calls, 1 + math.ceil(needed / (unperturbed + 1 - base.pythons)))
    planned = msgspec.structs.replace(
        base,
        processes=unperturbed + base.perturbed,
        calls=calls,
        trials=max(base.trials, needed),
        scopes=survive,
    )
    return GuardPlan(survive, rate, planned)


def _profile(name: str | None) -> Profile:
    if name is None and not os.environ.get(profiles.VARIABLE):
        name = "quick"
    found = profiles.find(name) if name else profiles.from_environment()
    if found == PROFILES["quick"]:  # whose calls are for a program with few processes
        return msgspec.structs.replace(found, calls=FEWEST_CALLS)
    return found
