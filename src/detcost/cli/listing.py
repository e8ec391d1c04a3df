"""The tables of ``detcost list``."""

from __future__ import annotations

from rich.table import Column, Table
from rich.text import Text

from detcost.errors import UsageError, did_you_mean
from detcost.scenarios import registry
from detcost.settings import grammar
from detcost.settings.levers import LEVERS
from detcost.workers.launch import start_workers


def listing(what: str) -> Table:
    """Return the table of scenarios, settings or devices.

    Raises
    ------
    UsageError
        For any other word, or for devices if TensorFlow is not installed.
    """
    kinds = {"scenarios": _scenarios, "settings": _settings, "devices": _devices}
    if what not in kinds:
        raise UsageError(
            f'cannot list "{what}"{did_you_mean(what, kinds)}; there are {", ".join(kinds)}'
        )
    return kinds[what]()


def _scenarios() -> Table:
    table = Table("scenario", "family", "core", "types", "description and nondeterminism")
    for entry in registry.built_in().values():
        core = "yes" if entry.core else ""
        table.add_row(entry.name, entry.family, core, " ".join(entry.dtypes), entry.description)
    return table


def _settings() -> Table:
    # The column of code gets the width, because a wrapped line of code cannot be pasted.
    code = Column("code to paste", overflow="fold")
    table = Table("lever", Column("effect", max_width=72), code)
    table.add_row("default", "seeds, and sets nothing else", Text(grammar.DEFAULT.snippet()))
    for lever in LEVERS:
        for word in lever.spellings:
            example = grammar.parse(word.replace("=N", "=1"))
            table.add_row(word, lever.summary, Text(example.snippet()))
    table.add_row("single_thread", "another name for threads=1", "")
    table.add_section()
    table.add_row("a+b", "several levers, such as op_determinism+threads=1+xla", "")
    return table


def _devices() -> Table:
    table = Table("device", "model", "details")
    factory = start_workers()
    try:
        for device in factory.inspection().devices():
            details = ", ".join(f"{key}: {value}" for key, value in device.details.items())
            table.add_row(device.name, device.model or "", details)
    finally:
        factory.close()
    return table
