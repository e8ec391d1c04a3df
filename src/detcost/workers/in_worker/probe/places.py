"""Where an operation was made: the lines of the user's own files in a stack of calls."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_DETCOST = Path(__file__).parents[3]
#: Programs that detcost brings are a user's as well.
_FAMILIES = str(_DETCOST / "scenarios" / "families") + os.sep
_OTHERS = tuple(
    {
        str(_DETCOST) + os.sep,
        *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")),
        *(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib")),
    }
)


def place(frames: Iterable[Any] | None) -> tuple[str, ...]:
    """Return the user's lines among the frames of a stack, innermost first.

    Parameters
    ----------
    frames
        Frames as :mod:`traceback` and TensorFlow give them, outermost first. ``None`` is unknown.
    """
    lines = [
        f"{_shown(frame.filename)}:{frame.lineno} in {frame.name}"
        for frame in frames or ()
        if _is_users(frame.filename)
    ]
    return tuple(dict.fromkeys(reversed(lines)))


def place_here() -> tuple[str, ...]:
    """Return the user's lines that are being run now in this thread, innermost first."""
    walk = list(traceback.walk_stack(sys._getframe(1)))
    if any(_is_generated(frame.f_code.co_filename) for frame, _ in walk):
        from tensorflow.python.util import tf_stack  # knows the lines that code was made from

        return place(tf_stack.extract_stack())
    frames = [
        traceback.FrameSummary(frame.f_code.co_filename, line, _name(frame), lookup_line=False)
        for frame, line in walk
        if _is_users(frame.f_code.co_filename)
    ]
    return place(reversed(frames))


def _name(frame: Any) -> str:
    return str(frame.f_code.co_name)


def _is_generated(file: str) -> bool:
    """Return whether AutoGraph wrote a file."""
    return "__autograph_generated_file" in file


@functools.cache
def _is_users(file: str) -> bool:
    if file.startswith("<") or _is_generated(file):
        return False
    path = os.path.abspath(file)
    return path.startswith(_FAMILIES) or not path.startswith(_OTHERS)


@functools.cache
def _shown(file: str) -> str:
    """Return the path from the working folder, or the bare name of a file outside it."""
    path = os.path.relpath(file)
    return os.path.basename(file) if path.startswith("..") else path
