"""A question, and the selection of the records that it asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import msgspec

from detcost.errors import UsageError, did_you_mean
from detcost.evidence.reading import latest
from detcost.evidence.schema import ALL_SCOPES, Record
from detcost.scenarios import registry

R = TypeVar("R", bound=Record)

#: The scopes of a question by default: a repeated step, and a fresh process.
USUAL_SCOPES = ("repeat", "process")
USUAL_DEVICE = "CPU:0"
USUAL = {"device": USUAL_DEVICE, "size": "medium", "dtype": "float32"}
#: How many names an error lists before it counts the rest.
LISTED = 12


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question to the evidence.

    Attributes
    ----------
    scenarios
        Names of scenarios or families, or ``all``. One setting must qualify in all of them.
    survive
        Scopes in which the bits must stay.
    max_rate
        Highest tolerable divergence rate. A setting does not qualify if its bound is above the
        rate. ``None`` accepts any bound, but no divergence.
    machine, tensorflow, device, size, dtype
        Which of several. If ``survive`` has ``machine`` and no machine is named, one answer is
        for all machines; likewise for ``version`` and ``tensorflow``. The other defaults are the
        machine measured last that has the device and one of the scenarios, the newest version of
        TensorFlow, device ``CPU:0``, size ``medium`` and type ``float32``. If the evidence has none
        of a default device, size or type, the one measured last takes its place.
    """

    scenarios: tuple[str, ...] = ("all",)
    survive: tuple[str, ...] = USUAL_SCOPES
    max_rate: float | None = None
    machine: str | None = None
    tensorflow: str | None = None
    device: str | None = None
    size: str | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        """Refuse a question that no evidence can answer."""
        if not self.scenarios:
            raise UsageError("no scenario to choose for; name some, a family, or all")
        if not self.survive:
            raise UsageError(f"no scope to survive; name some of {', '.join(ALL_SCOPES)}")
        for scope in self.survive:
            if scope not in ALL_SCOPES:
                advice = did_you_mean(scope, ALL_SCOPES)
                raise UsageError(f'no scope "{scope}"{advice}; there are {", ".join(ALL_SCOPES)}')
        msgspec.structs.force_setattr(self, "survive", tuple(dict.fromkeys(self.survive)))
        if self.max_rate is not None and not 0 < self.max_rate <= 1:
            raise UsageError(f"rate {self.max_rate:g}: must be above 0 and at most 1, such as 0.05")

    @property
    def all_machines(self) -> bool:
        """Whether one answer is for all machines: they must agree, and none is named."""
        return "machine" in self.survive and self.machine is None

    @property
    def all_versions(self) -> bool:
        """Whether one answer is for all versions of TensorFlow: they must agree, none is named."""
        return "version" in self.survive and self.tensorflow is None


@dataclass(frozen=True)
class Selection(Generic[R]):
    """The newest record of every cell of a question: scenarios × settings on one device.

    Attributes
    ----------
    scenarios
        In the order measured.
    """

    scenarios: tuple[str, ...]
    device: str
    size: str
    dtype: str
    records: tuple[R, ...]

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """Every setting measured, the simplest first.

        A setting is omitted if it equals a simpler one in every scenario. For example, ``xla``
        equals ``default`` if XLA means nothing to any of the scenarios.
        """
        named = sorted({record.setting for record in self.records}, key=simplest_first)
        return tuple(s for s in named if any(self._stands_for_itself(n, s) for n in self.scenarios))

    def record(self, scenario: str, setting: str) -> R | None:
        """Return the record of a setting, or ``None`` if it was not measured.

        If some levers mean nothing to the scenario, return the record without these levers.
        """
        record = self._cells.get((scenario, setting))
        if record is None or record.status != "not_applicable":
            return record
        rest = [one for one in setting.split("+") if not self._means_nothing(scenario, one)]
        return self._cells.get((scenario, "+".join(rest) or "default"), record)

    def row(self, scenario: str) -> list[R | None]:
        """Return the scenario's records, one for each setting."""
        return [self.record(scenario, setting) for setting in self.settings]

    def _stands_for_itself(self, scenario: str, setting: str) -> bool:
        record = self.record(scenario, setting)
        return record is not None and record.setting == setting

    def _means_nothing(self, scenario: str, lever: str) -> bool:
        alone = self._cells.get((scenario, lever))
        return alone is not None and alone.status == "not_applicable"

    @cached_property
    def _cells(self) -> dict[tuple[str, str], R]:
        return {(record.scenario, record.setting): record for record in self.records}


def lever_count(setting: str) -> int:
    """Return how many levers the name of a setting has."""
    return 0 if setting == "default" else setting.count("+") + 1


def simplest_first(setting: str) -> tuple[int, str]:
    """Return the sort key that puts settings with few levers first."""
    return lever_count(setting), setting


def select(records: Iterable[R], question: Question) -> Selection[R]:
    """Return the records that a question asks for.

    Raises
    ------
    UsageError
        For a name that is not in the evidence.
    """
    newest = latest(records)
    if not newest:
        raise UsageError("no evidence to choose from; run make bench, or detcost measure --out")
    if question.all_machines or question.all_versions:
        return _of_several(newest, question)
    here = _of_one_machine(newest, question)
    tensorflow = question.tensorflow or max(here, key=lambda record: record.release).tensorflow
    here = keep_only(here, "TensorFlow", lambda record: record.tensorflow, tensorflow)
    return _narrowed(here, question)


def _narrowed(here: Sequence[R], question: Question) -> Selection[R]:
    """Return the records of a question's device, size, type and scenarios."""
    device = question.device or _usual(here, "device")
    here = keep_only(here, "device", lambda record: record.device, device)
    size = question.size or _usual(here, "size")
    here = keep_only(here, "size", lambda record: record.size, size)
    dtype = question.dtype or _usual(here, "dtype")
    here = keep_only(here, "type", lambda record: record.dtype, dtype)
    names = resolve(question.scenarios, {r.scenario: r.family for r in here})
    chosen = tuple(record for record in here if record.scenario in names)
    return Selection(names, device, size, dtype, chosen)


def _of_several(newest: Sequence[R], question: Question) -> Selection[R]:
    """Return the records of all machines, or of all versions of TensorFlow, or of both.

    Of all machines it is the version that the most machines have, unless one is named.
    """
    here = newest if question.all_machines else _of_one_machine(newest, question)
    chosen = _narrowed(here, question)
    if question.all_versions:
        return chosen
    machines = {(record.tensorflow, record.machine_name) for record in chosen.records}
    count = Counter(version for version, _ in machines)
    common = max(chosen.records, key=lambda record: (count[record.tensorflow], record.release))
    wanted = question.tensorflow or common.tensorflow
    kept = keep_only(chosen.records, "TensorFlow", lambda record: record.tensorflow, wanted)
    return _narrowed(kept, question)


def _usual(records: Sequence[Record], field: str) -> str:
    values = [getattr(record, field) for record in records]
    return USUAL[field] if USUAL[field] in values else str(values[-1])


def _of_one_machine(records: Sequence[R], question: Question) -> list[R]:
    """Return the records of the wanted machine, or else of the last one measured that fits.

    If the answer is for all versions of TensorFlow, one with several versions fits better.
    """
    device = question.device or USUAL_DEVICE
    names = {"all", *map(_as_recorded, question.scenarios)}
    fitting = {
        record.machine_name
        for record in records
        if record.device == device and ("all" in question.scenarios or _named(record) & names)
    }
    versions = {(record.machine_name, record.tensorflow) for record in records}
    several = Counter(machine for machine, _ in versions) if question.all_versions else Counter()

    def rank(record: R) -> tuple[bool, bool, str]:
        name = record.machine_name
        return name in fitting, several[name] > 1, record.measured_at

    last = max(records, key=rank)
    wanted = question.machine or last.machine_name
    return keep_only(records, "machine", lambda record: record.machine_name, wanted)


def _named(record: Record) -> set[str]:
    return {record.scenario, record.family}


def keep_only(records: Sequence[R], kind: str, name: Callable[[R], str], wanted: str) -> list[R]:
    """Return the records with a wanted name; refuse a name without records.

    ``kind`` is what the name names, such as ``machine``.
    """
    kept = [record for record in records if name(record) == wanted]
    if not kept:
        known = sorted(set(map(name, records)))
        raise UsageError(
            f'no evidence of {kind} "{wanted}"{did_you_mean(wanted, known)}; '
            f"there is {_listed(known)}"
        )
    return kept


def resolve(wanted: Sequence[str], families: Mapping[str, str]) -> tuple[str, ...]:
    """Return the scenarios that names, families or ``all`` mean.

    ``families`` has the family of each scenario of the evidence. Raises :class:`UsageError` for
    an unknown name.
    """
    known = {"all", *families, *families.values()}
    wanted = [_as_recorded(name) for name in wanted]
    for name in wanted:
        if name not in known:
            raise UsageError(
                f'no evidence of a scenario or family "{name}"{_advice(name, known)}; '
                f"there is {_listed(list(families))}"
            )
    names = set(wanted)
    return tuple(s for s, family in families.items() if names & {s, family, "all"})


def _advice(name: str, known: Iterable[str]) -> str:
    """Return what to do about a name without evidence: measure it, or name a near one."""
    scenarios = registry.built_in()
    if name in scenarios:
        return f"; detcost measure {name} makes some"
    if near := did_you_mean(name, known):
        return near
    if registry.is_external(name):
        return "; measure it first"
    return did_you_mean(name, scenarios) or "; detcost list scenarios shows what can be measured"


def _as_recorded(reference: str) -> str:
    """Return a scenario's name in evidence, which has no folders: ``file.py:name``."""
    source, colon, name = reference.rpartition(":")
    return f"{source.rpartition('/')[2]}{colon}{name}" if source.endswith(".py") else reference


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + rest
