"""An agreement as tables: in a terminal, in Markdown, and as JSON."""

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
from detcost.choosing.question import USUAL_DEVICE
from detcost.tables import fleet_tables
from detcost.tables.text import code, lines, markdown_text, plain

#: The width of a column's title in the terminal.
NARROW = 16


def terminal(agreement: Agreement) -> RenderableType:
    """Return the headline, the table, and the notes on it."""
    remarks = fleet_tables.remarks(agreement.fleet, agreement.isa)
    parts: list[RenderableType] = [_fleet(agreement), lines([*remarks, ""])]
    table = Table()
    header, *rows = _texts(agreement)
    for name in header:
        table.add_column(plain(name))
    for column in agreement.columns:
        table.add_column(lines(_narrow(column)), justify="center")
    for row in rows:
        table.add_row(*map(plain, row))
    parts += [lines(agreement.headline, "bold"), table, lines(_remarks(agreement))]
    return Group(*(parts if agreement.fleet else parts[2:]))


def _fleet(agreement: Agreement) -> Table:
    """Return the table of what makes all machines agree."""
    header, *rows = fleet_tables.rows(agreement.fleet)
    table = Table(title=plain(fleet_tables.TITLE, "bold"), title_justify="left")
    for name in header:
        table.add_column(plain(name))
    for row in rows:
        table.add_row(*map(plain, row))
    return table


def markdown(agreement: Agreement) -> str:
    """Return the same as Markdown, in which no untrusted text is HTML or a link."""
    header, *rows = _texts(agreement)
    header += [f"{code(column.place)}<br>{code(column.setting)}" for column in agreement.columns]
    table = [header, ["---"] * len(header), *([markdown_text(c) for c in row] for row in rows)]
    text = list(_fleet_markdown(agreement)) if agreement.fleet else []
    text += [f"* {markdown_text(line)}" for line in agreement.headline]
    text += ["", *(f"| {' | '.join(row)} |" for row in table)]
    return "\n".join([*text, "", *map(markdown_text, _remarks(agreement))])


def _fleet_markdown(agreement: Agreement) -> Iterator[str]:
    header, *rows = fleet_tables.rows(agreement.fleet)
    yield from (f"**{fleet_tables.TITLE}**", "")
    for row in (header, ["---"] * len(header), *(map(markdown_text, row) for row in rows)):
        yield f"| {' | '.join(row)} |"
    yield ""
    for line in fleet_tables.remarks(agreement.fleet, agreement.isa):
        yield f"* {markdown_text(line)}"
    yield ""


def json_text(agreement: Agreement) -> str:
    """Return the whole agreement as JSON."""
    return msgspec.json.format(msgspec.json.encode(agreement)).decode()


def _texts(agreement: Agreement) -> Iterator[list[str]]:
    """Yield the titles of the fields that differ between rows, then each row with its cells."""
    fields = ["scenario", *_varying(agreement)]
    yield [SUBJECT[field] for field in fields]
    for row in _shown(agreement):
        yield [*(str(getattr(row, field)) for field in fields), *map(_text, row.cells)]


def _shown(agreement: Agreement) -> list[AgreementRow]:
    """Return the rows that compare machines or devices, or all rows if none does."""
    return [row for row in agreement.rows if len(_places(agreement, row)) > 1] or agreement.rows


def _places(agreement: Agreement, row: AgreementRow) -> set[str]:
    pairs = zip(agreement.columns, row.cells, strict=True)
    return {column.place for column, cell in pairs if cell.status != "not_measured"}


def _varying(agreement: Agreement) -> list[str]:
    rest = list(SUBJECT)[1:]
    return [field for field in rest if len({getattr(row, field) for row in _shown(agreement)}) > 1]


def _text(cell: AgreementCell) -> str:
    return "races" if cell.status == "races" else cell.letter or "–"


def _narrow(column: AgreementColumn) -> list[str]:
    """Return a column's title in short lines, so that many columns fit side by side."""
    setting = column.setting.replace("+", "\n+").splitlines()
    return [*textwrap.wrap(column.place, NARROW), *setting]


def _remarks(agreement: Agreement) -> Iterator[str]:
    fixed = [field for field in list(SUBJECT)[1:] if field not in _varying(agreement)]
    shown = _shown(agreement)
    common = ", ".join(f"{SUBJECT[f]} {getattr(shown[0], f)}" for f in fixed)
    machines = "; ".join(f"{name}: {cpu}" for name, cpu in agreement.machines.items())
    devices = {column.device for column in agreement.columns} - {USUAL_DEVICE}
    yield f"{machines}. device {USUAL_DEVICE}{' unless named' if devices else ''}, {common}."
    if alone := len(agreement.rows) - len(shown):
        yield f"Left out: {alone} rows of one machine alone. --json prints them."
    if agreement.versions:
        unlike = (f"{name} {', '.join(versions)}" for name, versions in agreement.versions.items())
        yield f"Versions differ, which may change bits as well: {'; '.join(unlike)}."
    yield (
        "The same letter in a row means the same bits. races: the bits differ from run to run and "
        "cannot be compared. –: not measured, or no output."
    )
