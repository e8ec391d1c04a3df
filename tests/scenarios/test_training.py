"""Trainings in real workers: every step restarts, and the step of divergence is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from detcost.outputs import digests
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, CellError
from detcost.workers.launch import ForkWorkerFactory
from detcost.workers.process import ProcessWorker
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow

USER = str(USER_SCENARIOS)


def cell(name: str, setting: str = "default", size: str = "small") -> Cell:
    return Cell(name, parse(setting), "CPU:0", size=size)


@pytest.fixture
def start(factory: ForkWorkerFactory) -> Iterator[Callable[..., ProcessWorker]]:
    """Start workers that close at the end of the test."""
    workers = []

    def begin(*arguments: str, **options: str) -> ProcessWorker:
        workers.append(factory.start(cell(*arguments, **options)))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.close()


def outputs(worker: ProcessWorker, path: Path) -> list[np.ndarray]:
    """Return the outputs of the worker's last step."""
    worker.save_outputs(str(path))
    return [leaf.array for leaf in digests.load(path)]


@pytest.mark.parametrize(
    "name", ["dense_fit_momentum", "dense_loop_rmsprop", "cnn_fit_adam", "cnn_loop_sgd"]
)
def test_a_training_restarts_with_every_step(start, name):
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


def test_later_trainings_do_not_trace_fit_again(start, tmp_path):
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


def test_compiled_fit_does_not_apply_under_op_determinism(start):
    with pytest.raises(CellError, match="does not use XLA") as refused:
        start("dense_fit_sgd", "op_determinism+xla").build()
    assert refused.value.status == "not_applicable"


def test_the_step_of_first_divergence_is_found(start, tmp_path):
    worker = start("embedding_training", size="medium")
    digest = worker.build().digest
    (reference,) = outputs(worker, tmp_path / "reference")
    assert any(worker.repeat(1) != [digest] for _ in range(50)), "threads never raced"
    (rows,) = outputs(worker, tmp_path / "outputs")
    trajectory = worker.severity(str(tmp_path / "reference")).trajectory
    pairs = zip(rows, reference, strict=True)
    differs = [ours.tobytes() != theirs.tobytes() for ours, theirs in pairs]
    assert trajectory.first_step == differs.index(True)
    distance = np.linalg.norm((rows - reference)[trajectory.steps].astype(float), axis=1)
    size = np.linalg.norm(reference[trajectory.steps].astype(float), axis=1)
    assert trajectory.relative == pytest.approx(distance / size, rel=1e-6)


def test_other_scenarios_have_no_trajectory(start, tmp_path):
    worker = start("control_varies")
    worker.build()
    outputs(worker, tmp_path / "reference")
    worker.repeat(1)
    assert worker.severity(str(tmp_path / "reference")).trajectory is None


def test_a_training_without_a_row_per_step_is_an_error(start):
    with pytest.raises(CellError, match=r"returned float32\[\]; stack"):
        start(f"{USER}:forgets_to_stack").build()
