"""Verdicts as a person reads them: in a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.table import Table

from detcost.claims.verdicts import Verdict
from detcost.tables.text import code, lines, markdown_text, plain

#: Things seen that are told of a claim, before it says how many more there are.
TOLD = 3
STYLES = {"holds": "green", "does not hold": "red", "depends on": "yellow"}


def terminal_table(verdicts: Sequence[Verdict], source: str) -> Table:
    """Return a table, a row a claim; ``source`` says what it was measured on."""
    table = Table(caption_justify="left", show_lines=True)
    for column in ("people say", "verdict", "what was seen"):
        table.add_column(column)
    for verdict in verdicts:
        word = plain(verdict.word, STYLES.get(verdict.word, "dim"))
        table.add_row(plain(verdict.says), word, lines(_seen(verdict)))
    table.caption = plain(source)
    return table


def markdown_table(verdicts: Sequence[Verdict], source: str) -> str:
    """Return the same as Markdown, with the claims' names and where they are made."""
    rows = [["claim", "people say", "verdict", "what was seen"], ["---"] * 4]
    for verdict in verdicts:
        seen = "<br>".join(map(markdown_text, _seen(verdict)))
        rows.append([code(verdict.claim), verdict.says, f"**{verdict.word}**", seen])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\n{markdown_text(source)}"


def json_text(verdicts: Sequence[Verdict]) -> str:
    """Return all that was seen, as a list of claims."""
    return msgspec.json.format(msgspec.json.encode(verdicts)).decode()


def _seen(verdict: Verdict) -> list[str]:
    """Return the words for and against: of each some, and how many more there are."""
    told = [
        *_some("for it: ", verdict.seen_for),
        *_some("against: ", verdict.seen_against),
    ]
    return told or list(_some("not seen: ", verdict.not_seen))


def _some(label: str, words: Sequence[str]) -> Sequence[str]:
    kept = [f"{label}{each}" for each in words[:TOLD]]
    rest = len(words) - len(kept)
    return [*kept, f"{label}and {rest} more like these"] if rest else kept
