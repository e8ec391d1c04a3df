"""How much is measured: the profiles quick, standard and full."""

from __future__ import annotations

import os

import msgspec

from detcost.errors import UsageError, did_you_mean

VARIABLE = "DETCOST_PROFILE"
#: Scopes of divergence that can be measured.
SCOPES = ("repeat", "process", "threads", "load", "isa", "execution")


class Profile(msgspec.Struct, frozen=True):
    """The plan of one scenario on one device.

    Attributes
    ----------
    looks
        Numbers of blocks after which the intervals are looked at; the last is the most.
    half_width
        Relative half-width at which every interval is narrow enough to stop.
    seconds
        Cap on the time spent in blocks; the block under way is finished.
    rounds
        Timed samples of every setting in a block.
    trial_repeats
        Repeats in each fresh process beyond the blocks.
    processes
        Fresh processes compared with the first, for every cell.
    perturbed
        How many of them run perturbed.
    trials
        Trials of every cell in each further scope at least; every variant of the scope
        has equally many.
    scopes
        The scopes compared in unless others are asked for.
    quiet_builds
        Blocks whose workers are built one at a time, so that the first call is
        timed undisturbed. Later blocks build as many at once as there are cores.
    """

    name: str
    looks: tuple[int, ...]
    half_width: float
    seconds: float
    rounds: int
    trial_repeats: int
    processes: int
    perturbed: int
    trials: int
    quiet_builds: int
    scopes: tuple[str, ...] = SCOPES

    @property
    def repeats(self) -> int:
        """Comparisons within a process, of every cell, at least."""
        in_blocks = self.looks[0]
        return self.rounds * in_blocks + self.trial_repeats * (self.processes + 1 - in_blocks)

    def trials_in(self, scope: str) -> int:
        """Comparisons in a scope, of every cell, at least."""
        return {"repeat": self.repeats, "process": self.processes}.get(scope, self.trials)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            *("quick", (5,), 0.05, 10),
            rounds=9,
            trial_repeats=9,
            processes=6,
            perturbed=2,
            trials=3,
            quiet_builds=1,
            scopes=("repeat", "process"),
        ),
        Profile(
            *("standard", (5, 10, 20, 40), 0.03, 25),
            rounds=30,
            trial_repeats=10,
            processes=20,
            perturbed=5,
            trials=3,
            quiet_builds=3,
        ),
        Profile(
            *("full", (5, 10, 20, 40), 0.01, 900),
            rounds=100,
            trial_repeats=100,
            processes=60,
            perturbed=21,
            trials=60,
            quiet_builds=10,
        ),
    )
}


def find(name: str) -> Profile:
    """Return a profile by name.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in PROFILES:
        raise UsageError(
            f'no profile "{name}"{did_you_mean(name, PROFILES)}; there are {", ".join(PROFILES)}'
        )
    return PROFILES[name]


def from_environment() -> Profile:
    """Return the profile that ``DETCOST_PROFILE`` names, ``standard`` when it is not set."""
    try:
        return find(os.environ.get(VARIABLE) or "standard")
    except UsageError as error:
        raise UsageError(f"the environment variable {VARIABLE}: {error}") from None
