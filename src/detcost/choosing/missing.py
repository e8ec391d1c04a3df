"""The commands that measure the cells and scopes that a question lacks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from detcost.choosing.question import USUAL, Selection
from detcost.evidence.schema import SCOPES, Record

#: The file that commands write to by default.
OUT = "results/more.trials.jsonl"


def commands_to_measure(
    chosen: Selection[Record], survive: Sequence[str], out: str
) -> Iterator[str]:
    """Yield a command for each scenario in which a setting or a scope was not measured.

    A command measures the known scopes again, because only the newest record of a cell counts.

    Parameters
    ----------
    out
        The file to write the evidence to.
    """
    for scenario in chosen.scenarios:
        lacking = [s for s in chosen.settings if _lacks(chosen, scenario, s, survive)]
        if lacking and is_nameable(scenario):
            yield shlex.join(_words(chosen, scenario, lacking, survive, out))


def is_nameable(scenario: str) -> bool:
    """Return whether a command can name a scenario.

    Only untrusted evidence has a name that begins with a dash. A command would read it as an
    option.
    """
    return not scenario.startswith("-")


def _lacks(chosen: Selection[Record], scenario: str, setting: str, survive: Sequence[str]) -> bool:
    return not lacking_scopes(chosen.record(scenario, setting)).isdisjoint(survive)


def lacking_scopes(record: Record | None) -> set[str]:
    """Return the scopes that a measurement would add to a cell."""
    if record is None:
        return set(SCOPES)
    return set(SCOPES) - record.divergence.keys() if record.status == "ok" else set()


def _words(
    chosen: Selection[Record],
    scenario: str,
    lacking: Sequence[str],
    survive: Sequence[str],
    out: str,
) -> list[str]:
    known = {scope for r in chosen.row(scenario) if r for scope in r.divergence}
    scopes = [scope for scope in SCOPES if scope in known | set(survive)]
    where = {"device": chosen.device, "size": chosen.size, "dtype": chosen.dtype}
    return measure_words(scenario, ",".join(lacking), ",".join(scopes), where, out)


def measure_words(
    scenario: str, settings: str, scopes: str, where: Mapping[str, str], out: str
) -> list[str]:
    """Return the words of a command that measures; ``where`` names device, size and dtype."""
    words = ["detcost", "measure", scenario, "--settings", settings]
    words += ["--devices", where["device"], "--scopes", scopes]
    for option, usual in USUAL.items():
        if where[option] != usual:
            words += [f"--{option}", where[option]]
    return [*words, "--out", out]
