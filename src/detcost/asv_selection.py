"""What a plain ``asv run`` measures, and how long the whole of it will take.

Part of the asv plugin: it imports asv and the standard library only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from asv.benchmarks import Benchmarks

#: Benchmarks that only a name (``--bench``) or the full profile asks for: see ``benchmarks``.
CORE = r"^(?!more\.|harness\.)"


class Countdown:
    """How many scenarios asv has still to measure, and what that takes at the pace so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self.total = 0
        self.started = 0

    def expect(self, scenarios: int) -> None:
        """Begin a run of so many scenarios."""
        self.total, self.started = scenarios, 0

    def start(self) -> None:
        """Note that the next scenario has begun."""
        if self.started == 0:
            self._begun = self._clock()
        self.started += 1

    def __str__(self) -> str:
        done = self.started - 1
        text = f"scenario {self.started} of {self.total}"
        if done < 1:
            return text
        # The current one counts as half done: it is, on average.
        pace = (self._clock() - self._begun) / (done + 0.5)
        minutes = pace * (self.total - done - 0.5) / 60
        return f"{text}, about {max(1, round(minutes))} min left in all"


countdown = Countdown()

_discover = Benchmarks.discover.__func__


def discover(
    cls: type[Benchmarks],
    conf: Any,
    repo: Any,
    environments: list[Any],
    commits: list[str],
    regex: Any = None,
    check: bool = False,
) -> Benchmarks:
    """Discover all benchmarks; when none is named and the profile is not full, run the core set.

    asv has no notion of benchmarks that exist and are not run by default. Hiding them
    from discovery instead would drop their earlier results from the published site.
    """
    if not regex and os.environ.get("DETCOST_PROFILE") != "full":
        regex = [CORE]
    found = _discover(cls, conf, repo, environments, commits, regex=regex, check=check)
    caches = {benchmark.get("setup_cache_key") for benchmark in found.values()} - {None}
    countdown.expect(len(caches) * len(environments) * len(commits))
    return found


Benchmarks.discover = classmethod(discover)
