"""The progress of a measurement, as its callers see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far an experiment is.

    Attributes
    ----------
    scenario, device
        The cells that are measured now; empty before the first ones.
    doing
        What runs now, such as ``block 3``.
    fraction
        The finished share of the work.
    seconds_left
        An estimate, from the time that the workers took so far. ``None`` before the first one.
    """

    scenario: str
    device: str
    doing: str
    fraction: float
    seconds_left: float | None = None

    @property
    def time_left(self) -> str:
        """The time left, such as ``about 40 s left``; empty if it is unknown."""
        if self.seconds_left is None:
            return ""
        if self.seconds_left < 90:
            return f"about {self.seconds_left:.0f} s left"
        return f"about {self.seconds_left / 60:.0f} min left"

    def __str__(self) -> str:
        what = f"{self.scenario} on {self.device}: " if self.scenario else ""
        left = f", {self.time_left}" if self.time_left else ""
        return f"{what}{self.doing}{left}"
