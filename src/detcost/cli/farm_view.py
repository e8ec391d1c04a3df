"""What a user sees while a farm runs: a table of machines and jobs, or a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.live import Live

from detcost.cli.console import err
from detcost.farm.status import FarmStatus
from detcost.tables import farm_tables

#: Seconds between two lines, where there is no terminal to draw in, and between two tables.
_LINES, _TABLES = 10.0, 1.0


class FarmView:
    """Shows the state of a farm on standard error.

    Parameters
    ----------
    status
        Returns the present state.
    """

    def __init__(self, status: Callable[[], FarmStatus]) -> None:
        self._status = status
        self._next = 0.0
        self._told = ""
        self._live = Live(console=err, auto_refresh=False, transient=True)

    def __enter__(self) -> FarmView:
        if err.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if err.is_terminal:
            self._live.stop()

    def show(self) -> None:
        """Show the state, if the last time was long enough ago."""
        now = time.monotonic()
        if now < self._next:
            return
        status = self._status()
        if err.is_terminal:
            self._live.update(farm_tables.terminal(status), refresh=True)
            self._next = now + _TABLES
            return
        line = "; ".join(
            [farm_tables.short(status), *(status.about.waiting if status.about else ())]
        )
        if line != self._told:
            err.print(line, markup=False, soft_wrap=True)
        self._told, self._next = line, now + _LINES
