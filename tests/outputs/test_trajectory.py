"""Trajectories: the first step with other bytes, and the curve of relative distances."""

import itertools
import math

import numpy as np
import pytest

from detcost.outputs import trajectory
from detcost.outputs.digests import leaves
from detcost.outputs.trajectory import POINTS, Trajectory, worst

REFERENCE = np.linspace(1, 2, 40 * 6, dtype=np.float32).reshape(40, 2, 3)


def trace(reference: object, outputs: object) -> Trajectory | None:
    return trajectory.trace(leaves(reference), leaves(outputs))


def diverging(step: int, reference: np.ndarray = REFERENCE) -> np.ndarray:
    """Return the reference with an error from a step on, growing by 1/1000 every step."""
    late = np.maximum(0, np.arange(len(reference)) - step + 1)
    return (reference * (1 + late[:, None, None] / 1000)).astype(reference.dtype)


@pytest.mark.parametrize("step", [0, 1, 17, 38, 39])
def test_the_first_step_is_the_first_whose_bytes_differ(step):
    assert trace(REFERENCE, diverging(step)).first_step == step


@pytest.mark.parametrize("position", [(5, 0, 0), (5, 1, 2)])
def test_one_bit_of_one_number_is_a_difference(position):
    outputs = REFERENCE.copy()
    outputs.view(np.uint32)[position] ^= 1
    assert trace(REFERENCE, outputs).first_step == 5


def test_zeros_of_other_signs_diverge_with_distance_zero():
    result = trace(np.zeros((3, 2)), np.array([[0, 0], [0.0, -0.0], [0, 0]]))
    assert result == Trajectory(1, [1, 2], [0, 0])


@pytest.mark.parametrize("step", [0, 1, 17, 27, 28, 29, 38, 39])
def test_evenly_spaced_steps_from_first_to_last_are_recorded(step):
    steps = trace(REFERENCE, diverging(step)).steps
    assert (steps[0], steps[-1]) == (step, 39)
    assert len(steps) == min(POINTS, 40 - step)
    gaps = np.diff(steps)
    assert all(gaps > 0)
    assert np.ptp(gaps) <= 1 if gaps.size else True


def test_the_curve_is_the_relative_distance_at_each_step():
    result = trace(REFERENCE, diverging(30))
    for step, relative in zip(result.steps, result.relative, strict=True):
        assert relative == pytest.approx((step - 29) / 1000, rel=1e-3)


def test_a_training_that_converges_again_is_still_followed():
    outputs = REFERENCE.copy()
    outputs[37] += 1
    assert trace(REFERENCE, outputs).steps == [37, 38, 39]
    assert trace(REFERENCE, outputs).relative[1:] == [0, 0]


def test_the_earliest_step_and_greatest_error_of_outputs_count():
    result = trace([REFERENCE, REFERENCE], [diverging(38), diverging(37)])
    assert result.first_step == 37
    assert result.relative == pytest.approx([0.001, 0.002, 0.003], rel=1e-3)


def test_the_distance_is_unknown_where_a_training_explodes():
    outputs = diverging(37)
    outputs[39, 0, 0] = math.nan
    assert trace(REFERENCE, outputs).relative[-1] is None


def test_equal_trainings_have_no_trajectory():
    assert trace(REFERENCE, REFERENCE.copy()) is None


@pytest.mark.parametrize(
    ("outputs", "answer"),
    [
        (np.ones(4), True),
        ([np.ones(4), np.ones((4, 3), np.int32)], True),
        (np.float32(1), False),
        ([np.float32(1), np.ones(4)], False),
        ([np.ones(4), np.ones(5)], False),
        (np.ones((0, 3)), False),
        (np.array(["a", "b"]), False),
    ],
    ids=["numbers", "two kinds", "a scalar", "one a scalar", "uneven", "no step", "text"],
)
def test_a_trajectory_has_one_leading_axis_of_steps(outputs, answer):
    assert trajectory.is_trajectory(leaves(outputs)) is answer


def test_the_worst_has_the_earliest_step_and_the_greatest_end():
    early, farthest = Trajectory(2, [2, 9], [1e-8, 1e-6]), Trajectory(5, [5, 9], [1e-9, 1e-3])
    assert worst(early, farthest) == Trajectory(2, [5, 9], [1e-9, 1e-3])


def test_a_curve_with_an_unknown_end_counts_as_the_greatest():
    known, unknown = Trajectory(2, [2, 9], [1e-8, 1e9]), Trajectory(5, [5, 9], [1e-9, None])
    assert worst(known, unknown).relative == [1e-9, None]


def test_the_order_of_merging_trajectories_does_not_matter():
    samples = [
        None,
        Trajectory(2, [2, 9], [1e-8, 1e-6]),
        Trajectory(0, [0, 9], [1e-8, 1e-6]),
        Trajectory(5, [5, 9], [1e-9, 1e-6]),
        Trajectory(1, [1, 9], [None, 1e-6]),
        Trajectory(3, [3, 9], [1e-9, None]),
        Trajectory(9, [9], [1e-6]),
    ]
    for a, b, c in itertools.product(samples, repeat=3):
        assert worst(a, b) == worst(b, a)
        assert worst(worst(a, b), c) == worst(a, worst(b, c))
