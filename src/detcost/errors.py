"""Errors whose messages tell a user what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

#: The longest text of a user's that a message repeats, in characters.
_LONGEST = 80
#: A quoted text, or a word such as a path, which may be three times as long.
_REPEATED = re.compile(rf'"[^"]*"|\S{{{3 * _LONGEST},}}')


class UsageError(Exception):
    """A user's mistake. Its message is one line with the mistake, its place and a remedy.

    The command line prints the line without a traceback and exits with 2. Names in a message are
    untrusted text, so characters that break the line or control a terminal become spaces, and
    long texts are shortened.
    """

    def __init__(self, message: str):
        super().__init__(shortened("".join(c if c.isprintable() else " " for c in message)))


class NotApplicable(Exception):
    """A setting does not apply to a scenario. The message is the reason."""


def shortened(message: str) -> str:
    """Return a message without the middle of the long texts that it quotes."""
    return _REPEATED.sub(_shorten, message)


def _shorten(found: re.Match[str]) -> str:
    text, half = found[0], _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half:]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "x"?'`` for the nearest known word, else an empty string."""
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""
