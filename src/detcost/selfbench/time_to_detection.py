"""Measures how much sooner a perturbation finds a known divergence.

The steps are small. At full size nearly every unperturbed trial diverges, so that no perturbation
can find a divergence sooner.
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

#: Scenarios that race by default, and at a small size not in every unperturbed trial. Scatters do
#: not qualify: one thread finishes a small one before another thread wakes up.
SCENARIOS = ("crop_and_resize_gradient", "interleave_unordered", "batch_unordered")
KINDS = (UNPERTURBED.label, *perturbations.KINDS)


class Detection(msgspec.Struct):
    """Repeats until the first one that differs, over fresh workers.

    Attributes
    ----------
    diverged
        The number of workers that diverged.
    trials
        The repeats up to the first divergence of each worker, or all repeats without divergence.
    """

    diverged: int = 0
    trials: int = 0

    @property
    def trials_to_first(self) -> float:
        """The mean number of trials to the first divergence; NaN if no worker diverged.

        This is the maximum-likelihood estimate of a geometric waiting time from censored
        observations: trials ÷ divergences.
        """
        return self.trials / self.diverged if self.diverged else math.nan


#: The result of each scenario and kind of perturbation.
Results = dict[tuple[str, str], Detection]


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

    The order of scenarios and kinds is random, and new for each of the workers.

    Parameters
    ----------
    workers
        Fresh workers for each scenario and kind.
    most
        The maximum number of repeats of a worker.
    """
    chance = random.Random(seed)
    results = {(scenario, kind): Detection() for scenario in scenarios for kind in kinds}
    for number in range(workers):
        order = list(results)
        chance.shuffle(order)
        for scenario, kind in order:
            cell = Cell(scenario, DEFAULT, "CPU:0", size=size, seed=seed)
            _wait(factory, cell, _conditions(kind, seed, number), most, results[scenario, kind])
    return results


def _conditions(kind: str, seed: int, number: int) -> Conditions:
    return UNPERTURBED if kind == UNPERTURBED.label else perturbations.draw(kind, seed, number)


def _wait(
    factory: WorkerFactory, cell: Cell, conditions: Conditions, most: int, result: Detection
) -> None:
    kind = conditions.neighbour
    with factory.neighbour(kind) if kind else nullcontext():
        worker = factory.start(cell, conditions)
        try:
            first = worker.build().digest
            differs = [digest != first for digest in worker.repeat(most)]
        finally:
            worker.close()
    result.diverged += any(differs)
    result.trials += differs.index(True) + 1 if any(differs) else most
