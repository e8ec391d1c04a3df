"""How much sooner a perturbation finds a divergence that is known to be there.

The steps are small ones: at full size nearly every quiet trial diverges already, and
nothing can be sooner than that.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from contextlib import nullcontext

import msgspec

from detcost.experiment import perturbations
from detcost.settings.grammar import DEFAULT
from detcost.workers.contract import UNPERTURBED, Cell, Conditions, WorkerFactory

#: Steps that race by default, and small not in every quiet trial. Scatters are none of them:
#: small ones are done by one thread before another has woken up.
SCENARIOS = ("crop_and_resize_gradient", "interleave_unordered", "batch_unordered")
KINDS = (UNPERTURBED.label, *perturbations.KINDS)


class Found(msgspec.Struct):
    """Repeats tried until the first that differs, over fresh workers.

    ``trials`` counts up to the first divergence of each worker or, where none came, all it
    was allowed; ``found`` counts the workers that diverged.
    """

    found: int = 0
    trials: int = 0

    @property
    def trials_to_first(self) -> float:
        """Mean number of trials to the first divergence; NaN where none was found.

        The maximum-likelihood estimate of a geometric waiting time from censored
        observations: all trials ÷ divergences found.
        """
        return self.trials / self.found if self.found else math.nan


Results = dict[tuple[str, str], Found]


def measure(
    factory: WorkerFactory,
    scenarios: Sequence[str] = SCENARIOS,
    kinds: Sequence[str] = KINDS,
    *,
    workers: int = 6,
    most: int = 100,
    size: str = "small",
    seed: int = 42,
) -> Results:
    """Wait for the first divergence in every condition, one worker at a time.

    Parameters
    ----------
    workers
        Fresh workers for each scenario and kind.
    most
        Repeats after which a worker is given up as having found nothing.

    Returns
    -------
    dict
        Of (scenario, kind); each kind is tried in turn, in a new random order each time.
    """
    chance = random.Random(seed)
    results = {(scenario, kind): Found() for scenario in scenarios for kind in kinds}
    for number in range(workers):
        order = list(results)
        chance.shuffle(order)
        for scenario, kind in order:
            cell = Cell(scenario, DEFAULT, "CPU:0", size=size, seed=seed)
            _wait(factory, cell, _circumstances(kind, seed, number), most, results[scenario, kind])
    return results


def _circumstances(kind: str, seed: int, number: int) -> Conditions:
    return UNPERTURBED if kind == UNPERTURBED.label else perturbations.draw(kind, seed, number)


def _wait(
    factory: WorkerFactory, cell: Cell, conditions: Conditions, most: int, result: Found
) -> None:
    beside = conditions.neighbour
    with factory.neighbour(beside) if beside else nullcontext():
        worker = factory.start(cell, conditions)
        try:
            first = worker.build().digest
            differs = [digest != first for digest in worker.repeat(most)]
        finally:
            worker.close()
    result.found += any(differs)
    result.trials += differs.index(True) + 1 if any(differs) else most
