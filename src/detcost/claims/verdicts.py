"""Verdicts: what a run makes of a claim. None is written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from detcost.choosing.scope_checks import COLD
from detcost.claims.catalogue import CLAIMS, Claim
from detcost.claims.hypotheses import EvidenceIndex, Outcome
from detcost.evidence.schema import Evidence

Word = Literal["holds", "does not hold", "depends on", "not testable here"]


class Verdict(msgspec.Struct, frozen=True):
    """What was seen of a claim.

    Attributes
    ----------
    word
        *holds* or *does not hold* where all that was seen says so; *depends on* where some does
        and some does not; *not testable here* where nothing could be seen.
    seen_for, seen_against, not_seen
        What was seen, a line each.
    """

    claim: str
    says: str
    sources: tuple[str, ...]
    word: Word
    seen_for: tuple[str, ...]
    seen_against: tuple[str, ...]
    not_seen: tuple[str, ...]


def verdicts(records: Iterable[Evidence]) -> list[Verdict]:
    """Judge every claim of the catalogue by the evidence."""
    cells = EvidenceIndex(records)
    return [judge(claim, [ask.evaluate(cells) for ask in claim.asks]) for claim in CLAIMS]


def source(records: Iterable[Evidence]) -> str:
    """Say what the verdicts rest on: machines, versions, days, controls, cold steps."""
    known = list(records)
    machines = sorted({f"{r.machine_name} ({r.machine.get('cpu')})" for r in known})
    versions = sorted({f"TensorFlow {r.tensorflow}" for r in known})
    days = sorted({r.measured_at[:10] for r in known})
    failures = dict.fromkeys(f for r in known if r.controls for f in r.controls.failures)
    controls = f"CONTROLS FAILED: {', '.join(failures)}" if failures else "controls passed"
    cold = [COLD] if any(r.cold and r.cost for r in known) else []
    return "; ".join([*machines, *versions, *days[-1:], controls, *cold])


def judge(claim: Claim, seen: Iterable[Outcome]) -> Verdict:
    """Judge a claim by what was seen."""
    answers = list(seen)
    told = {
        holds: tuple(answer.words for answer in answers if answer.holds is holds)
        for holds in (True, False, None)
    }
    return Verdict(
        claim=claim.name,
        says=claim.says,
        sources=claim.sources,
        word=_word(bool(told[True]), bool(told[False])),
        seen_for=told[True],
        seen_against=told[False],
        not_seen=told[None],
    )


def _word(some_for: bool, some_against: bool) -> Word:
    if some_for and some_against:
        return "depends on"
    if some_for or some_against:
        return "holds" if some_for else "does not hold"
    return "not testable here"
