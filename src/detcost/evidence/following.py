"""The results of following a program over many steps: where its runs part, and how fast."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from detcost.outputs.growth import Growth


class FollowedProcess(msgspec.Struct, frozen=True, gc=False):
    """Two fresh processes of a cell, step by step: one as it is, and one in other conditions.

    Attributes
    ----------
    scope
        The scope that the conditions belong to.
    label
        The name of the conditions, such as ``quiet`` or ``oversubscription=2``.
    differing
        How many steps gave outputs that differ.
    first_step
        The first step, counted from 1, whose outputs differ. ``None`` if none does.
    outputs
        The outputs that differ at the first step, by their paths. Empty if the step returns a
        single output.
    steps
        Up to 200 steps from the first difference to the end. Their distances are below.
    relative
        The distances at these steps: the greatest ‖a − r‖₂/‖r‖₂ of any output a, with reference r.
        Zero means equal bytes. ``None`` is unknown, as for outputs without floats.
    max_ulp
        The greatest distances of two elements at these steps, in units in the last place.
    growth
        The growth of ``relative``. ``None`` if too few steps show it.
    """

    scope: str
    label: str
    differing: int
    first_step: int | None = None
    outputs: list[str] = []
    steps: list[int] = []
    relative: list[float | None] = []
    max_ulp: list[int | None] = []
    growth: Growth | None = None


class Following(msgspec.Struct, frozen=True, gc=False):
    """A cell followed over many steps.

    Attributes
    ----------
    steps
        How many steps every process ran. The first call is step 1.
    processes
        The processes compared.
    skipped
        The conditions that could not be followed, each with the reason.
    """

    steps: int
    processes: list[FollowedProcess]
    skipped: dict[str, str] = {}

    def by_scope(self) -> dict[str, FollowedProcess]:
        """Return for each scope the process that differs first. Of these, the farthest."""
        scopes = dict.fromkeys(process.scope for process in self.processes)
        return {scope: self._first(scope) for scope in scopes}

    def _first(self, scope: str) -> FollowedProcess:
        return min((p for p in self.processes if p.scope == scope), key=_parts_first)


def _parts_first(process: FollowedProcess) -> tuple[float, float]:
    """Return a sort key: the first difference, then the greatest distance at the end."""
    first = process.first_step
    known = [distance for distance in process.relative if distance is not None]
    return (float("inf") if first is None else first, -_last(known))


def _last(distances: Iterable[float]) -> float:
    return [0.0, *distances][-1]
