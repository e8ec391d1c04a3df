"""The commands that measure the cells and scopes that a question lacks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from detcost.choosing.across import Platform
from detcost.choosing.fleet import Fleet
from detcost.choosing.question import USUAL
from detcost.choosing.scope_checks import ELSEWHERE
from detcost.evidence.schema import ALL_SCOPES, DERIVED_SCOPES, OWN_SCOPES, SCOPES, Record

#: The file that commands write to by default.
OUT = "results/more.trials.jsonl"


def commands_to_measure(
    fleet: Fleet[Record], survive: Sequence[str], out: str
) -> dict[str, list[str]]:
    """Return commands for the scenarios in which a setting or a scope was not measured.

    A command measures the known scopes again, because only the newest record of a cell counts.

    Parameters
    ----------
    out
        The file to write the evidence to.

    Returns
    -------
    dict
        By where to run them: ``""`` is the machine of the answer. If there are several, or if only
        another machine can add what is missing, it is a phrase such as ``on another machine``.
    """
    commands: dict[str, list[str]] = {}
    for platform, chosen in fleet.selections.items():
        here = "" if fleet.is_single else f"on {fleet.name(platform)}"
        for scenario in filter(is_nameable, chosen.scenarios):
            for where, settings in _lacking(fleet, platform, scenario, survive, here):
                words = _words(fleet, platform, scenario, settings, survive, out)
                commands.setdefault(where, []).append(shlex.join(words))
    return commands


def _lacking(
    fleet: Fleet[Record], platform: Platform, scenario: str, survive: Sequence[str], here: str
) -> Iterator[tuple[str, list[str]]]:
    """Yield where settings must be measured, and these settings."""
    cells = {s: fleet.selections[platform].record(scenario, s) for s in fleet.settings}
    lacking = {s: lacking_scopes(record) & set(survive) for s, record in cells.items()}
    wanted = {here: [s for s in cells if cells[s] is None or lacking[s] & set(SCOPES)]}
    for scope, elsewhere in ELSEWHERE.items():
        if not fleet.spans(scope):
            wanted[elsewhere] = [s for s in cells if cells[s] and scope in lacking[s]]
    for where, settings in wanted.items():
        if settings:
            yield where, settings


def is_nameable(scenario: str) -> bool:
    """Return whether a command can name a scenario.

    Only untrusted evidence has a name that begins with a dash. A command would read it as an
    option.
    """
    return not scenario.startswith("-")


def lacking_scopes(record: Record | None) -> set[str]:
    """Return the scopes that a measurement would add to a cell."""
    if record is None:
        return set(SCOPES)
    return set(ALL_SCOPES) - record.divergence.keys() if record.status == "ok" else set()


def _words(
    fleet: Fleet[Record],
    platform: Platform,
    scenario: str,
    lacking: Sequence[str],
    survive: Sequence[str],
    out: str,
) -> list[str]:
    chosen = fleet.selections[platform]
    cells = [chosen.record(scenario, setting) for setting in fleet.settings]
    known = {scope for r in cells if r for scope in r.divergence}
    if set(survive) & set(DERIVED_SCOPES):
        known |= set(OWN_SCOPES)  # bits can be compared elsewhere only if they do not race
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
