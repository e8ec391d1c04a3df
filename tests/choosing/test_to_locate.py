"""Where no setting keeps the bits, the next command finds the operation. Nowhere else does it."""

from __future__ import annotations

import pytest

from detcost.choosing import to_locate
from detcost.choosing.answers import choose
from detcost.choosing.question import Question
from factories import divergence, failed, racing, record

STEADY = {"repeat": divergence(0, 84), "process": divergence(0, 6)}
PARTED = {**STEADY, "process": divergence(6, 6)}
BY_THREADS = {**STEADY, "threads": divergence(3, 6)}
BOTH = ("repeat", "process")


def test_a_program_that_differs_under_every_setting_is_to_be_located_under_the_simplest():
    cells = [record(setting="xla", divergence=racing()), record(divergence=PARTED)]
    assert to_locate.first(cells, BOTH) == "detcost locate matmul_square --scope process"


def test_unusual_parts_of_the_cell_are_options():
    cell = {"setting": "xla", "device": "GPU:0", "size": "small", "dtype": "bfloat16"}
    assert to_locate.first([record(**cell, divergence=racing())], BOTH) == (
        "detcost locate matmul_square --scope repeat --setting xla --device GPU:0 --size small "
        "--dtype bfloat16"
    )


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [failed()],
        [record(divergence={})],
        [record(divergence=STEADY)],
        [record(divergence=racing()), record(setting="xla", divergence=STEADY)],
        [record(divergence=BY_THREADS)],
        [record(divergence=racing(), expect="varies")],
        [record(divergence=racing(), scenario="-odd")],
    ],
    ids=["none", "failed", "uncompared", "steady", "cured", "not asked", "should vary", "a dash"],
)
def test_where_it_does_not_follow_from_what_was_seen_no_command_is_given(cells):
    assert to_locate.first(cells, BOTH) is None


def test_a_scope_is_named_if_it_must_survive():
    command = to_locate.first([record(divergence=BY_THREADS)], (*BOTH, "threads"))
    assert command == "detcost locate matmul_square --scope threads"


def test_a_program_that_races_is_located_without_a_change_around_it():
    races = record(divergence=racing(threads=divergence(6, 6)))
    assert to_locate.first([races], ("threads",)) == "detcost locate matmul_square --scope repeat"


def test_the_answer_of_choose_has_a_command_for_each_scenario_that_nothing_cures():
    cells = [
        record(divergence=racing()),
        record(scenario="other", divergence=PARTED),
        record(scenario="steady", divergence=STEADY),
    ]
    choice = choose(cells, Question(scenarios=("all",), survive=BOTH))
    assert choice.best is None
    assert choice.locate == (
        "detcost locate matmul_square --scope repeat",
        "detcost locate other --scope process",
    )


def test_an_answer_needs_no_operation():
    assert choose([record(divergence=STEADY)], Question(scenarios=("all",))).locate == ()
