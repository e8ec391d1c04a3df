"""What ``locate`` found: in a terminal, in Markdown for a CI comment, as plain lines, as JSON.

A guard that fails prints :func:`lines`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detcost.locating.schema import Location
from detcost.tables import located
from detcost.tables.located import Account, CulpritText, RemedyRow
from detcost.tables.text import lines as plain_lines
from detcost.tables.text import markdown_text, plain

_HEADS = ("remedy", "alone", "whole step", "cost [95 %]", "seen")
_INDENT = "    "


def terminal(location: Location) -> RenderableType:
    """Return the headline, who is to blame, the proof, the remedies, and what to do next."""
    account = located.account(location)
    parts: list[RenderableType] = [plain(account.headline, "bold")]
    for title, culprit in _titled(account):
        parts.append(Text())
        if title:
            parts.append(plain(title, "bold"))
        parts += _terminal_culprit(culprit)
    parts += [Text(), _terminal_facts(account.facts)]
    if account.next:
        parts += [Text(), *map(plain, account.next)]
    return Group(*parts)


def markdown(location: Location) -> str:
    """Return the same as Markdown, in which no untrusted text is HTML or a link."""
    return "\n\n".join(_markdown(located.account(location)))


def lines(location: Location) -> list[str]:
    """Return the same as plain lines without color, such as for a failing test.

    Parameters
    ----------
    location
        What :func:`detcost.locate` found.

    Returns
    -------
    list of str
        The first line is the headline. No line has a line break or a terminal code.
    """
    return [plain(line).plain for line in _lines(located.account(location))]


def json_text(location: Location) -> str:
    """Return the location as a JSON object."""
    return msgspec.json.format(msgspec.json.encode(location)).decode()


def _titled(account: Account) -> Iterator[tuple[str, CulpritText]]:
    """Yield each culprit with its sentence. That of a single one is the headline already."""
    count = len(account.culprits)
    for number, culprit in enumerate(account.culprits, start=1):
        yield f"{number} of {count}: {culprit.headline}" if count > 1 else "", culprit


def _terminal_culprit(culprit: CulpritText) -> Iterator[RenderableType]:
    yield _terminal_facts(culprit.facts)
    if culprit.path:
        yield plain("how it spreads")
        yield plain_lines(_picture(culprit.path))
    if culprit.remedies:
        yield _terminal_remedies(culprit.remedies)
    yield from map(plain, culprit.remarks)
    for row in located.to_paste(culprit.remedies):
        yield plain(f"To paste for {row.name}:")
        yield plain_lines(f"{_INDENT}{line}" for line in row.code.splitlines())


def _terminal_facts(facts: Sequence[tuple[str, list[str]]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for name, texts in facts:
        table.add_row(plain(name), plain_lines(texts))
    return table


def _terminal_remedies(rows: Sequence[RemedyRow]) -> Table:
    table = Table(*_HEADS)
    for row in rows:
        style = "" if row.cures else "dim"
        table.add_row(*map(plain, _cells(row)), style=style)
    return table


def _cells(row: RemedyRow) -> tuple[str, ...]:
    return row.name, row.alone, row.whole, row.cost, row.seen


def _picture(path: Sequence[str]) -> Iterator[str]:
    """Yield a path as a column of text, from the origin down to the outputs."""
    origin, *rest = path
    yield f"{_INDENT}● {origin}"
    for hop in rest[:-1]:
        yield f"{_INDENT}│ {hop}"
    yield f"{_INDENT}▼ {rest[-1]}"


def _markdown(account: Account) -> Iterator[str]:
    yield f"**{markdown_text(account.headline)}**"
    for title, culprit in _titled(account):
        if title:
            yield f"**{markdown_text(title)}**"
        yield from _markdown_culprit(culprit)
    yield _bullets(account.facts)
    yield from map(markdown_text, account.next)


def _markdown_culprit(culprit: CulpritText) -> Iterator[str]:
    yield _bullets(culprit.facts)
    if culprit.path:
        yield f"How it spreads:\n\n{_fenced(list(_picture(culprit.path)), 'text')}"
    if culprit.remedies:
        rows = [list(_HEADS), ["---"] * len(_HEADS)]
        rows += [[markdown_text(cell) for cell in _cells(row)] for row in culprit.remedies]
        yield "\n".join(f"| {' | '.join(row)} |" for row in rows)
    if culprit.remarks:
        yield "\n".join(f"* {markdown_text(remark)}" for remark in culprit.remarks)
    for row in located.to_paste(culprit.remedies):
        code = _fenced(row.code.splitlines(), "python")
        yield f"To paste for {markdown_text(row.name)}:\n\n{code}"


def _bullets(facts: Sequence[tuple[str, list[str]]]) -> str:
    return "\n".join(
        f"* {markdown_text(name)}: {'<br>'.join(map(markdown_text, texts))}"
        for name, texts in facts
    )


def _fenced(texts: Sequence[str], language: str) -> str:
    """Return a block of code. Its fence is longer than any run of backticks in it."""
    body = "\n".join(plain(text).plain for text in texts)
    longest = max(map(len, re.findall("`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def _lines(account: Account) -> Iterator[str]:
    yield account.headline
    for title, culprit in _titled(account):
        if title:
            yield title
        yield from _fact_lines(culprit.facts)
        if culprit.path:
            yield "  how it spreads:"
            yield from _picture(culprit.path)
        for row in culprit.remedies:
            alone, whole = f"alone {row.alone}", f"whole step {row.whole}"
            yield f"  {row.name}: {row.seen} ({alone}, {whole}, cost {row.cost})"
        yield from (f"  {remark}" for remark in culprit.remarks)
    yield from _fact_lines(account.facts)
    yield from (f"  {line}" for line in account.next)


def _fact_lines(facts: Sequence[tuple[str, list[str]]]) -> Iterator[str]:
    for name, texts in facts:
        yield f"  {name}: {'; '.join(texts)}"
