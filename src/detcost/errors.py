"""What went wrong, in words a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """A user's mistake: one line that says what, where, and what to do.

    The command line prints it without a traceback and exits with 2. Names in it may be
    strangers': what would break the line or steer a terminal is left out.
    """

    def __init__(self, message: str):
        super().__init__("".join(c if c.isprintable() else " " for c in message))


class NotApplicable(Exception):
    """A setting means nothing to a scenario; its words say why."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "x"?'`` for the nearest known word, else an empty string."""
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""
