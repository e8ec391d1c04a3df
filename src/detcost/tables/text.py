"""Untrusted text for a terminal and for Markdown: it stays text, whatever it contains."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from rich.text import Text

#: What Markdown turns into a link by itself: an address with a scheme, a host, a mailbox.
_LINKS = re.compile(r"(\w(?=:)|www(?=\.)|\w(?=@))(:(?=//)|[.@])", re.ASCII | re.IGNORECASE)


def plain(text: str, style: str = "") -> Text:
    """Return text as rich shows it unchanged: no markup, no emoji, no terminal codes."""
    return Text(_printable(text), style)


def lines(texts: Iterable[str], style: str = "") -> Text:
    """Return several texts for rich, one a line; see :func:`plain`."""
    return Text("\n").join(plain(text, style) for text in texts)


def duration(seconds: float) -> str:
    """Write a time as ``--time`` takes it: ``90s``, ``8m``."""
    return f"{round(seconds)}s" if seconds < 100 else f"{round(seconds / 60)}m"


def code(text: str) -> str:
    """Write text as Markdown code in a table cell. Nothing in it is HTML."""
    return "`" + _printable(text).translate({ord("`"): "'", ord("|"): r"\|", ord("\\"): "/"}) + "`"


def markdown_text(text: str) -> str:
    """Write text as one line of Markdown, in which nothing is HTML or a link."""
    escaped = re.sub(r"[\\`*_\[\]|#]", r"\\\g<0>", html.escape(_printable(text), quote=False))
    return _LINKS.sub(lambda match: f"{match[1]}&#{ord(match[2])};", escaped)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
