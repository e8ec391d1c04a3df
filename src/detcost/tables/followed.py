"""What following a program over many steps has shown, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from detcost.evidence.following import FollowedProcess, Following
from detcost.outputs.growth import Growth


def following_texts(following: Following) -> Iterator[str]:
    """Yield a line for each scope, on the process that differs first: ``process: parts at …``."""
    for scope, process in following.by_scope().items():
        yield f"{scope}: {process_text(process, following.steps)}"
    if not following.processes:
        reasons = "; ".join(dict.fromkeys(following.skipped.values()))
        yield f"not followed: {reasons}"


def process_text(process: FollowedProcess, steps: int) -> str:
    """Write where two processes part, and how fast.

    Such as ``parts at step 7 of 200; distance 3e-08 then, 2e-03 at the end; doubles every 9 steps
    [8, 11]``. Processes that are equal again later do not part: ``20 of 40 steps differed, the
    first is step 3``.
    """
    first = process.first_step
    if first is None:
        return f"0 of {steps} steps differed"
    if process.differing == steps - first + 1:
        where = f"parts at step {first} of {steps}"
    else:
        where = f"{process.differing} of {steps} steps differed, the first is step {first}"
    parts = [where, _distances(process), growth_text(process.growth)]
    return "; ".join(part for part in parts if part)


def _distances(process: FollowedProcess) -> str:
    if not process.relative:
        return ""
    first, last = map(_distance, (process.relative[0], process.relative[-1]))
    return "" if first == last == "?" else f"distance {first} then, {last} at the end"


def _distance(relative: float | None) -> str:
    if relative is None:
        return "?"
    return "0" if relative == 0 else f"{relative:.0e}"


def growth_text(growth: Growth | None) -> str:
    """Write a growth with its interval. The text is empty without one.

    The time to double is used if the whole interval shows a growth: ``doubles every 9 steps
    [8, 11]``. Otherwise the factor is: ``× 1.01 [0.98, 1.03] a step``.
    """
    if growth is None:
        return ""
    factors = (growth.factor, growth.high, growth.low)
    if not (1 < growth.low <= growth.factor <= growth.high < 2):
        factor, high, low = (f"{value:.3g}" for value in factors)
        return f"× {factor} [{low}, {high}] a step"
    steps, low, high = (f"{math.log(2) / math.log(value):.2g}" for value in factors)
    return f"doubles every {_plain(steps)} steps [{_plain(low)}, {_plain(high)}]"


def _plain(number: str) -> str:
    """Write a number of two digits without an exponent."""
    return f"{float(number):g}"
