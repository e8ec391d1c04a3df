"""What ``detcost list`` shows."""

from __future__ import annotations

from rich.table import Column, Table
from rich.text import Text

from detcost.errors import UsageError, did_you_mean
from detcost.scenarios import registry
from detcost.settings import grammar
from detcost.settings.levers import LEVERS
from detcost.workers.launch import start_workers


def table(what: str) -> Table:
    """Return the table of scenarios, settings or devices.

    Raises
    ------
    UsageError
        For any other word, or for devices when TensorFlow is not installed.
    """
    kinds = {"scenarios": _scenarios, "settings": _settings, "devices": _devices}
    if what not in kinds:
        raise UsageError(f'cannot list "{what}"{did_you_mean(what, kinds)}; {", ".join(kinds)}')
    return kinds[what]()


def _scenarios() -> Table:
    found = Table("scenario", "family", "core", "types", "what, and its nondeterminism")
    for entry in registry.built_in().values():
        core = "yes" if entry.core else ""
        found.add_row(entry.name, entry.family, core, " ".join(entry.dtypes), entry.summary)
    return found


def _settings() -> Table:
    # A line of code that is wrapped cannot be pasted, and a sentence can spare the width.
    code = Column("code to paste", overflow="fold")
    found = Table("lever", Column("what it does", max_width=72), code)
    found.add_row("default", "nothing but seeds", Text(grammar.DEFAULT.snippet()))
    for lever in LEVERS:
        for word in lever.spellings:
            example = grammar.parse(word.replace("=N", "=1"))
            found.add_row(word, lever.summary, Text(example.snippet()))
    found.add_row("single_thread", "another name for threads=1", "")
    found.add_section()
    found.add_row("a+b", "levers together, such as op_determinism+threads=1+xla", "")
    return found


def _devices() -> Table:
    found = Table("device", "model", "details")
    factory = start_workers()
    try:
        for device in factory.inspection().devices():
            details = ", ".join(f"{key}: {value}" for key, value in device.details.items())
            found.add_row(device.name, device.model or "", details)
    finally:
        factory.close()
    return found
