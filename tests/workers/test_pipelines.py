"""Pipelines in real workers: the order of elements, and races for an augmentation's numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detcost.outputs import digests
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell
from detcost.workers.launch import ForkWorkerFactory

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def outputs(factory: ForkWorkerFactory, tmp_path: Path) -> Callable[[str], list[np.ndarray]]:
    """Return the outputs of a scenario's first step."""

    def run(name: str) -> list[np.ndarray]:
        worker = factory.start(Cell(name, parse("default"), "CPU:0", size="small"))
        worker.build()
        worker.save_outputs(str(tmp_path / name))
        worker.close()
        return [leaf.array for leaf in digests.load(tmp_path / name)]

    return run


@pytest.fixture
def distinct(factory: ForkWorkerFactory) -> Callable[..., int]:
    """Return the number of distinct outputs of ten steps in one process."""

    def run(name: str, setting: str = "default", size: str = "small") -> int:
        worker = factory.start(Cell(name, parse(setting), "CPU:0", size=size))
        steps = {worker.build().digest, *worker.repeat(9)}
        worker.close()
        return len(steps)

    return run


def test_a_shuffle_repeats_its_order_unless_it_reshuffles(outputs):
    same, again = outputs("shuffle_same_each_epoch")
    first, second = outputs("shuffle_reshuffled")
    assert np.array_equal(same, again)
    assert not np.array_equal(first, second)
    for order in (same, first, second):
        assert sorted(order) == list(range(100))


def test_an_interleave_alternates_between_sources_of_its_cycle(outputs):
    (one,), (four,) = outputs("interleave_cycle_1"), outputs("interleave_cycle_4")
    assert list(one) == list(range(32))
    assert list(four[:8]) == [0, 4, 8, 12, 1, 5, 9, 13]  # eight sources of four numbers each
    assert sorted(four) == list(one)


@pytest.mark.parametrize(
    "name", ["augment_image_data_generator", "augment_keras_layers", "augment_tf_data_stateless"]
)
def test_an_augmentation_restarts_with_every_step(distinct, name):
    assert distinct(name) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("augment_image_data_generator", "augment_keras_layers", "augment_tf_data_stateless"),
        "augment_keras_layers_in_tf_data",
    ],
)
def test_an_augmentation_makes_distinct_images(outputs, name):
    (images,) = outputs(name)
    images = images.reshape(-1, 16 * 16 * 3)
    assert len(np.unique(images, axis=0)) == 32
    assert np.isfinite(images).all()
    assert images.min() >= -1e-6
    assert images.max() <= 1 + 1e-6


def test_op_determinism_stops_a_race_of_layers_in_a_map(distinct):
    assert distinct("augment_keras_layers_in_tf_data") > 1
    assert distinct("augment_keras_layers_in_tf_data", "op_determinism") == 1
