"""What a question asks about and nobody has measured, as the commands that would."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from detcost.choosing.selection import USUAL, Selection
from detcost.evidence.schema import SCOPES, Record


def commands_to_measure(
    chosen: Selection[Record], survive: Sequence[str], out: str
) -> Iterator[str]:
    """Yield a command for each scenario of which some setting or scope was not measured.

    It measures what is known already as well: the newest record of a cell is the one that
    counts.

    Parameters
    ----------
    out
        The file that the evidence should go to.
    """
    for scenario in chosen.scenarios:
        lacking = [s for s in chosen.settings if _lacks(chosen, scenario, s, survive)]
        # No program has a name like that, and a shell would take it for an option.
        if lacking and not scenario.startswith("-"):
            yield shlex.join(_words(chosen, scenario, lacking, survive, out))


def _lacks(chosen: Selection[Record], scenario: str, setting: str, survive: Sequence[str]) -> bool:
    record = chosen.record(scenario, setting)
    if record is None:
        return True
    return record.status == "ok" and not set(survive) <= record.divergence.keys()


def _words(
    chosen: Selection[Record],
    scenario: str,
    lacking: Sequence[str],
    survive: Sequence[str],
    out: str,
) -> list[str]:
    known = {scope for r in chosen.row(scenario) if r for scope in r.divergence}
    scopes = [scope for scope in SCOPES if scope in known | set(survive)]
    words = ["detcost", "measure", scenario, "--settings", ",".join(lacking)]
    words += ["--devices", chosen.device, "--scopes", ",".join(scopes)]
    for option, usual in USUAL.items():
        if getattr(chosen, option) != usual:
            words += [f"--{option}", getattr(chosen, option)]
    return [*words, "--out", out]
