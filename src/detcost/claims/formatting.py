"""Verdicts as tables: in a terminal, in Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.table import Table

from detcost.claims.verdicts import Verdict
from detcost.tables.text import code, lines, markdown_text, plain

#: How many outcomes of a kind a table lists before it counts the rest.
OUTCOMES_LISTED = 3
STYLES = {"holds": "green", "does not hold": "red", "depends on": "yellow"}


def terminal_table(verdicts: Sequence[Verdict], source: str) -> Table:
    """Return a table with one row a claim. ``source`` becomes its caption."""
    table = Table(caption_justify="left", show_lines=True)
    for column in ("people say", "verdict", "what was seen"):
        table.add_column(column)
    for verdict in verdicts:
        word = plain(verdict.word, STYLES.get(verdict.word, "dim"))
        table.add_row(plain(verdict.says), word, lines(_seen(verdict)))
    table.caption = plain(source)
    return table


def markdown_table(verdicts: Sequence[Verdict], source: str) -> str:
    """Return the same as Markdown, with the names of the claims."""
    rows = [["claim", "people say", "verdict", "what was seen"], ["---"] * 4]
    for verdict in verdicts:
        seen = "<br>".join(map(markdown_text, _seen(verdict)))
        rows.append([code(verdict.claim), verdict.says, f"**{verdict.word}**", seen])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\n{markdown_text(source)}"


def json_text(verdicts: Sequence[Verdict]) -> str:
    """Return every verdict with all its outcomes, as a JSON list."""
    return msgspec.json.format(msgspec.json.encode(verdicts)).decode()


def _seen(verdict: Verdict) -> list[str]:
    """Return some outcomes for and some against the claim, or else some that are not known."""
    seen = [*_some("for it: ", verdict.seen_for), *_some("against: ", verdict.seen_against)]
    return seen or _some("not seen: ", verdict.not_seen)


def _some(label: str, outcomes: Sequence[str]) -> list[str]:
    listed = [f"{label}{outcome}" for outcome in outcomes[:OUTCOMES_LISTED]]
    rest = len(outcomes) - len(listed)
    return [*listed, f"{label}and {rest} more like these"] if rest else listed
