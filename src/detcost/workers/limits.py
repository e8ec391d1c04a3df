"""Time limits of requests to workers. They follow from what the same request took before."""

from __future__ import annotations

import os

from detcost.workers.contract import Cell

#: Maximum seconds of the first worker of a program, which builds, traces, compiles and autotunes.
FIRST_CALL = 300.0
#: Seconds that every request may take, whatever it is expected to take.
_SPARE = 30.0
#: How many times as long as expected a request may take: on a loaded machine, or under a setting
#: that leaves all cores but one unused.
_SLOWER = max(20, 2 * (os.cpu_count() or 1))


def limit(expected: float) -> float:
    """Return the maximum seconds of a request that is expected to take some seconds."""
    return _SPARE + _SLOWER * expected


class FirstCalls:
    """How long the first worker of each program took until its first call was done.

    The limit of every later worker of the program follows from it, under any setting. A program is
    a scenario on a device, of one size and type.
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, str, str], float] = {}

    def limit(self, cell: Cell) -> float:
        """Return the maximum seconds until a worker's first call is done."""
        first = self._seconds.get(_program(cell))
        return FIRST_CALL if first is None else limit(first)

    def done(self, cell: Cell, seconds: float) -> None:
        """Record how long a worker took. The first of a program counts."""
        if not self._seconds.get(_program(cell)):
            self._seconds[_program(cell)] = seconds

    def timed_out(self, cell: Cell) -> None:
        """Record that a worker's first call was never done. Others are not waited for as long."""
        self._seconds.setdefault(_program(cell), 0.0)


def _program(cell: Cell) -> tuple[str, str, str, str]:
    return cell.scenario, cell.device, cell.size, cell.dtype
