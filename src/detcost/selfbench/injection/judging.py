"""The verdict on what ``locate`` said of one program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from detcost.locating.schema import Culprit, Location
from detcost.selfbench.injection import journal
from detcost.selfbench.injection.culprits import Planted
from detcost.selfbench.injection.programs import RandomProgram

#: Types of operations that TensorFlow's gradients have, and that race by themselves: ``AddN`` of
#: three or more terms begins with a term whose memory nothing else holds at that moment.
UNPLANTED = ("AddN",)
#: ``named``: the planted operations that differed, and no other. ``missed``: one that differed was
#: not named. ``wrong``: something else was named. ``quiet``: none that is planted differed.
#: ``clean``: nothing is planted, nothing was named. ``false_alarm``: something was.
#: ``undecided``: a type in :data:`UNPLANTED` was named, and nothing tells whether it differed.
Outcome = Literal[
    "named", "missed", "wrong", "quiet", "clean", "false_alarm", "undecided", "failed"
]


class InjectionVerdict(msgspec.Struct, kw_only=True):
    """What ``locate`` said of one program, and what is true.

    Attributes
    ----------
    planted, rates
        The kinds of its culprits, and how often each differs, where that is decided.
    diverged, named
        By number, which of them differed in a run with the probe, and which were named.
    others, unplanted
        What else was named, and what was named that races without being planted.
    hidden
        Whether outputs differed without the probe, and never with it.
    operations
        How many operations ``locate`` watched.
    differs
        Whether the outputs of plain runs differ, without detcost. ``None`` is not known.
    """

    seed: int
    scope: str
    setting: str
    planted: list[str]
    rates: list[float | None]
    outcome: Outcome
    diverged: list[int] = []
    named: list[int] = []
    others: list[str] = []
    unplanted: list[str] = []
    hidden: bool = False
    operations: int = 0
    seconds: float = 0.0
    method: str = "all"
    differs: bool | None = None
    reason: str | None = None


def judge(program: RandomProgram, file: Path, location: Location) -> InjectionVerdict:
    """Compare what ``locate`` named with what is planted, and with what differed."""
    differing = journal.differing(file)
    diverged = [
        each.number
        for each, witness in zip(program.planted, program.witnesses, strict=True)
        if witness in differing
    ]
    matches = [(culprit, _match(program, file, culprit)) for culprit in location.culprits]
    named = sorted({number for _, number in matches if number is not None})
    rest = [culprit for culprit, number in matches if number is None]
    others = [_described(culprit) for culprit in rest if not _races_unplanted(culprit)]
    unplanted = [_described(culprit) for culprit in rest if _races_unplanted(culprit)]
    outcome = _outcome(program, diverged, named, others)
    if unplanted and outcome in ("named", "clean", "quiet"):
        outcome = "undecided"
    verdict = unjudged(program, outcome)
    verdict.diverged, verdict.named, verdict.others = diverged, named, others
    verdict.unplanted = unplanted
    unprobed = location.unprobed.divergent if location.unprobed else 0
    verdict.hidden = unprobed > 0 and not differing
    verdict.operations, verdict.method = location.operations, location.method
    return verdict


def unjudged(
    program: RandomProgram, outcome: Outcome, reason: str | None = None
) -> InjectionVerdict:
    """Return the verdict on a program without a location."""
    return InjectionVerdict(
        seed=program.seed,
        scope=program.scope,
        setting=program.setting,
        planted=[each.kind.name for each in program.planted],
        rates=[each.rate for each in program.planted],
        outcome=outcome,
        reason=reason,
    )


def _outcome(
    program: RandomProgram, diverged: list[int], named: list[int], others: list[str]
) -> Outcome:
    if not program.planted:
        return "false_alarm" if others else "clean"
    if others:
        return "wrong"
    if set(diverged) - set(named):
        return "missed"
    return "named" if named else "quiet"


def _match(program: RandomProgram, file: Path, culprit: Culprit) -> int | None:
    """Return the number of the planted culprit that was named."""
    lines = program.text.splitlines()
    place = re.search(rf"{re.escape(file.name)}:(\d+)", culprit.place[0] if culprit.place else "")
    if not place:
        return None
    line = lines[int(place[1]) - 1]
    for planted in program.planted:
        marked = line.endswith(f"# culprit {planted.number}")
        if marked and _is_answer(planted, culprit):
            return planted.number
    return None


def _is_answer(planted: Planted, culprit: Culprit) -> bool:
    """Whether kind and type are right. A class of a data set has versions, such as ``V4``."""
    kind = culprit.type.lstrip("_")
    right = any(
        kind == each or (each.endswith("Dataset") and kind.startswith(each))
        for each in planted.kind.types
    )
    return right and culprit.kind in planted.kind.answer


def _races_unplanted(culprit: Culprit) -> bool:
    return culprit.type in UNPLANTED and len(culprit.inputs) > 2


def _described(culprit: Culprit) -> str:
    place = culprit.place[0] if culprit.place else "nowhere"
    return f"{culprit.kind} {culprit.type} {culprit.name} of {culprit.graph} at {place}"
