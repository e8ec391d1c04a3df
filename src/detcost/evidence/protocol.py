"""How a run measured, and the controls that show whether its results can be used."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from detcost.evidence.results import Cost


class Protocol(msgspec.Struct, frozen=True, gc=False):
    """How the cell was measured, in enough detail to repeat the measurement.

    Attributes
    ----------
    profile
        The name of the profile.
    rounds
        Timed bursts of every setting in a block.
    target_half_width
        The relative half-width at which an interval is narrow enough.
    seconds_cap
        The maximum time for all blocks, in seconds.
    stopped_by
        Why the blocks ended: every interval was narrow enough (``width``), the time was up
        (``time``), or the last block was done (``blocks``).
    two_at_a_time
        Whether device memory held only two workers at once.
    workers_lost
        How many workers died or hung.
    start_method
        How workers are started.
    warm_up_steps
        Steps before the first timed one. Up to schema 2 only: workers now settle by time.
    settle_seconds
        How long a worker runs before its step is timed.
    burst_seconds
        How long a worker's step is timed.
    pythons
        How many Python processes workers are started from. Each has its own hash seed.
    hash_seed
        The user's own ``PYTHONHASHSEED``. All Python processes then have this hash seed.
    """

    profile: str
    rounds: int
    target_half_width: float
    seconds_cap: float
    stopped_by: Literal["width", "time", "blocks"] | None
    two_at_a_time: bool
    workers_lost: int
    start_method: str
    warm_up_steps: int | None = None
    settle_seconds: float | None = None
    burst_seconds: float | None = None
    pythons: int | None = None
    hash_seed: str | None = None


class Control(msgspec.Struct, frozen=True, gc=False):
    """The repeats of a control scenario.

    Attributes
    ----------
    divergent
        How many repeats differ from the first output.
    trials
        How many repeats ran.
    ok
        Whether this is the expected number.
    """

    divergent: int
    trials: int
    ok: bool


class Controls(msgspec.Struct, frozen=True, gc=False):
    """The controls of a run. If a control failed, do not use the results of the run.

    Attributes
    ----------
    same_setting
        The A/A comparison: ``default`` against itself. Its interval is the noise floor.
    varies
        A scenario whose every repeat differs.
    stable
        A scenario whose repeats never differ.
    """

    same_setting: Cost | None
    varies: Control | None
    stable: Control | None

    @property
    def failures(self) -> list[str]:
        """The failed controls as messages. Empty if the results can be used."""
        messages = []
        if self.same_setting and self.same_setting.verdict in ("costs", "faster"):
            ratio = self.same_setting.ratio or math.nan
            messages.append(f"default against itself has the cost {ratio:.3f}")
        if self.varies and not self.varies.ok:
            messages.append("the scenario known to vary did not")
        if self.stable and not self.stable.ok:
            messages.append("the scenario known to be stable varied")
        return messages
