"""What ``asv run`` measures here, and how long the whole of it will take.

Part of the asv plugin: it imports asv and the standard library only.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
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

#: What Linux has where there is a GPU: NVIDIA's driver, AMD's, and Windows' for its guests.
GPU_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def is_measured(parameters: tuple[str, ...]) -> bool:
    """Whether a combination of parameters can have a figure on this machine.

    asv starts a process for each that it selects, and prints a row.
    """
    text = " ".join(parameters)
    no_gpu = sys.platform == "linux" and not any(Path(file).exists() for file in GPU_FILES)
    if "GPU:" in text and no_gpu:
        return False
    return "isa=" not in text or os.environ.get("DETCOST_PROFILE") != "quick"


def leave_out_unmeasured(found: Benchmarks) -> None:
    """Select no combination of parameters that has no figure here; others keep their place."""
    for name, places in found.benchmark_selection.items():
        if places:
            combinations = list(itertools.product(*found._all_benchmarks[name]["params"]))
            places[:] = [place for place in places if is_measured(combinations[place])]


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
    leave_out_unmeasured(found)
    caches = {benchmark.get("setup_cache_key") for benchmark in found.values()} - {None}
    countdown.expect(len(caches) * len(environments) * len(commits))
    return found


Benchmarks.discover = classmethod(discover)
