"""The same bits on all machines: the cheapest setting, or else the fewest groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from detcost.choosing.across import Groups, bits_of, groups_of
from detcost.choosing.answers import choose_for
from detcost.choosing.fleet import Fleet, select_fleet
from detcost.choosing.question import USUAL_SCOPES, Question, simplest_first
from detcost.comparison.contrasts import Estimate
from detcost.evidence.schema import Record
from detcost.settings.instruction_sets import newest_set

SURVIVE = (*USUAL_SCOPES, "machine")
#: Properties of a machine that may decide its bits.
PROPERTIES: dict[str, Callable[[Record], Any]] = {
    "instruction sets": lambda record: newest_set("oneDNN", flags_of(record)),
    "processor": lambda record: record.processor,
    "cores": lambda record: record.machine.get("usable_cores"),
}


class CommonBits(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario on all machines that measured it.

    Attributes
    ----------
    machines
        How many machines measured it.
    best, cost, on_each
        The cheapest setting under which all machines give the same bits, its mean cost, and the
        cost on each machine. ``None`` if there is no such setting.
    fewest, groups
        The setting with the fewest groups, the simplest first, and its groups of machines.
    lacking
        Settings that some machine did not measure, and these machines.
    races
        Machines on which that setting races.
    explained, excluded
        What could explain the groups: machines that are equal in it have the same bits. And what
        cannot, because machines that are equal in it have unlike bits.
    """

    scenario: str
    device: str
    size: str
    dtype: str
    tensorflow: str
    machines: int
    best: str | None
    cost: Estimate | None
    on_each: dict[str, Estimate | None]
    fewest: str
    groups: tuple[tuple[str, ...], ...]
    races: tuple[str, ...]
    lacking: dict[str, tuple[str, ...]]
    explained: tuple[str, ...]
    excluded: tuple[str, ...]


def common_bits(
    records: Sequence[Record], device: str | None = None, scenarios: Sequence[str] = ("all",)
) -> list[CommonBits]:
    """Return every scenario that several machines measured on a device.

    Raises
    ------
    UsageError
        If the evidence has no record of the device or of a scenario.
    """
    question = Question(survive=SURVIVE, scenarios=tuple(scenarios), device=device)
    whole = select_fleet(records, question)
    own: dict[str, list[Record]] = {}
    for record in records:
        own.setdefault(record.scenario, []).append(record)
    found = (_of_scenario(own[name], whole, name) for name in whole.first.scenarios)
    return [row for row in found if row]


def _of_scenario(
    records: Sequence[Record], whole: Fleet[Record], scenario: str
) -> CommonBits | None:
    where = {field: getattr(whole.first, field) for field in ("device", "size", "dtype")}
    question = Question(scenarios=(scenario,), survive=SURVIVE, **where)
    fleet = select_fleet(records, question)
    if not fleet.spans("machine"):
        return None
    choice = choose_for(fleet, question)
    found = dict(_groups(fleet, scenario))
    if not found:
        return None
    fewest = min(found, key=lambda setting: (found[setting].count, *simplest_first(setting)))
    first = choice.candidates[0] if choice.best else None
    explained, excluded = explain(found[fewest], _by_machine(fleet, scenario))
    return CommonBits(
        scenario=scenario,
        **where,
        tensorflow=next(iter(fleet.selections)).tensorflow,
        machines=len(fleet.selections),
        best=choice.best,
        cost=first.cost if first else None,
        on_each=first.on_each if first else {},
        fewest=fewest,
        groups=found[fewest].alike,
        races=found[fewest].races,
        lacking=dict(_lacking(fleet, scenario)),
        explained=explained,
        excluded=excluded,
    )


def _groups(fleet: Fleet[Record], scenario: str) -> Iterator[tuple[str, Groups]]:
    """Yield the groups under every setting that all machines of the fleet measured."""
    for setting in fleet.settings:
        seen = {
            platform.machine: bits_of(chosen.record(scenario, setting))
            for platform, chosen in fleet.selections.items()
        }
        known = {machine: bits for machine, bits in seen.items() if bits}
        if len(known) == len(seen):
            yield setting, groups_of(known)


def _lacking(fleet: Fleet[Record], scenario: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for setting in fleet.settings:
        machines = tuple(
            platform.machine
            for platform, chosen in fleet.selections.items()
            if chosen.record(scenario, setting) is None
        )
        if machines:
            yield setting, machines


def _by_machine(fleet: Fleet[Record], scenario: str) -> dict[str, Record]:
    return {
        platform.machine: record
        for platform, chosen in fleet.selections.items()
        for record in chosen.records
        if record.scenario == scenario
    }


def explain(
    groups: Groups, machines: Mapping[str, Record]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which properties could explain groups of machines, and which cannot.

    A property could explain them if machines that are equal in it are in one group.
    """
    if len(groups.alike) < 2:
        return (), ()
    own = {name: number for number, names in enumerate(groups.alike) for name in names}
    versions = sorted({name for machine in own for name in machines[machine].versions})
    ways = {**PROPERTIES, **{name: _version_of(name) for name in versions}}
    right = {word: _explains(own, machines, value) for word, value in ways.items()}
    explained = tuple(word for word in ways if right[word])
    excluded = [word for word in PROPERTIES if not right[word]]
    if not any(right[name] for name in versions):
        excluded.append("versions of packages")
    return explained, tuple(excluded)


def _explains(
    groups: Mapping[str, int], machines: Mapping[str, Record], value: Callable[[Record], Any]
) -> bool:
    """Return whether machines with an equal property are in one group."""
    values = {name: str(value(machines[name])) for name in groups}
    return len({(values[name], groups[name]) for name in groups}) == len(set(values.values()))


def _version_of(package: str) -> Callable[[Record], Any]:
    return lambda record: record.versions.get(package)


def flags_of(record: Record) -> frozenset[str]:
    """Return the instruction sets of a record's processor, in Linux's spelling."""
    flags = record.machine.get("cpu_flags")
    return frozenset(map(str, flags)) if isinstance(flags, list) else frozenset()
