"""The search: runs of one cell, without the probe and with it, until enough has differed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Literal

from detcost import intervals
from detcost.evidence.recording import Recording
from detcost.locating import bisection, origins
from detcost.locating.runs import Runs, Seen
from detcost.locating.schema import Culprit

#: The share of the time for runs without the probe.
_PLAIN = 0.25
#: Divergences that make a search end, once there are as many comparisons.
_ENOUGH, _AT_LEAST = 5, 40
#: Comparisons after which nothing more is expected: a rate of 3 % shows by then, in 99 of 100.
_AT_MOST = 160
#: Runs that every search has, and the calls of the first of them, which shows how long they take.
_RUNS, _FIRST_CALLS = 2, 3
#: Calls of one run, and the bytes of digests that a run and a search may have.
_CALLS, _RUN_BYTES, _SEARCH_BYTES = 20, 8 << 20, 64 << 20


class Search:
    """Looks for what differs between runs.

    Parameters
    ----------
    runs
        Makes the runs.
    seconds
        The time for the search.
    report
        A function to call with what is done now.

    Attributes
    ----------
    plain, probed
        The runs without the probe and with it.
    method
        See :class:`~detcost.locating.schema.Location`.
    undecided
        What could not be compared or decided, in a sentence each.
    """

    def __init__(self, runs: Runs, seconds: float, report: Callable[[str], None]):
        self._runs = runs
        self._seconds = seconds
        self._report = report
        self._calls = _FIRST_CALLS
        self.plain = Seen(runs.scope)
        self.probed = Seen(runs.scope)
        self.method: Literal["all", "sets"] = "all"
        self.undecided: Sequence[str] = ()

    def culprits(self) -> Sequence[Culprit]:
        """Run the program, and return the origins of what differed."""
        began = time.monotonic()
        self._report("looking for conditions in which outputs differ")
        self._runs.find_conditions(_FIRST_CALLS)
        self._run_plain(began + _PLAIN * self._seconds)
        self._run_probed(began + self._seconds)
        if self.plain.rate.divergent and not self.probed.rate.divergent:
            self._run_until_hidden(began + 2 * self._seconds)
        if self.probed.rate.divergent:
            found = origins.find(self.probed.recordings)
            self.undecided = found.unmatched
            return found.culprits
        if not self.plain.rate.divergent:
            return ()
        self._report("the probe hides the divergence: watching sets of outputs")
        self.method = "sets"
        end = time.monotonic() + self._seconds
        found, seen = bisection.search(self._runs, self.probed, self._calls, end)
        if not found.culprits and self._appears(began + 4 * self._seconds):
            self.method = "all"
            found = origins.find(self.probed.recordings)
        else:
            self.probed = seen
        self.undecided = found.unmatched
        return found.culprits

    def _run_until_hidden(self, end: float) -> None:
        """Run with the probe until chance no longer explains that nothing differs."""
        low = self.plain.rate.low  # of few comparisons, the estimate says little
        assert low
        needed = math.log(1 - intervals.CONFIDENCE) / math.log1p(-min(low, 0.99))
        self._appears(end, needed)

    def _appears(self, end: float, most: float = math.inf) -> bool:
        """Run with the probe until outputs differ. Return whether they do.

        A race that the probe makes rare needs patience, where sets of outputs named nothing.
        """
        while (
            not self.probed.rate.divergent
            and self.probed.rate.trials < most
            and time.monotonic() < end
            and sum(map(recorded_bytes, self.probed.recordings)) < _SEARCH_BYTES
        ):
            self._report(f"with the probe: 0 of {self.probed.rate.trials} comparisons differ")
            self._runs.probed(self.probed, self._calls)
        return self.probed.rate.divergent > 0

    def _run_plain(self, end: float) -> None:
        """Run without the probe. The first run shows how many calls a run may have."""
        self._report("first run without the probe")
        took = self._runs.plain(self.plain, self._calls)
        fitting = int(self._seconds / 8 / max(took / self._calls, 1e-3))
        if fitting > self._calls:
            self._calls = min(_CALLS, fitting)
            self.plain = Seen(self._runs.scope)
        self._repeat(self.plain, end, self._runs.plain, "without the probe")

    def _run_probed(self, end: float) -> None:
        """Run with the probe. The first run shows how many calls its digests allow."""
        self._runs.probed(self.probed, self._calls)
        size = recorded_bytes(self.probed.recordings[0])
        fitting = max(2, int(_RUN_BYTES * self._calls / max(1, size)))
        if fitting < self._calls:
            self._calls = fitting
            self.probed = Seen(self._runs.scope)
        self._repeat(self.probed, end, self._runs.probed, "with the probe")

    def _repeat(
        self, seen: Seen, end: float, run: Callable[[Seen, int], object], doing: str
    ) -> None:
        """Run until the time is up or enough is seen."""
        while True:
            rate = seen.rate
            if len(seen.sequences) > 1:
                self._report(f"{doing}: {rate.divergent} of {rate.trials} comparisons differ")
            enough = rate.divergent >= _ENOUGH and rate.trials >= _AT_LEAST
            full = sum(map(recorded_bytes, seen.recordings)) > _SEARCH_BYTES
            done = enough or full or rate.trials >= _AT_MOST or time.monotonic() > end
            if len(seen.sequences) >= _RUNS and done:
                return
            run(seen, self._calls)


def recorded_bytes(recorded: Recording) -> int:
    """Return how many bytes of digests a recording has."""
    frames = sum(len(frame.digests) for frame in recorded.frames)
    return frames + sum(len(each.digests) for each in recorded.passes)
