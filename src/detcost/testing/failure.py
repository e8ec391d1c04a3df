"""The text of a guard that fails: what was counted, and what to do next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from detcost.choosing.scope_checks import percent
from detcost.evidence.schema import Evidence
from detcost.outputs.severity import Severity
from detcost.testing import culprit

if TYPE_CHECKING:
    from detcost.testing.guard import GuardOutcome

__all__ = ["count", "percent", "text"]


def text(outcome: GuardOutcome, *others: str) -> str:
    """Write why a guard failed, what was counted, and the commands to go on with.

    ``others`` are reasons that the outcome itself does not know.
    """
    record = outcome.record
    claim = "was not seen to differ" if outcome.guard.expects_divergence else "is not reproducible"
    counts = [line for line in outcome.counts if line not in outcome.problems]
    if record.status != "ok":
        claim, counts = "could not be compared", []
    elif others:
        claim = "has changed"
    return "\n".join(
        [
            f"{record.scenario} {claim} under {record.setting} on {record.device}",
            *(f"  {line}" for line in (*outcome.problems, *others)),
            *(f"  {line}" for line in counts),
            *(f"  {line}" for scope in outcome.guard.plan.scopes for line in _lines(record, scope)),
            *(f"  {line}" for line in _commands(outcome)),
        ]
    )


def count(record: Evidence, scope: str) -> str:
    """Write how many comparisons of a scope differed, with the interval of their rate."""
    seen = record.divergence.get(scope)
    if seen is None or not seen.trials:
        return f"{scope}: {seen.reason if seen and seen.reason else 'not compared'}"
    counted = f"{scope}: {seen.divergent} of {seen.trials} differed"
    if not seen.divergent:
        return f"{counted} (rate at most {percent(seen.high)}, 95 %)"
    return (
        f"{counted} (rate {percent(seen.rate)}, {percent(seen.low)} to {percent(seen.high)}, 95 %)"
    )


def _lines(record: Evidence, scope: str) -> Iterator[str]:
    """Yield in which conditions the outputs of a scope differ, where first, and how far."""
    if not _differs(record, scope):
        return
    seen = record.divergence[scope]
    if len(seen.variants) > 1:
        yield f"{scope} by condition: " + ", ".join(
            f"{each.label} {each.divergent}/{each.trials}" for each in seen.variants
        )
    call = f"call {seen.first_call}" if seen.first_call is not None else None
    output = seen.severity.outputs[0] if seen.severity and seen.severity.outputs else None
    if first := ", ".join(filter(None, (call, output))):
        yield f"{scope} differs first: {first}"
    if seen.severity and (distance := ", ".join(_distances(seen.severity))):
        yield f"{scope} differs by: {distance}"


def _distances(severity: Severity) -> Iterator[str]:
    if severity.max_ulp is not None:
        yield f"up to {severity.max_ulp} ulp"
    if severity.fraction_differing is not None:
        yield f"{percent(severity.fraction_differing)} of the elements"
    if severity.mean_relative is not None:
        yield f"mean relative error {severity.mean_relative:.1e}"


def _commands(outcome: GuardOutcome) -> Iterator[str]:
    record, scopes = outcome.record, outcome.guard.plan.scopes
    evidence, reference = _from_here(str(outcome.evidence)), _from_here(outcome.reference)
    yield f"evidence: {evidence}"
    if record.status != "ok" or outcome.guard.expects_divergence:
        return
    new = os.path.join(os.path.dirname(evidence), "settings.trials.jsonl")
    device, names = record.device, ",".join(scopes)
    measure = ["detcost", "measure", reference, "--devices", device, "--scopes", names]
    choose = ["detcost", "choose", "--scenario", record.scenario, "--device", device]
    yield "every setting: " + shlex.join([*measure, "--out", new])
    yield "the cheapest: " + shlex.join([*choose, "--survive", names, "--results", new])
    for scope in [scope for scope in scopes if _differs(record, scope)][:1]:
        headline, *facts = culprit.located(reference, record, scope)
        yield f"the operation: {headline}"
        yield from facts
        yield f"its proof, and what cures it: {culprit.command(reference, record, scope)}"


def _from_here(path: str) -> str:
    """Return a path from the working folder, if it lies within."""
    return path.removeprefix(os.path.join(os.getcwd(), ""))


def _differs(record: Evidence, scope: str) -> bool:
    return scope in record.divergence and record.divergence[scope].divergent > 0
