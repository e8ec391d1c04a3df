"""Whole models in real workers: their state carries on, alike in every process."""

from __future__ import annotations

import pytest

from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, CellError
from detcost.workers.launch import ForkWorkerFactory

pytestmark = pytest.mark.tensorflow

CALLS = 6


def cell(name: str, setting: str) -> Cell:
    return Cell(name, parse(setting), "CPU:0", size="small")


def digests(factory: ForkWorkerFactory, name: str, setting: str) -> list[str]:
    """Return the digests of the first calls in a fresh worker."""
    worker = factory.start(cell(name, setting))
    try:
        return [worker.build().digest, *worker.repeat(CALLS - 1)]
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("name", "setting"), [("recommender", "default"), ("fit_augmented", "op_determinism")]
)
def test_a_model_trains_on_from_call_to_call_alike_in_every_process(factory, name, setting):
    first = digests(factory, name, setting)
    assert len(set(first)) == CALLS
    assert digests(factory, name, setting) == first


def test_fit_on_augmented_images_does_not_apply_to_xla_under_op_determinism(factory):
    worker = factory.start(cell("fit_augmented", "op_determinism+xla"))
    with pytest.raises(CellError, match="does not use XLA") as refused:
        worker.build()
    worker.close()
    assert refused.value.status == "not_applicable"
