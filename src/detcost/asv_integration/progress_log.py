"""Shows the progress of a ``setup_cache`` in asv's own output, while it runs.

This is a part of the asv plugin, and imports only asv and the standard library.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

from asv.console import log

from .selection import countdown

#: Seconds between lines of progress in a log, where lines are not overwritten.
PAUSE = 10.0


class ProgressLog:
    """A file to which a benchmark appends lines of progress; see ``progress_relay``.

    The lines are shown as they arrive. It is a plain file, so that no writer waits for a reader,
    and that it works on every system. It lies in a folder that asv removes.

    Parameters
    ----------
    folder
        The folder for the file.
    stream
        Where to show the lines.
    """

    def __init__(self, folder: str, stream: TextIO = sys.stderr) -> None:
        self.path = str(Path(folder, "detcost-progress"))
        self._stream = stream
        self._next = 0.0
        self._closing = threading.Event()
        self._follower = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> ProgressLog:
        Path(self.path).touch()
        self._lines = open(self.path, encoding="utf-8", errors="replace")
        self._follower.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._closing.set()
        self._follower.join()
        self._lines.close()
        os.remove(self.path)

    def _follow(self) -> None:
        while not self._closing.wait(0.2):
            self._show_new()
        self._show_new()

    def _show_new(self) -> None:
        """Show the new lines: all of them on a terminal, otherwise one every few seconds."""
        for line in self._lines:
            if rewrites(self._stream) or time.monotonic() >= self._next:
                show(f"{countdown}: {line.rstrip()}", self._stream)
                self._next = time.monotonic() + PAUSE


def rewrites(stream: TextIO) -> bool:
    """Return whether the stream is a terminal on which lines can be overwritten."""
    return stream.isatty() and os.environ.get("TERM") not in (None, "dumb")


def show(line: str, stream: TextIO) -> None:
    """Show a line of progress within asv's own output.

    asv leaves its last line open until that work is done. On a terminal, the progress fills the
    rest of that line. Then the cursor moves back, so that the next progress line, and later asv,
    overwrite it. Elsewhere it is a separate line.
    """
    if rewrites(stream):
        save, restore, erase, dim, plain = "\x1b7", "\x1b8", "\x1b[K", "\x1b[2m", "\x1b[0m"
        clip, wrap = "\x1b[?7l", "\x1b[?7h"
        margin = "\x1b[999C\x1b[3D"  # asv's line may end two columns before the terminal's
        stream.write(f"{save}{clip}{erase} {dim}{line}{plain}{margin}{erase}{wrap}{restore}")
    else:
        log.flush()
        stream.write(f"{' ' * 14}{line}\n")  # as far in as asv's text
    stream.flush()
