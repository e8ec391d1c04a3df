"""An agreement as a person reads it: in a terminal, and as Markdown for a page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table

from detcost.choosing.agreement import (
    SUBJECT,
    Agreement,
    AgreementCell,
    AgreementColumn,
    AgreementRow,
)
from detcost.tables.text import code, lines, markdown_text, plain

#: Letters in a line of a machine's name, at the head of a column in the terminal.
NARROW = 16


def terminal(found: Agreement) -> RenderableType:
    """Return the headline, the table, and what to know about it."""
    table = Table()
    header, *rows = _texts(found)
    for name in header:
        table.add_column(plain(name))
    for column in found.columns:
        table.add_column(lines(_narrow(column)), justify="center")
    for row in rows:
        table.add_row(*map(plain, row))
    return Group(lines(found.headline, "bold"), table, lines(_remarks(found)))


def markdown(found: Agreement) -> str:
    """Return the same as Markdown, in which nothing of a stranger's is HTML or a link."""
    header, *rows = _texts(found)
    header += [f"{code(column.machine)}<br>{code(column.setting)}" for column in found.columns]
    table = [header, ["---"] * len(header), *([markdown_text(c) for c in row] for row in rows)]
    text = [f"* {markdown_text(line)}" for line in found.headline]
    text += ["", *(f"| {' | '.join(row)} |" for row in table)]
    return "\n".join([*text, "", *map(markdown_text, _remarks(found))])


def json_text(found: Agreement) -> str:
    """Return the whole of it as JSON."""
    return msgspec.json.format(msgspec.json.encode(found)).decode()


def _texts(found: Agreement) -> Iterator[list[str]]:
    """Yield the names of what differs between rows, then each row with its cells."""
    fields = ["scenario", *_varying(found)]
    yield [SUBJECT[field] for field in fields]
    for row in _shown(found):
        yield [*(str(getattr(row, field)) for field in fields), *map(_text, row.cells)]


def _shown(found: Agreement) -> list[AgreementRow]:
    """Return the rows that compare machines; all of them where none does."""
    return [row for row in found.rows if len(_machines(found, row)) > 1] or found.rows


def _machines(found: Agreement, row: AgreementRow) -> set[str]:
    pairs = zip(found.columns, row.cells, strict=True)
    return {column.machine for column, cell in pairs if cell.status != "not_measured"}


def _varying(found: Agreement) -> list[str]:
    rest = list(SUBJECT)[1:]
    return [field for field in rest if len({getattr(row, field) for row in _shown(found)}) > 1]


def _text(cell: AgreementCell) -> str:
    return "races" if cell.status == "races" else cell.letter or "–"


def _narrow(column: AgreementColumn) -> list[str]:
    """Return a column's name in short lines, so that many columns fit beside each other."""
    setting = column.setting.replace("+", "\n+").splitlines()
    return [*textwrap.wrap(column.machine, NARROW), *setting]


def _remarks(found: Agreement) -> Iterator[str]:
    fixed = [field for field in list(SUBJECT)[1:] if field not in _varying(found)]
    shown = _shown(found)
    common = ", ".join(f"{SUBJECT[f]} {getattr(shown[0], f)}" for f in fixed)
    machines = "; ".join(f"{name}: {cpu}" for name, cpu in found.machines.items())
    yield f"{machines}. {common}."
    if alone := len(found.rows) - len(shown):
        yield f"Left out: {alone} rows of one machine alone; --json has them."
    if found.versions:
        unlike = "; ".join(f"{name} {', '.join(all_)}" for name, all_ in found.versions.items())
        yield f"Versions differ, which may change bits as well: {unlike}."
    yield (
        "In a row the same letter means the same bits. races: the bits differ from run to run, so "
        "they cannot be compared. –: not measured, or no output."
    )
