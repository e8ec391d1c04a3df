"""What ``locate`` found in one sentence, and counts as it writes them."""

from __future__ import annotations

from collections.abc import Iterable

from detcost.choosing.scope_checks import percent
from detcost.locating.schema import Culprit, Location, Rate


def headline(location: Location) -> str:
    """Write in a sentence which operation is the first to differ, or that none is known."""
    if len(location.culprits) > 1:
        names = listed(map(_name, location.culprits))
        return f"{len(location.culprits)} origins differ between {location.compared}: {names}."
    if location.culprits:
        return f"{sentence(location, location.culprits[0])}."
    between = f"between {location.compared}"
    if location.probed.divergent:
        seen = counted(location.probed)
        return f"The step differs {between} in {seen}, and no operation could be named."
    if location.unprobed and location.unprobed.divergent:
        return (
            f"The step differs {between} in {counted(location.unprobed)} without the probe, and "
            f"in {counted(location.probed)} with it: watching hides the difference."
        )
    return f"Nothing differed {between}: {counted(location.probed)}."


def rate_text(rate: Rate) -> str:
    """Write a count with its rate: ``37 of 120 = 31 % [23, 40]``, ``0 of 120 ≤ 2.5 %``."""
    count = f"{rate.divergent} of {rate.trials}"
    if not rate.trials:
        return count
    if not rate.divergent:
        return f"{count} ≤ {percent(rate.high)}"
    low, high = (percent(end).removesuffix(" %") for end in (rate.low, rate.high))
    return f"{count} = {percent(rate.divergent / rate.trials)} [{low}, {high}]"


def counted(rate: Rate) -> str:
    """Write a count for a sentence: ``37 of 120 comparisons (31 %; 95 %: 23 to 40 %)``."""
    count = f"{rate.divergent} of {rate.trials} comparisons"
    if not rate.trials:
        return count
    if not rate.divergent:
        return f"{count} (rate at most {percent(rate.high)}, 95 %)"
    low = percent(rate.low).removesuffix(" %")
    share = percent(rate.divergent / rate.trials)
    return f"{count} ({share}; 95 %: {low} to {percent(rate.high)})"


def _name(culprit: Culprit) -> str:
    what = _NO_OPERATIONS.get(culprit.kind, culprit.type)
    return f"{what} at {line(culprit.place[0])}" if culprit.place else what


def sentence(location: Location, culprit: Culprit) -> str:
    """Write of one culprit what it is, between what it differs, and how often."""
    between = f"differs between {location.compared}"
    seen = counted(culprit.rate)
    at = f" at {line(culprit.place[0])}" if culprit.place else ""
    if culprit.kind == "python":
        return (
            f"A value that Python code gives{at} {between}, in {seen}. It enters there, and no "
            "operation is to blame"
        )
    if culprit.kind == "decision":
        return (
            f"{culprit.type}{at} does not run equally often in {location.compared}, in {seen}. "
            "Python code, or what was not watched, decides that. No watched operation is to blame"
        )
    what = _KINDS[culprit.kind]
    return (
        f"{culprit.type}{at} is the first {what} that {between}: its inputs were equal, and its "
        f"outputs differed in {seen}"
    )


_NO_OPERATIONS = {"python": "a value from Python", "decision": "how often a line runs"}
_KINDS = {
    "operation": "operation",
    "transformation": "transformation of the pipeline",
    "function": "compiled function",
}


def line(place: str) -> str:
    """Return ``model.py:41`` of ``model.py:41 in step``."""
    return place.rsplit(" in ", 1)[0]


def listed(words: Iterable[str]) -> str:
    """Write words as ``a, b and c``."""
    *start, end = words
    return f"{', '.join(start)} and {end}" if start else end


def plural(count: int, noun: str, ending: str = "s") -> str:
    """Write a count with its noun."""
    return f"{count} {noun}{'' if count == 1 else ending}"
