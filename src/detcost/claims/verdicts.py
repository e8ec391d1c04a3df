"""Verdicts: the result of evidence for each claim. No verdict is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from detcost.choosing.scope_checks import COLD
from detcost.claims.catalogue import CLAIMS, Claim
from detcost.claims.hypotheses import EvidenceIndex, Outcome
from detcost.evidence.schema import Evidence

Word = Literal["holds", "does not hold", "depends on", "not testable here"]


class Verdict(msgspec.Struct, frozen=True):
    """The verdict on a claim.

    Attributes
    ----------
    word
        *holds* or *does not hold* if every hypothesis with an outcome agrees; *depends on* if
        some hold and some do not; *not testable here* if none has an outcome.
    seen_for, seen_against, not_seen
        The outcomes, one line each.
    """

    claim: str
    says: str
    sources: tuple[str, ...]
    word: Word
    seen_for: tuple[str, ...]
    seen_against: tuple[str, ...]
    not_seen: tuple[str, ...]


def verdicts(records: Iterable[Evidence]) -> list[Verdict]:
    """Judge every claim of the catalogue by the evidence, each machine by itself.

    If machines decide a hypothesis alike, the outcome is that of the machine measured last.
    """
    indexes = _by_machine(records)
    return [judge(claim, _outcomes(claim, indexes)) for claim in CLAIMS]


def _by_machine(records: Iterable[Evidence]) -> dict[str, EvidenceIndex]:
    """Return the evidence of each machine, the machine measured last first."""
    newest = sorted(records, key=lambda record: record.measured_at, reverse=True)
    by_machine: dict[str, list[Evidence]] = {}
    for record in newest:
        by_machine.setdefault(record.machine_name, []).append(record)
    return {name: EvidenceIndex(own) for name, own in by_machine.items()}


def _outcomes(claim: Claim, indexes: Mapping[str, EvidenceIndex]) -> Iterator[Outcome]:
    for hypothesis in claim.hypotheses:
        decided: dict[bool, tuple[str, Outcome]] = {}
        for name, index in indexes.items():
            outcome = hypothesis.evaluate(index)
            if outcome.holds is not None:
                decided.setdefault(outcome.holds, (name, outcome))
        if not decided:
            yield hypothesis.evaluate(next(iter(indexes.values()), EvidenceIndex([])))
        for name, outcome in decided.values():
            where = f", on {name}" if len(decided) > 1 else ""
            yield Outcome(outcome.holds, outcome.text + where)


def source(records: Iterable[Evidence]) -> str:
    """Write the basis of the verdicts: machines, versions, the last day, controls, cold steps."""
    known = list(records)
    machines = sorted({f"{r.machine_name} ({r.processor})" for r in known})
    versions = sorted({f"TensorFlow {r.tensorflow}" for r in known})
    days = sorted({r.measured_at[:10] for r in known})
    failures = dict.fromkeys(f for r in known if r.controls for f in r.controls.failures)
    controls = f"CONTROLS FAILED: {', '.join(failures)}" if failures else "controls passed"
    cold = [COLD] if any(r.cold and r.cost for r in known) else []
    return "; ".join([*machines, *versions, *days[-1:], controls, *cold])


def judge(claim: Claim, outcomes: Iterable[Outcome]) -> Verdict:
    """Judge a claim by the outcomes of its hypotheses."""
    texts: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for outcome in outcomes:
        texts[outcome.holds].append(outcome.text)
    return Verdict(
        claim=claim.name,
        says=claim.statement,
        sources=claim.sources,
        word=_word(bool(texts[True]), bool(texts[False])),
        seen_for=tuple(texts[True]),
        seen_against=tuple(texts[False]),
        not_seen=tuple(texts[None]),
    )


def _word(some_for: bool, some_against: bool) -> Word:
    if some_for and some_against:
        return "depends on"
    if some_for or some_against:
        return "holds" if some_for else "does not hold"
    return "not testable here"
