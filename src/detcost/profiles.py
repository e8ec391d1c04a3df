"""How much is measured: the profiles quick, standard and full."""

from __future__ import annotations

import os

import msgspec

from detcost.errors import UsageError, did_you_mean

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
        Timed samples of every setting in a block, and repeats in any other worker.
    processes
        Fresh processes compared with the first, for every cell.
    quiet_builds
        Blocks whose workers are built one at a time, so that the first call is
        timed undisturbed. Later blocks build as many at once as there are cores.
    """

    name: str
    looks: tuple[int, ...]
    half_width: float
    seconds: float
    rounds: int
    processes: int
    quiet_builds: int

    @property
    def workers(self) -> int:
        """Workers of every cell at least: the reference and those compared with it."""
        return max(self.looks[0], self.processes + 1)

    @property
    def repeats(self) -> int:
        """Comparisons within a process, of every cell, at least."""
        return self.rounds * self.workers


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", (5,), 0.05, 10, rounds=9, processes=6, quiet_builds=1),
        Profile("standard", (5, 10, 20, 40), 0.03, 45, rounds=30, processes=20, quiet_builds=3),
        Profile("full", (5, 10, 20, 40), 0.01, 900, rounds=100, processes=60, quiet_builds=10),
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
