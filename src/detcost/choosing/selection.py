"""Selection: the evidence that a question is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import msgspec

from detcost.errors import UsageError, did_you_mean
from detcost.evidence.reading import latest
from detcost.evidence.schema import SCOPES, Record

R = TypeVar("R", bound=Record)

#: What a program must survive unless more is asked: running again, and in a fresh process.
USUAL_SCOPES = ("repeat", "process")
USUAL = {"size": "medium", "dtype": "float32"}
#: Names listed in an error before it says that there are more.
LISTED = 12


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the evidence.

    Attributes
    ----------
    scenarios
        Names of scenarios or families, or ``all``: one setting must serve all of them.
    survive
        Scopes in which the bits must stay.
    max_rate
        Highest tolerable divergence rate: a bound above it will not do. ``None`` takes any
        bound, of cells that were never seen to diverge.
    machine, tensorflow, size, dtype
        Which of several. Without it the machine measured last is taken, the newest version of
        TensorFlow, size ``medium`` and type ``float32``.
    """

    scenarios: tuple[str, ...] = ("all",)
    device: str = "CPU:0"
    survive: tuple[str, ...] = USUAL_SCOPES
    max_rate: float | None = None
    machine: str | None = None
    tensorflow: str | None = None
    size: str | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no evidence could answer."""
        if not self.scenarios:
            raise UsageError("no scenario to choose for; name some, a family, or all")
        if not self.survive:
            raise UsageError(f"no scope to survive; name some of {', '.join(SCOPES)}")
        for scope in self.survive:
            if scope not in SCOPES:
                advice = did_you_mean(scope, SCOPES)
                raise UsageError(f'no scope "{scope}"{advice}; there are {", ".join(SCOPES)}')
        msgspec.structs.force_setattr(self, "survive", tuple(dict.fromkeys(self.survive)))
        if self.max_rate is not None and not 0 < self.max_rate <= 1:
            raise UsageError(f"rate {self.max_rate:g}: it lies above 0 and is at most 1, as 0.05")


@dataclass(frozen=True)
class Selection(Generic[R]):
    """The newest record of every cell asked about: scenarios × settings on one device.

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
        """Every setting measured, but those whose levers all mean less than they say.

        Where XLA means nothing to any of the scenarios, ``xla`` is ``default`` and no other.
        The simplest come first.
        """
        named = sorted({record.setting for record in self.records}, key=simplest_first)
        return tuple(s for s in named if any(self._stands_for_itself(n, s) for n in self.scenarios))

    def record(self, scenario: str, setting: str) -> R | None:
        """Return the cell that tells of a setting; ``None`` if it was not measured.

        Where some of the levers mean nothing to the scenario, it is the cell without them.
        """
        found = self._cells.get((scenario, setting))
        if found is None or found.status != "not_applicable":
            return found
        words = setting.split("+")
        rest = [word for word in words if not self._means_nothing(scenario, word)]
        simpler = "+".join(rest) or "default"
        return self._cells.get((scenario, simpler), found) if len(rest) < len(words) else found

    def row(self, scenario: str) -> list[R | None]:
        """Return the scenario's cells, a setting each."""
        return [self.record(scenario, setting) for setting in self.settings]

    def _stands_for_itself(self, scenario: str, setting: str) -> bool:
        found = self.record(scenario, setting)
        return found is not None and found.setting == setting

    def _means_nothing(self, scenario: str, lever: str) -> bool:
        alone = self._cells.get((scenario, lever))
        return alone is not None and alone.status == "not_applicable"

    @cached_property
    def _cells(self) -> dict[tuple[str, str], R]:
        return {(record.scenario, record.setting): record for record in self.records}


def lever_count(setting: str) -> int:
    """Return how many levers a setting, as it is written, has."""
    return 0 if setting == "default" else setting.count("+") + 1


def simplest_first(setting: str) -> tuple[int, str]:
    """Return what settings are put in order by."""
    return lever_count(setting), setting


def select(records: Iterable[R], question: Question) -> Selection[R]:
    """Return what a question is about.

    Raises
    ------
    UsageError
        For a name the evidence does not hold.
    """
    newest = latest(records)
    if not newest:
        raise UsageError("no evidence to choose by; run make bench, or detcost measure --out")
    here = _of_one_machine(newest, question.machine)
    tensorflow = question.tensorflow or max(here, key=lambda record: record.release).tensorflow
    here = keep_only(here, "TensorFlow", lambda record: record.tensorflow, tensorflow)
    here = keep_only(here, "device", lambda record: record.device, question.device)
    size = question.size or _usual(here, "size")
    here = keep_only(here, "size", lambda record: record.size, size)
    dtype = question.dtype or _usual(here, "dtype")
    here = keep_only(here, "type", lambda record: record.dtype, dtype)
    names = resolve(question.scenarios, {r.scenario: r.family for r in here})
    chosen = tuple(record for record in here if record.scenario in names)
    return Selection(names, question.device, size, dtype, chosen)


def _usual(records: Sequence[Record], field: str) -> str:
    there = [getattr(record, field) for record in records]
    return USUAL[field] if USUAL[field] in there else str(there[-1])


def _of_one_machine(records: Sequence[R], wanted: str | None) -> list[R]:
    """Keep the records of the machine wanted, or of the one that was measured last."""
    last = max(records, key=lambda record: record.measured_at).machine_name
    return keep_only(records, "machine", lambda record: record.machine_name, wanted or last)


def keep_only(records: Sequence[R], kind: str, word: Callable[[R], str], wanted: str) -> list[R]:
    """Keep the records of a machine, a device, ...; refuse one that there is nothing of."""
    found = [record for record in records if word(record) == wanted]
    if not found:
        known = sorted(set(map(word, records)))
        raise UsageError(
            f'no evidence of {kind} "{wanted}"{did_you_mean(wanted, known)}; '
            f"there is {_listed(known)}"
        )
    return found


def resolve(wanted: Sequence[str], families: Mapping[str, str]) -> tuple[str, ...]:
    """Return the scenarios that names, families or ``all`` stand for.

    ``families`` has the family of each scenario there is. Raises :class:`UsageError` for a
    name that is none of these.
    """
    known = {"all", *families, *families.values()}
    for name in wanted:
        if name not in known:
            advice = did_you_mean(name, known)
            raise UsageError(
                f'no evidence of a scenario or family "{name}"{advice}; there is '
                f"{_listed(list(families))}; detcost measure {name} --out FILE makes some"
            )
    asked = set(wanted)
    return tuple(s for s, family in families.items() if asked & {s, family, "all"})


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + rest
