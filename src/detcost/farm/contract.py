"""What a run needs of an engine, so that tests can run a farm without processes."""

from __future__ import annotations

import queue
from typing import Protocol

from detcost.farm.machines import FarmMachine
from detcost.farm.worker import JobOutcome, Order


class Machines(Protocol):
    """What a run needs of an engine; see :class:`~detcost.farm.engine.FarmEngine`."""

    outcomes: queue.Queue[tuple[str, JobOutcome]]
    problem: str | None

    @property
    def dashboard(self) -> str | None:
        """The address of the engine's page."""

    def machines(self) -> dict[str, FarmMachine]:
        """Return the machines that are here now."""

    def submit(self, key: str, order: Order) -> bool:
        """Send a job to its machine. Return whether it is here."""

    def stop(self, key: str) -> None:
        """End a job on its machine."""
