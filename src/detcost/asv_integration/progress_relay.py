"""A line of progress from a benchmark's process to the terminal asv runs in.

asv captures what a benchmark prints and shows it after it ended, if at all. The
asv plugin names a file in ``DETCOST_PROGRESS`` and shows what is appended to it.
"""

from __future__ import annotations

import contextlib
import os

VARIABLE = "DETCOST_PROGRESS"


def relay(line: str) -> None:
    """Show ``line`` where asv runs; do nothing elsewhere. Never raises, never waits.

    Where lines stay, as in a log, only one every few seconds is shown.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    text = " ".join(line.split()) + "\n"
    with contextlib.suppress(OSError):
        # One write, appended, never creating: lines stay whole, and none outlives its reader.
        channel = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(channel, text.encode(errors="replace"))
        finally:
            os.close(channel)
