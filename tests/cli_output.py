"""What a command prints on standard error, apart from its progress."""

from __future__ import annotations

import re


def without_progress(text: str) -> list[str]:
    """Return the lines that do not say what a measurement is doing, such as ``0:10 block 1``."""
    return [line for line in text.splitlines() if not re.match(r"\d+:\d\d ", line)]
