"""Hypotheses: the statements that a claim is made of, each evaluated on evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from detcost.choosing.scope_checks import check_scope, differs_anyway
from detcost.evidence.reading import latest
from detcost.evidence.schema import Evidence
from detcost.settings.grammar import parse
from detcost.tables.evidence_tables import cost_text

#: A growth by less than this factor may come from rounding.
MUCH = 2.0


class EvidenceIndex:
    """Evidence by cell: the record of the newest TensorFlow, and the bits of every version."""

    def __init__(self, records: Iterable[Evidence]):
        self._records: dict[tuple[str, str, str], dict[str, Evidence]] = {}
        for record in latest(records):
            key = (record.scenario, record.setting, record.device)
            self._records.setdefault(key, {})[record.tensorflow] = record

    def find(self, cell: tuple[str, str], device: str) -> Evidence | None:
        """Return the record of a scenario and setting on a device, of the newest TensorFlow."""
        by_version = self._records.get(_key(cell, device), {})
        return max(by_version.values(), key=lambda record: record.release, default=None)

    def digests(self, cell: tuple[str, str], device: str) -> dict[str, str]:
        """Return the digest of a cell's output by version of TensorFlow."""
        by_version = sorted(self._records.get(_key(cell, device), {}).items())
        return {version: record.digest for version, record in by_version if record.digest}


def _key(cell: tuple[str, str], device: str) -> tuple[str, str, str]:
    scenario, setting = cell
    return scenario, parse(setting).name, device


@dataclass(frozen=True)
class Outcome:
    """The result of a hypothesis. ``holds`` is ``None`` if the evidence does not decide it."""

    holds: bool | None
    text: str


class Hypothesis(Protocol):
    """One statement that evidence can confirm or refute."""

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The scenarios and settings of the evidence that it needs."""

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Evaluate it on evidence."""


@dataclass(frozen=True)
class _OfOneCell:
    """The common part of hypotheses about one cell."""

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
        """Evaluate it on evidence."""
        divergent, text = _divergence(self, evidence)
        return Outcome(None if divergent is None else divergent == 0, text)


@dataclass(frozen=True)
class Varies(Stays):
    """The bits do not stay in a scope: a comparison differed because of the scope."""

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Evaluate it on evidence. A cell that races does not decide it."""
        divergent, text = _divergence(self, evidence)
        record = evidence.find(self.cells[0], self.device)
        if divergent is None or (record and differs_anyway(record, self.scope)):
            return Outcome(None, text)
        return Outcome(divergent > 0, text)


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
        """Evaluate it on evidence."""
        places = list(zip(self.cells, self.devices, strict=True))
        names = " and ".join(f"{_name(cell)} on {device}" for cell, device in places)
        records = [evidence.find(cell, device) for cell, device in places]
        digests = [record.digest for record in records if record and record.digest]
        if len(digests) < len(records):
            return Outcome(None, f"{names}: {_unknown(records)}")
        return _compared(names, digests)


@dataclass(frozen=True)
class Differ(Same):
    """Two cells give different bits."""

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Evaluate it on evidence."""
        return _inverted(super().evaluate(evidence))


@dataclass(frozen=True)
class AcrossVersions(_OfOneCell):
    """A cell gives the same bits, or different ones, under every TensorFlow measured."""

    same: bool
    device: str = "CPU:0"

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Evaluate it on evidence. One version does not decide it."""
        [cell] = self.cells
        digests = evidence.digests(cell, self.device)
        if len(digests) < 2:
            return Outcome(None, f"{_name(cell)}: needs two versions of TensorFlow")
        where = f"{_name(cell)}, TensorFlow {' and '.join(digests)}"
        outcome = _compared(where, list(digests.values()))
        return outcome if self.same else _inverted(outcome)


@dataclass(frozen=True)
class Costs(_OfOneCell):
    """A setting costs time: the whole interval lies above the free band."""

    device: str = "CPU:0"

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Evaluate it on evidence. An ambiguous cost does not decide it."""
        [cell] = self.cells
        record = evidence.find(cell, self.device)
        if record is None or record.cost is None or record.cost.ratio is None:
            return Outcome(None, f"{_name(cell)}: {_unknown([record])}")
        verdict = record.cost.verdict
        text = f"{_name(cell)}: {cost_text(record.cost)} times default ({verdict})"
        return Outcome(None if verdict == "ambiguous" else verdict == "costs", text)


@dataclass(frozen=True)
class Grows(_OfOneCell):
    """Two trainings that diverge differ by much more at the end than at their first difference."""

    scope: str
    device: str = "CPU:0"

    def evaluate(self, evidence: EvidenceIndex) -> Outcome:
        """Evaluate it on evidence."""
        [cell] = self.cells
        record = evidence.find(cell, self.device)
        divergence = record.divergence.get(self.scope) if record else None
        severity = divergence.severity if divergence else None
        path = severity.trajectory if severity else None
        where = f"{_name(cell)}, {self.scope}"
        if path is None or path.relative[0] is None or path.relative[-1] is None:
            return Outcome(None, f"{where}: the trainings did not diverge")
        first, last = path.relative[0], path.relative[-1]
        distances = f"{first:.1e} at step {path.first_step} and {last:.1e} at the end"
        return Outcome(last > MUCH * first, f"{where}: apart by {distances}")


def _name(cell: tuple[str, str]) -> str:
    scenario, setting = cell
    return f"{scenario} under {setting}"


def _compared(names: str, digests: Sequence[str]) -> Outcome:
    equal = len(set(digests)) == 1
    return Outcome(equal, f"{names}: {'the same' if equal else 'different'} bits")


def _inverted(outcome: Outcome) -> Outcome:
    return Outcome(None if outcome.holds is None else not outcome.holds, outcome.text)


def _divergence(hypothesis: Stays, evidence: EvidenceIndex) -> tuple[int | None, str]:
    """Return how many comparisons differed, ``None`` if there are none, and the text on them."""
    [cell] = hypothesis.cells
    record = evidence.find(cell, hypothesis.device)
    where = f"{_name(cell)}, {hypothesis.scope}"
    comparison = record.divergence.get(hypothesis.scope) if record else None
    if record is None or comparison is None or not comparison.trials:
        reason = comparison.reason if comparison else None
        return None, f"{where}: {reason or _unknown([record])}"
    check = check_scope(record, hypothesis.scope, None)
    result = check.why or f"0 of {comparison.trials} differed"
    return comparison.divergent, f"{where}: {result}{f' ({check.note})' if check.note else ''}"


def _unknown(records: Iterable[Evidence | None]) -> str:
    """Write why records have no result."""
    for record in records:
        if record is None:
            return "not measured"
        if record.status != "ok":
            return f"{record.status.replace('_', ' ')} ({record.reason})"
    return "not known"
