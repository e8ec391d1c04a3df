"""The figures of many verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detcost import intervals
from detcost.selfbench.injection.judging import InjectionVerdict

_HEAD = ("kind", "programs", "differed", "named", "missed", "wrong")


def text(verdicts: Sequence[InjectionVerdict]) -> str:
    """Return the figures as Markdown: by kind, the errors' rate, sizes and times."""
    return "\n\n".join((_by_kind(verdicts), _summary(verdicts)))


def _by_kind(verdicts: Sequence[InjectionVerdict]) -> str:
    kinds = sorted({kind for verdict in verdicts for kind in verdict.planted})
    rows = [_row(kind, verdicts) for kind in kinds]
    clean = [verdict for verdict in verdicts if not verdict.planted]
    alarms = sum(verdict.outcome == "false_alarm" for verdict in clean)
    rows.append(("none planted", str(len(clean)), "", "", "", str(alarms)))
    lines = [_HEAD, ("---",) * len(_HEAD), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(kind: str, verdicts: Sequence[InjectionVerdict]) -> tuple[str, ...]:
    planted = [
        (verdict, number)
        for verdict in verdicts
        for number, each in enumerate(verdict.planted)
        if each == kind
    ]
    differed = [(v, number) for v, number in planted if number in v.diverged]
    named = sum(number in verdict.named for verdict, number in planted)
    missed = sum(number not in verdict.named for verdict, number in differed)
    wrong = sum(verdict.outcome == "wrong" for verdict, _ in planted)
    counts = (len(planted), len(differed), named, missed, wrong)
    return (kind.replace("_", " "), *map(str, counts))


def _summary(verdicts: Sequence[InjectionVerdict]) -> str:
    left_out = ("quiet", "undecided", "failed")
    counted = [verdict for verdict in verdicts if verdict.outcome not in left_out]
    right = sum(verdict.outcome in ("named", "clean") for verdict in counted)
    errors = len(counted) - right
    bound = intervals.rate_or_bound(errors, len(counted)) if counted else None
    quiet, undecided, failed = (
        sum(verdict.outcome == outcome for verdict in verdicts) for outcome in left_out
    )
    hidden = sum(verdict.hidden for verdict in verdicts)
    sets = sum(verdict.method == "sets" for verdict in verdicts)
    most = f"{bound.high:.1%}" if bound and bound.high is not None else "unknown"
    return "\n".join(
        (
            f"* {right} of {len(counted)} programs right, {errors} not (at most {most}, 95 %).",
            f"* In {quiet} more programs, what was planted never differed. {failed} failed.",
            f"* In {hidden} programs, outputs differed only without the probe.",
            f"* In {undecided} more programs, AddN was named. Whether it differed is not known.",
            f"* {sets} programs were searched by sets of outputs.",
            f"* Operations of a program: {_spread([v.operations for v in verdicts])}.",
            f"* Seconds for a program: {_spread([v.seconds for v in verdicts])}.",
        )
    )


def _spread(numbers: Sequence[float]) -> str:
    if not numbers:
        return "none"
    low, median, high = np.quantile(numbers, (0.0, 0.5, 1.0))
    tenth, ninetieth = np.quantile(numbers, (0.1, 0.9))
    return (
        f"median {median:.0f}, from {low:.0f} to {high:.0f}, "
        f"eight of ten between {tenth:.0f} and {ninetieth:.0f}"
    )
