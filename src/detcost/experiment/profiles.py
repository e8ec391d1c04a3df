"""The profiles quick, standard and full, which decide how much is measured."""

from __future__ import annotations

import math
import os

import msgspec

from detcost.errors import UsageError, did_you_mean
from detcost.evidence.schema import SCOPES

VARIABLE = "DETCOST_PROFILE"


class Profile(msgspec.Struct, frozen=True):
    """How much to measure of one scenario on one device.

    Attributes
    ----------
    looks
        The numbers of blocks after which the interval widths are checked. The last number is
        the maximum.
    half_width
        The relative half-width at which an interval is narrow enough.
    seconds
        The maximum time for all blocks. The block under way is finished.
    trials_seconds
        The maximum time for all trials. Trials that have not begun by then are left out: they
        are in random order, and no result decides which.
    rounds
        Timed bursts of every setting in a block.
    calls
        Outputs that every process gives for comparison, before anything is timed.
    pythons
        Python processes that workers are forked from. Each has its own hash seed.
    processes
        Fresh processes of every cell that are compared with its first process.
    perturbed
        How many of these processes run perturbed.
    trials
        The minimum number of trials of every cell in each further scope. Every variant of the
        scope has equally many.
    quiet_builds
        Blocks whose workers are built one at a time, so that nothing disturbs the first call.
        Later blocks build as many workers at once as there are cores.
    scopes
        The scopes to compare in, unless the user names others.
    settle_seconds, burst_seconds
        How long a worker runs before its step is timed, and how long it is timed. These values
        made costs unbiased and intervals narrow: see docs/measurement.md.
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
    trials_seconds: float = math.inf

    @property
    def repeats(self) -> int:
        """The minimum number of comparisons of scope ``repeat``, for every cell.

        If a cell carries state, the first process of each Python is only a reference.
        """
        return (self.calls - 1) * (self.processes + 1 - self.pythons)

    def trials_in(self, scope: str) -> int:
        """Return the minimum number of comparisons in a scope, for every cell."""
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
            settle_seconds=0.02,  # its intervals are wider than the bias of the shorter time
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
        If there is no profile of that name.
    """
    if name not in PROFILES:
        raise UsageError(
            f'no profile "{name}"{did_you_mean(name, PROFILES)}; there are {", ".join(PROFILES)}'
        )
    return PROFILES[name]


def from_environment() -> Profile:
    """Return the profile that ``DETCOST_PROFILE`` names; by default ``standard``."""
    try:
        return find(os.environ.get(VARIABLE) or "standard")
    except UsageError as error:
        raise UsageError(f"the environment variable {VARIABLE}: {error}") from None
