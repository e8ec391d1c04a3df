"""Errors whose messages tell a user what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """A user's mistake. Its message is one line with the mistake, its place and a remedy.

    The command line prints the line without a traceback and exits with 2. Names in a message are
    untrusted text, so characters that break the line or control a terminal become spaces.
    """

    def __init__(self, message: str):
        super().__init__("".join(c if c.isprintable() else " " for c in message))


class NotApplicable(Exception):
    """A setting does not apply to a scenario. The message is the reason."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "x"?'`` for the nearest known word, else an empty string."""
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""
