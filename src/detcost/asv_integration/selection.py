"""Selects what ``asv run`` measures on this machine, and estimates how long it takes.

This is a part of the asv plugin, and imports only asv and the standard library.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks

from . import command

#: The core set. Only a name (``--bench``) or the full profile selects other benchmarks.
CORE = r"^(?!more\.|harness\.)"


class Countdown:
    """How many scenarios asv has still to measure, and how long that takes at the current pace."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self.total = 0
        self.started = 0

    def expect(self, scenarios: int) -> None:
        """Begin a run with this number of scenarios."""
        self.total, self.started = scenarios, 0

    def start(self) -> None:
        """Count a scenario that begins now."""
        if self.started == 0:
            self._begun = self._clock()
        self.started += 1

    def __str__(self) -> str:
        done = self.started - 1
        text = f"scenario {self.started} of {self.total}"
        if done < 1:
            return text
        # On average the current scenario is half done.
        pace = (self._clock() - self._begun) / (done + 0.5)
        minutes = pace * (self.total - done - 0.5) / 60
        return f"{text}, about {max(1, round(minutes))} min left in all"


countdown = Countdown()

#: Device files that exist on Linux with a GPU: of NVIDIA's driver, of AMD's, and of WSL.
GPU_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def is_measured(parameters: tuple[str, ...]) -> bool:
    """Return whether a combination of parameters can have a figure on this machine.

    asv starts a process and prints a row for each selected combination.
    """
    text = " ".join(parameters)
    no_gpu = sys.platform == "linux" and not any(Path(file).exists() for file in GPU_FILES)
    if "GPU:" in text and no_gpu:
        return False
    return "isa=" not in text or command.profile() != "quick"


def select_measured(benchmarks: Benchmarks) -> None:
    """Select the combinations that have a figure here. The others keep their index.

    A class measures all its combinations at once. So if a regular expression selects some, all
    are selected: else figures of an earlier run would stand unmarked among them.
    """
    for name, indices in benchmarks.benchmark_selection.items():
        if name in benchmarks and indices:
            benchmark = benchmarks[name]
            combinations = list(itertools.product(*benchmark["params"]))
            whole = range(len(combinations)) if benchmark.get("setup_cache_key") else list(indices)
            if any(is_measured(combinations[index]) for index in indices):
                indices[:] = [index for index in whole if is_measured(combinations[index])]
            else:
                del benchmarks[name]


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
    """Discover all benchmarks, and select the core set if no name and no full profile is given.

    asv cannot mark benchmarks as not run by default. Hiding them from discovery would remove
    their earlier results from the published site.
    """
    if not regex and command.profile() != "full":
        regex = [CORE]
    benchmarks = _discover(cls, conf, repo, environments, commits, regex=regex, check=check)
    select_measured(benchmarks)
    caches = {benchmark.get("setup_cache_key") for benchmark in benchmarks.values()} - {None}
    countdown.expect(len(caches) * len(environments) * len(commits))
    return benchmarks


Benchmarks.discover = classmethod(discover)
