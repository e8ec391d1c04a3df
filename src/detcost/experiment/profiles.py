"""How much is measured: the profiles quick, standard and full."""

from __future__ import annotations

import os

import msgspec

from detcost.errors import UsageError, did_you_mean
from detcost.evidence.schema import SCOPES

VARIABLE = "DETCOST_PROFILE"


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
        Timed bursts of every setting in a block.
    calls
        Outputs that every process gives before anything is timed, to be compared.
    pythons
        Pythons that workers are started from, each with a hash seed of its own.
    processes
        Fresh processes compared with the first, for every cell.
    perturbed
        How many of them run perturbed.
    trials
        Trials of every cell in each further scope at least; every variant of the scope
        has equally many.
    scopes
        The scopes compared in unless others are asked for.
    settle_seconds, burst_seconds
        How long a worker runs before its step is timed, and how long it is timed. They are
        what made costs unbiased and narrow: see docs/measurement.md.
    quiet_builds
        Blocks whose workers are built one at a time, so that the first call is
        timed undisturbed. Later blocks build as many at once as there are cores.
    """

    name: str
    looks: tuple[int, ...]
    half_width: float
    seconds: float
    rounds: int
    calls: int
    pythons: int
    processes: int
    perturbed: int
    trials: int
    quiet_builds: int
    scopes: tuple[str, ...] = SCOPES
    settle_seconds: float = 0.03
    burst_seconds: float = 0.015

    @property
    def repeats(self) -> int:
        """Comparisons of scope ``repeat``, of every cell, at least.

        Of a cell that carries state, the first process of each Python is what the others are
        compared with.
        """
        return (self.calls - 1) * (self.processes + 1 - self.pythons)

    def trials_in(self, scope: str) -> int:
        """Comparisons in a scope, of every cell, at least."""
        return {"repeat": self.repeats, "process": self.processes}.get(scope, self.trials)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            *("quick", (5,), 0.05, 20),
            rounds=5,
            calls=13,
            pythons=2,
            processes=6,
            perturbed=2,
            trials=3,
            quiet_builds=1,
            scopes=("repeat", "process"),
            settle_seconds=0.02,  # its intervals are wider than what is left of the cold
        ),
        Profile(
            *("standard", (5, 7, 10, 14, 20, 40), 0.03, 55),
            rounds=12,
            calls=18,
            pythons=3,
            processes=20,
            perturbed=5,
            trials=3,
            quiet_builds=3,
        ),
        Profile(
            *("full", (5, 7, 10, 14, 20, 40), 0.01, 900),
            rounds=100,
            calls=101,
            pythons=3,
            processes=60,
            perturbed=20,
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
