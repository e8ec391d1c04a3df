"""Asks: what must be seen for a claim to hold, each put to the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from detcost.choosing.scope_checks import check_scope, differs_anyway
from detcost.evidence.reading import latest
from detcost.evidence.schema import Evidence
from detcost.settings.grammar import parse
from detcost.tables.evidence_tables import cost_text

#: How many times as large is much larger, and no accident of rounding.
MUCH = 2.0


class EvidenceIndex:
    """Evidence by cell: that of the newest TensorFlow, and every version's bits."""

    def __init__(self, records: Iterable[Evidence]):
        self._records: dict[tuple[str, str, str], dict[str, Evidence]] = {}
        for record in latest(records):
            key = (record.scenario, record.setting, record.device)
            self._records.setdefault(key, {})[record.tensorflow] = record

    def find(self, cell: tuple[str, str], device: str) -> Evidence | None:
        """Return the record of a scenario and setting on a device, of the newest TensorFlow."""
        found = self._records.get(_key(cell, device), {})
        return max(found.values(), key=lambda record: record.release, default=None)

    def versions(self, cell: tuple[str, str], device: str) -> dict[str, str]:
        """Return the digest of its output by version of TensorFlow."""
        found = self._records.get(_key(cell, device), {})
        return {version: r.digest for version, r in sorted(found.items()) if r.digest}


def _key(cell: tuple[str, str], device: str) -> tuple[str, str, str]:
    scenario, setting = cell
    return scenario, parse(setting).name, device


@dataclass(frozen=True)
class Outcome:
    """What the evidence answers to one ask; ``holds`` is ``None`` where it says nothing."""

    holds: bool | None
    words: str


class Hypothesis(Protocol):
    """One thing that must be seen."""

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The scenarios and settings it asks about."""

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Answer it from evidence."""


@dataclass(frozen=True)
class _OfOneCell:
    """What asks about one cell have in common."""

    scenario: str
    setting: str

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The one cell."""
        return ((self.scenario, self.setting),)


@dataclass(frozen=True)
class Stays(_OfOneCell):
    """The bits stay in a scope: no comparison differed."""

    scope: str
    device: str = "CPU:0"

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Answer it from evidence."""
        divergent, words = _divergence(self, evidence)
        return Outcome(None if divergent is None else divergent == 0, words)


@dataclass(frozen=True)
class Varies(Stays):
    """The bits do not stay in a scope: some comparison differed, and would not anyway."""

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Answer it from evidence."""
        divergent, words = _divergence(self, evidence)
        record = evidence.find(self.cells[0], self.device)
        if divergent is None or (record and differs_anyway(record, self.scope)):
            return Outcome(None, words)
        return Outcome(divergent > 0, words)


@dataclass(frozen=True)
class Same:
    """Two cells give the same bits."""

    one: tuple[str, str]
    other: tuple[str, str]
    devices: tuple[str, str] = ("CPU:0", "CPU:0")

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """Both cells."""
        return (self.one, self.other)

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Answer it from evidence."""
        found = [evidence.find(*at) for at in zip(self.cells, self.devices, strict=True)]
        names = " and ".join(
            f"{scenario} under {setting} on {device}"
            for (scenario, setting), device in zip(self.cells, self.devices, strict=True)
        )
        digests = [record.digest for record in found if record and record.digest]
        if len(digests) < len(found):
            return Outcome(None, f"{names}: {_unknown(found)}")
        return _compared(names, digests)


@dataclass(frozen=True)
class Differ(Same):
    """Two cells give different bits."""

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Answer it from evidence."""
        return _inverted(super().evaluate(evidence))


@dataclass(frozen=True)
class AcrossVersions(_OfOneCell):
    """A cell gives the same bits, or others, under every TensorFlow it was measured with."""

    same: bool
    device: str = "CPU:0"

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Answer it from evidence of two versions or more."""
        by_version = evidence.versions(self.cells[0], self.device)
        where = f"{self.scenario} under {self.setting}, TensorFlow {' and '.join(by_version)}"
        if len(by_version) < 2:
            return Outcome(None, f"{where or 'none'}: two versions must be measured")
        seen = _compared(where, list(by_version.values()))
        return seen if self.same else _inverted(seen)


@dataclass(frozen=True)
class Costs(_OfOneCell):
    """A setting costs time: the whole interval lies above the free band."""

    device: str = "CPU:0"

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Answer it from evidence; an ambiguous cost is no answer."""
        record = evidence.find(self.cells[0], self.device)
        where = f"{self.scenario} under {self.setting}"
        if record is None or record.cost is None or record.cost.ratio is None:
            return Outcome(None, f"{where}: {_unknown([record])}")
        words = f"{where}: {cost_text(record.cost)} times default ({record.cost.verdict})"
        if record.cost.verdict == "ambiguous":
            return Outcome(None, words)
        return Outcome(record.cost.verdict == "costs", words)


@dataclass(frozen=True)
class Grows(_OfOneCell):
    """Two trainings that part differ by much more at their end than where they part."""

    scope: str
    device: str = "CPU:0"

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Answer it from evidence."""
        record = evidence.find(self.cells[0], self.device)
        found = record.divergence.get(self.scope) if record else None
        path = found.severity.trajectory if found and found.severity else None
        where = f"{self.scenario} under {self.setting}, {self.scope}"
        if path is None or path.relative[0] is None or path.relative[-1] is None:
            return Outcome(None, f"{where}: the trainings did not part")
        first, last = path.relative[0], path.relative[-1]
        words = f"{where}: apart by {first:.1e} at step {path.first_step} and {last:.1e} at the end"
        return Outcome(last > MUCH * first, words)


def _compared(names: str, digests: Sequence[str]) -> Outcome:
    equal = len(set(digests)) == 1
    return Outcome(equal, f"{names}: {'the same' if equal else 'other'} bits")


def _inverted(seen: Outcome) -> Outcome:
    return Outcome(None if seen.holds is None else not seen.holds, seen.words)


def _divergence(ask: Stays, evidence: EvidenceIndex) -> tuple[int | None, str]:
    record = evidence.find(ask.cells[0], ask.device)
    where = f"{ask.scenario} under {ask.setting}, {ask.scope}"
    found = record.divergence.get(ask.scope) if record else None
    if record is None or found is None or not found.trials:
        return None, f"{where}: {found.reason if found and found.reason else _unknown([record])}"
    seen = check_scope(record, ask.scope, None)
    words = seen.why or f"0 of {found.trials} differed"
    return found.divergent, f"{where}: {words}{f' ({seen.note})' if seen.note else ''}"


def _unknown(records: Iterable[Evidence | None]) -> str:
    for record in records:
        if record is None:
            return "not measured"
        if record.status != "ok":
            return f"{record.status.replace('_', ' ')} ({record.reason})"
    return "not known"
