"""Sends lines of progress from a benchmark's process to the terminal that asv runs in.

asv captures the output of a benchmark, and shows it late or never. So the asv plugin names a file
in ``DETCOST_PROGRESS``, and shows the lines that are appended to it.
"""

from __future__ import annotations

import contextlib
import os

VARIABLE = "DETCOST_PROGRESS"


def relay(line: str) -> None:
    """Show a line in asv's terminal; do nothing without asv. Never raises, never waits.

    In a log, only one line every few seconds is shown.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    text = " ".join(line.split()) + "\n"
    with contextlib.suppress(OSError):
        # One append keeps lines whole. The file is never created: its reader may have removed it.
        channel = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(channel, text.encode(errors="replace"))
        finally:
            os.close(channel)
