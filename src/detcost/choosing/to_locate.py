"""The commands that locate which operation differs, where no setting keeps the bits."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from detcost.choosing.fleet import Fleet
from detcost.choosing.missing import is_nameable
from detcost.choosing.question import USUAL, simplest_first
from detcost.choosing.scope_checks import lowest_rate
from detcost.evidence.schema import OWN_SCOPES, SCOPES, Record

#: Options of ``locate``, and the values that a command leaves out.
_USUAL = {"setting": "default", **USUAL, "seed": 42}


def command(scenario: str, scope: str, **where: str | int) -> str:
    """Return the command that locates in a scope.

    ``where`` has the setting, device, size, dtype and seed. Usual values are left out.
    """
    words = ["detcost", "locate", scenario, "--scope", scope]
    for option, usual in _USUAL.items():
        if (value := where.get(option, usual)) != usual:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def commands(fleet: Fleet[Record], survive: Sequence[str]) -> Iterator[str]:
    """Yield a command for each scenario that differed under every setting; see :func:`first`.

    Of several machines it is for the first one on which that is so.
    """
    for scenario in fleet.first.scenarios:
        rows = ([r for r in one.row(scenario) if r] for one in fleet.selections.values())
        line = next(filter(None, (first(row, survive) for row in rows)), None)
        if line:
            yield line


def first(records: Sequence[Record], survive: Sequence[str]) -> str | None:
    """Return the command for one scenario, of which some settings were measured.

    It names the simplest setting and the first scope in which that one differed. The command is
    ``None`` if some setting was not seen to differ in the scopes that must survive.
    """
    measured = sorted(
        (record for record in records if record.status == "ok"),
        key=lambda record: simplest_first(record.setting),
    )
    scopes = [_first_scope(record, survive) for record in measured]
    if not scopes or scopes[0] is None or None in scopes or not is_nameable(measured[0].scenario):
        return None
    one = measured[0]
    return command(
        *(one.scenario, scopes[0]),
        setting=one.setting,
        device=one.device,
        size=one.size,
        dtype=one.dtype,
        seed=one.seed,
    )


def _first_scope(record: Record, survive: Sequence[str]) -> str | None:
    """Return the first scope in which a cell differed against what its scenario expects.

    A cell that differs with nothing changed is located there, whatever must survive.
    """
    for scope in SCOPES:
        comparison = record.divergence.get(scope)
        asked = scope in survive or scope in OWN_SCOPES
        if asked and comparison and comparison.divergent and lowest_rate(record, scope) is None:
            return scope
    return None
