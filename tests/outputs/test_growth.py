"""The growth of the distance between two runs, estimated from simulated distances."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detcost.outputs.growth import FEWEST, estimate


def curve(growth: float, steps: int, start: float = 1e-8, ceiling: float = 1e9) -> list[float]:
    return [min(ceiling, start * growth**step) for step in range(steps)]


@pytest.mark.parametrize("growth", [0.9, 1.0, 1.001, 1.08, 2.0])
def test_an_exact_growth_is_found(growth):
    found = estimate(range(7, 57), curve(growth, 50))
    assert found.factor == pytest.approx(growth)
    assert (found.low, found.high) == pytest.approx((growth, growth))
    assert found.first_step == 7


def test_the_fit_ends_where_the_distance_saturates():
    found = estimate(range(1, 201), curve(1.3, 200, ceiling=1e-2))
    assert found.factor == pytest.approx(1.3, rel=1e-3)
    assert found.last_step == pytest.approx(math.log(1e6) / math.log(1.3), abs=2)


def test_the_fit_begins_after_the_last_equal_step():
    found = estimate(range(1, 61), [1e-3, 0.0, 1e-3, 0.0, *curve(1.1, 56)])
    assert (found.first_step, found.factor) == (5, pytest.approx(1.1))


def test_an_unknown_distance_ends_the_series():
    found = estimate(range(1, 61), [*curve(1.1, 40), None, *curve(0.5, 19)])
    assert found.factor == pytest.approx(1.1)
    assert found.last_step <= 40


@pytest.mark.parametrize(
    "distances",
    [[], [None], [0.0] * 60, [None] * 60, curve(1.1, FEWEST - 1), curve(9, 60, ceiling=1e-2)],
    ids=["nothing", "unknown", "equal", "all unknown", "few", "at once"],
)
def test_without_enough_steps_there_is_no_growth(distances):
    assert estimate(range(1, len(distances) + 1), distances) is None


def test_uneven_steps_give_the_same_growth():
    steps = np.unique(np.geomspace(1, 5000, 200).astype(int))
    found = estimate(steps.tolist(), [1e-8 * 1.002**step for step in steps.tolist()])
    assert found.factor == pytest.approx(1.002)


@pytest.mark.parametrize("saturates", [False, True])
@pytest.mark.parametrize("noise", ["a random walk", "independent", "correlated"])
@pytest.mark.parametrize("steps", [30, 100])
def test_the_interval_covers(noise, steps, saturates):
    """Each simulated curve grows by a half each step, or saturates after two thirds of them."""
    random, runs, rate = np.random.default_rng(1), 60, math.log(1.5)
    held = 0
    for _ in range(runs):
        errors = random.normal(0, 0.2, steps)
        if noise == "a random walk":
            errors = np.cumsum(errors)
        elif noise == "correlated":
            errors = np.convolve(errors, 0.8 ** np.arange(20))[:steps]
        curve = rate * np.arange(steps) + errors
        if saturates:
            level = 2 * rate * steps / 3
            reached = int(np.argmax(curve >= level)) or steps
            curve[reached:] = level + random.normal(0, 0.2, steps - reached)
        found = estimate(range(steps), np.exp(curve).tolist())
        held += found.low <= math.exp(rate) <= found.high
    assert held / runs >= 0.88
