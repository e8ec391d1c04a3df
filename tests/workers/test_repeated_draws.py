"""Draws that repeat in real programs: each that does is found, and no other."""

from __future__ import annotations

import pytest

from detcost.experiment.arm import Arm
from detcost.experiment.redrawing import find_repeated_draws
from detcost.experiment.sequences import CallDigests
from detcost.settings import grammar
from detcost.workers.contract import Cell
from paths import PROGRAMS

pytestmark = pytest.mark.tensorflow

REPEATS = (
    *("seed_in_the_step", "seed_before_a_function", "keras_seed_every_epoch"),
    *("order_of_the_first_epoch", "data_set_made_every_epoch"),
    *("augmentation_that_repeats", "cache_after_the_shuffle"),
)
OTHERS = (
    *("shuffle_that_goes_on", "layer_that_goes_on", "inference", "dropout_of_nothing"),
    *("draws_that_do_not_matter", "whole_training", "reseeded_on_purpose"),
    *("reset_on_purpose", "weights_at_random"),
)


@pytest.mark.parametrize("name", [*REPEATS, *OTHERS])
def test_repeated_draws_are_found_where_they_are(factory, name):
    arm = Arm(Cell(f"{PROGRAMS / 'repeated_draws.py'}:{name}", grammar.parse("default"), "CPU:0"))
    worker = factory.start(arm.cell)
    arm.sequences.add(CallDigests(0, "quiet", (worker.build().digest, *worker.repeat(4))))
    worker.close()
    find_repeated_draws([arm], factory)
    assert bool(arm.repeated_draws) == (name in REPEATS)
