"""The plan for a program: the settings worth measuring, and how much of it fits into a time."""

from __future__ import annotations

import os
from dataclasses import dataclass

import msgspec

from detcost.experiment.profiles import PROFILES, Profile
from detcost.experiment.request import Request
from detcost.scenarios.registry import Kind, is_external
from detcost.settings import grammar
from detcost.settings.grammar import DEFAULT, Setting
from detcost.workers.contract import Traits

#: Seconds for a program of a user's, if nothing else is asked for: with a step of up to
#: :data:`LONG` seconds, and with a longer one.
USUAL_SECONDS, USUAL_SECONDS_LONG = 150.0, 330.0
LONG = 0.05
#: Share of the time for blocks. The other share is for the trials.
BLOCKS_SHARE = 0.75
#: Seconds to start a worker, beside what the program takes.
START_SECONDS = 0.2
#: XLA compiles before the first call. It then takes about this many first calls more.
XLA_FIRST_CALLS = 2.0
#: How much faster two workers run side by side on two cores than one after the other.
SPEED_UP = 0.7

#: Blocks, rounds, calls, processes, perturbed processes: how much to measure, from little to much.
_STEPS = (
    (3, 2, 3, 3, 1),
    (3, 3, 5, 4, 1),
    (4, 4, 8, 5, 1),
    (5, 5, 13, 6, 2),
    (7, 8, 13, 10, 3),
    (10, 12, 18, 15, 4),
    (20, 12, 18, 20, 5),
    (40, 12, 18, 30, 8),
)


@dataclass(frozen=True)
class ProgramPlan:
    """What is measured of one program on one device.

    Attributes
    ----------
    scenario, device
        Their names in records.
    kind
        The kind of program, if it is known.
    traits
        What the program is made of; ``None`` if it was not surveyed.
    settings
        ``default`` and the settings to compare with it.
    profile
        How much is measured.
    seconds
        The estimated seconds; ``None`` without a survey.
    more
        A profile that measures more, and its estimated seconds; ``None`` if there is none.
    """

    traits: Traits | None
    settings: tuple[Setting, ...]
    profile: Profile
    seconds: float | None = None
    more: tuple[Profile, float] | None = None
    scenario: str = ""
    device: str = ""
    kind: Kind | None = None


def fits(request: Request, reference: str) -> bool:
    """Return whether the plan of a scenario depends on what it is made of."""
    own = is_external(reference)
    return request.seconds is not None or (own and (request.fits_settings or request.fits_profile))


def settings_to_prepare(request: Request) -> tuple[Setting, ...]:
    """Return the settings that are known before any program is surveyed."""
    fitted = request.fits_settings and all(map(is_external, request.scenarios))
    return (DEFAULT,) if fitted else request.settings


def plan(
    request: Request, reference: str, traits: Traits | None, elapsed: float, left: int
) -> ProgramPlan:
    """Return what to measure of a scenario.

    Parameters
    ----------
    request
        What the user asked for.
    reference
        The scenario.
    traits
        What the program is made of; ``None`` without a survey.
    elapsed
        Seconds since the run began.
    left
        How many experiments are left, this one included. They share the time left.
    """
    if traits is None:
        return ProgramPlan(None, request.settings, request.profile)
    own = is_external(reference)
    settings = fitting_settings(traits) if own and request.fits_settings else request.settings
    if request.seconds is not None:
        return _fit(traits, settings, (request.seconds - elapsed) / left, request.scopes)
    if own and request.fits_profile:
        return _fit(traits, settings, usual_seconds(traits), request.scopes)
    return ProgramPlan(traits, settings, request.profile)


def fitting_settings(traits: Traits) -> tuple[Setting, ...]:
    """Return ``default`` and the settings that can mean something to the program."""
    names = ["op_determinism", "threads=1", "op_determinism+threads=1"]
    if traits.compiles:
        names += ["xla", "op_determinism+xla"]
    if traits.unordered:
        names.append("data_order=strict")
    return (DEFAULT, *map(grammar.parse, names))


def usual_seconds(traits: Traits) -> float:
    """Return the seconds to plan for, if the user names neither a time nor a profile."""
    return USUAL_SECONDS if traits.step_seconds <= LONG else USUAL_SECONDS_LONG


def _fit(
    traits: Traits, settings: tuple[Setting, ...], seconds: float, scopes: tuple[str, ...]
) -> ProgramPlan:
    """Return the plan that measures the most in a time. The smallest one may take longer."""
    plans = [_profile(step, scopes) for step in _STEPS]
    needed = [estimate(plan, traits, settings) for plan in plans]
    best = max((i for i, time in enumerate(needed) if time <= seconds), default=0)
    richer = min(best + 2, len(plans) - 1)
    return ProgramPlan(
        traits,
        settings,
        _within(plans[best], max(seconds, needed[best])),
        needed[best],
        (plans[richer], needed[richer]) if richer > best else None,
    )


def estimate(profile: Profile, traits: Traits, settings: tuple[Setting, ...]) -> float:
    """Return about how many seconds a profile takes for a program on this machine."""
    step, cores = traits.step_seconds, os.cpu_count() or 1
    workers = len(settings) + 1  # a second default for the A/A comparison
    at_once = max(1.0, SPEED_UP * min(cores, workers))
    compiled = sum(setting.has("xla") for setting in settings) / len(settings)
    first = START_SECONDS + traits.first_seconds * (1 + XLA_FIRST_CALLS * compiled)
    start = first + (profile.calls - 1) * step
    settled = 0.0 if step >= 100 * profile.settle_seconds else max(profile.settle_seconds, step)
    timed = profile.rounds * (settled + max(profile.burst_seconds, step))
    blocks = profile.looks[-1]
    processes = max(0, profile.processes + 1 - blocks) + profile.perturbed
    more = profile.trials * sum(scope not in ("repeat", "process") for scope in profile.scopes)
    trials = len(settings) * (processes + more) * start / at_once
    return workers * (start + (blocks - 1) * start / at_once + blocks * timed) + trials


def _within(profile: Profile, seconds: float) -> Profile:
    blocks = BLOCKS_SHARE * seconds
    return msgspec.structs.replace(profile, seconds=blocks, trials_seconds=seconds - blocks)


def _profile(step: tuple[int, int, int, int, int], scopes: tuple[str, ...]) -> Profile:
    blocks, rounds, calls, processes, perturbed = step
    looks = tuple(n for n in PROFILES["full"].looks if n < blocks)
    return msgspec.structs.replace(
        PROFILES["quick"],
        name="fitted",
        looks=(*looks, blocks),
        half_width=0.03,
        rounds=rounds,
        calls=calls,
        processes=processes,
        perturbed=perturbed,
        scopes=scopes,
    )
