"""Trainings in real workers: they start anew every step, and where two part is found."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from detcost.outputs import digests
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, CellError
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow

USER = str(USER_SCENARIOS)


def cell(name: str, setting: str = "default", size: str = "small") -> Cell:
    return Cell(name, parse(setting), "CPU:0", size=size)


@pytest.fixture
def start(factory):
    """Start workers that are closed when the test is done."""
    workers = []

    def begin(*arguments: str, **options: str):
        workers.append(factory.start(cell(*arguments, **options)))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.close()


def outputs(worker, path: Path) -> list[np.ndarray]:
    """The values of the worker's last step."""
    worker.save_outputs(str(path))
    return [leaf.array for leaf in digests.load(path)]


@pytest.mark.parametrize(
    "name", ["dense_fit_momentum", "dense_loop_rmsprop", "cnn_fit_adam", "cnn_loop_sgd"]
)
def test_a_training_starts_anew_with_every_step(start, name):
    worker = start(name)
    assert {worker.build().digest} == set(worker.repeat(3))


@pytest.mark.parametrize("name", ["dense_fit_adam", "cnn_loop_sgd"])
def test_every_step_of_a_training_moves_the_weights(start, tmp_path, name):
    worker = start(name)
    worker.build()
    (rows,) = outputs(worker, tmp_path / "outputs")
    assert len(rows) == 12  # three epochs of four batches
    assert all((before != after).mean() > 0.5 for before, after in pairwise(rows))


def test_the_last_row_of_a_trajectory_is_the_final_weights(start, tmp_path):
    worker = start(f"{USER}:follows_fit")
    worker.build()
    worker.repeat(2)
    rows, final = outputs(worker, tmp_path / "outputs")
    assert np.array_equal(rows[-1], final[-1])
    assert not np.array_equal(rows[-2], final[-1])


def test_fit_is_not_traced_again_by_the_trainings_that_follow(start, tmp_path):
    worker = start(f"{USER}:counts_traces_of_fit")
    worker.build()
    (first,) = outputs(worker, tmp_path / "first")
    worker.repeat(3)
    (last,) = outputs(worker, tmp_path / "last")
    assert 1 <= first == last


@pytest.mark.parametrize("setting", ["op_determinism", "threads=1", "op_determinism+threads=1+xla"])
def test_a_loop_trains_under_every_lever(start, setting):
    worker = start("cnn_loop_adam", setting)
    assert {worker.build().digest} == set(worker.repeat(2))


def test_fit_under_op_determinism_is_not_said_to_be_compiled(start):
    with pytest.raises(CellError, match="without XLA") as refused:
        start("dense_fit_sgd", "op_determinism+xla").build()
    assert refused.value.status == "not_applicable"


def test_the_step_of_first_divergence_is_found(start, tmp_path):
    worker = start("embedding_training", size="medium")
    digest = worker.build().digest
    (reference,) = outputs(worker, tmp_path / "reference")
    assert any(worker.repeat(1) != [digest] for _ in range(50)), "threads never raced"
    (rows,) = outputs(worker, tmp_path / "outputs")
    found = worker.severity(str(tmp_path / "reference")).trajectory
    pairs = zip(rows, reference, strict=True)
    parted = [ours.tobytes() != theirs.tobytes() for ours, theirs in pairs]
    assert found.first_step == parted.index(True)
    distance = np.linalg.norm((rows - reference)[found.steps].astype(float), axis=1)
    size = np.linalg.norm(reference[found.steps].astype(float), axis=1)
    assert found.relative == pytest.approx(distance / size, rel=1e-6)


def test_what_is_no_training_has_no_trajectory(start, tmp_path):
    worker = start("control_varies")
    worker.build()
    outputs(worker, tmp_path / "reference")
    worker.repeat(1)
    assert worker.severity(str(tmp_path / "reference")).trajectory is None


def test_a_training_that_gives_no_row_a_step_is_told_to(start):
    with pytest.raises(CellError, match=r"gave float32\[\]; stack"):
        start(f"{USER}:forgets_to_stack").build()
