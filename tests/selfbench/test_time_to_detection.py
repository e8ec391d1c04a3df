"""The wait for the first divergence, with fake workers of known rate."""

from __future__ import annotations

import math

import pytest

from detcost.experiment import perturbations
from detcost.scenarios.registry import built_in
from detcost.selfbench import time_to_detection
from fake_workers import Behaviour, FakeWorkerFactory


def measure(
    flips: float, workers: int = 60, most: int = 100
) -> dict[str, time_to_detection.Detection]:
    factory = FakeWorkerFactory({"default": Behaviour(flips=flips)})
    results = time_to_detection.measure(factory, ["fake"], workers=workers, most=most)
    return {kind: detection for (_, kind), detection in results.items()}


def test_every_kind_is_measured_and_unperturbed_trials_too():
    assert set(measure(0.5, workers=2)) == {"quiet", *perturbations.KINDS}


@pytest.mark.parametrize("rate", [1.0, 0.2, 0.02])
def test_the_wait_is_one_over_the_rate(rate):
    """Even if most workers find no divergence within their repeats."""
    waits = [result.trials_to_first for result in measure(rate, workers=200, most=50).values()]
    assert sum(waits) / len(waits) == pytest.approx(1 / rate, rel=0.1)


def test_without_a_divergence_the_wait_is_unknown():
    detection = measure(0.0, workers=3, most=10)["quiet"]
    assert (detection.diverged, detection.trials) == (0, 30)
    assert math.isnan(detection.trials_to_first)


def test_fresh_workers_of_all_kinds_take_turns():
    factory = FakeWorkerFactory()
    time_to_detection.measure(factory, ["fake"], workers=4, most=1)
    kinds = [conditions.label.partition("=")[0] for _, conditions, _ in factory.conditions]
    a_turn = len(time_to_detection.KINDS)
    turns = [kinds[i : i + a_turn] for i in range(0, len(kinds), a_turn)]
    assert all(sorted(turn) == sorted(time_to_detection.KINDS) for turn in turns)
    assert len({tuple(turn) for turn in turns}) == 4


def test_all_scenarios_are_built_in():
    assert set(time_to_detection.SCENARIOS) <= set(built_in())
