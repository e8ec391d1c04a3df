"""What an asv command could not measure, and why. The reasons are its last lines.

asv keeps the output of a failed ``setup_cache`` for ``--show-stderr``, and otherwise tells only
that it failed. This is a part of the asv plugin, and imports only asv and the standard library.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import asv.commands.run
from asv import runner, util
from asv.console import log

#: A file to write the reasons to as well; the Makefile sets it, to repeat them at its own end.
VARIABLE = "DETCOST_FAILURES"
#: Errors whose message says all.
_PLAIN_ERROR = re.compile(r"^(RuntimeError|detcost\.errors\.UsageError): ")
#: asv's line for each benchmark whose setup_cache failed.
_SKIPPED = re.compile(r"(?P<name>\S+) skipped \(setup_cache failed\)")


class Failures:
    """The reasons, each with the places where it applies, in the order in which they came."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, place: str, reason: str) -> bool:
        """Add a place, such as a benchmark's class. Return whether it is new."""
        places = self._places.setdefault(reason, [])
        if place in places:
            return False
        places.append(place)
        return True

    def reason(self, place: str) -> str | None:
        """Return the reason of a place, if it has one."""
        return next((reason for reason, places in self._places.items() if place in places), None)

    def lines(self) -> list[str]:
        """Return a line for each reason."""
        return [f"{_several(places)}: {reason}" for reason, places in self._places.items()]

    def tell(self) -> None:
        """Print the lines, and write them to the file that ``DETCOST_FAILURES`` names."""
        if path := os.environ.get(VARIABLE):
            with contextlib.suppress(OSError):
                Path(path).write_text("".join(f"{line}\n" for line in self.lines()), "utf-8")
        if self._places:
            log.flush()
            print("Not measured:", file=sys.stderr)
            for line in self.lines():
                print(f"  {line}", file=sys.stderr)


def _several(places: list[str]) -> str:
    first, *others = places
    return f"{first} and {len(others)} more" if others else first


failures = Failures()
atexit.register(failures.tell)


def last_line(output: str) -> str:
    """Return the last line of an output. It has the reason, at the end of a traceback too."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return _PLAIN_ERROR.sub("", lines[-1]) if lines else "no reason given"


def why(output: str, code: int, limit: float) -> str:
    """Return why a ``setup_cache`` failed, from its output, exit code and limit in seconds."""
    if code == util.TIMEOUT_RETCODE:
        return (
            f'took longer than its limit of {limit:g} s; set a longer "timeout" in its class, or '
            "a smaller DETCOST_PROFILE"
        )
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return last_line(output)


class _OneLineEach(logging.Filter):
    """Replaces asv's lines about skipped benchmarks by one for each class, with the reason."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to print a line of asv's log. The reason is put into the first one."""
        skipped = _SKIPPED.fullmatch(str(record.msg))
        if not skipped or log.is_debug_enabled():
            return True
        place = skipped["name"].rpartition(".")[0]
        reason = failures.reason(place)
        if reason and place not in self._told:
            record.msg = f"{place} skipped: {reason}"
            self._told.add(place)
            return True
        return reason is None


logging.getLogger().addFilter(_OneLineEach())


def skip_benchmarks(benchmarks: Any, environment: Any, results: Any = None) -> Any:
    """Skip an environment that could not be built, with one line instead of one a benchmark."""
    failures.add(environment.name, "could not be built; asv's lines on the build say why")
    log.warning(f"Skipping {environment.name}: it could not be built")
    with log.set_level(logging.ERROR):
        return runner.skip_benchmarks(benchmarks, environment, results)


asv.commands.run.skip_benchmarks = skip_benchmarks
