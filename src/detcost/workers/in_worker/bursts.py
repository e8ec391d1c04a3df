"""Bursts: steps that are timed together, once the worker has settled."""

from __future__ import annotations

import math
from collections.abc import Callable

from detcost.workers.contract import Burst

#: A step that lasts this many times the settling time needs no settling.
LONG_STEP = 100


def timed_burst(run: Callable[[int], float], known: float, settle: float, seconds: float) -> Burst:
    """Run for ``settle`` seconds, then time steps for ``seconds``, but at least one step.

    A step after idleness takes longer than the same step in a loop: caches, the scheduler's
    load estimate and the other cores must settle. A step longer than :data:`LONG_STEP`
    times ``settle`` is timed at once, since only its beginning is affected.

    Parameters
    ----------
    run
        A function that runs consecutive steps and returns their seconds.
    known
        The seconds of the last step, for a step that needs no settling.
    """
    first = last = known
    left = settle if first < LONG_STEP * settle else 0.0
    spent = 0.0
    while spent < left:
        last = run(1)
        first = last if spent == 0.0 else first
        spent += last
    steps = max(1, math.ceil(seconds / max(last, 1e-9)))
    step = run(steps) / steps
    return Burst(step, first if spent else step)
