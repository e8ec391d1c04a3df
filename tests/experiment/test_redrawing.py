"""Draws that repeat, with fake workers: what is found, and what must not be."""

from __future__ import annotations

import itertools

import pytest

from detcost.evidence.schema import RepeatedDraws
from detcost.experiment.arm import Arm
from detcost.experiment.redrawing import ANEW, CALLS, find_repeated_draws
from detcost.experiment.sequences import CallDigests
from detcost.settings import grammar
from detcost.workers.contract import Cell, CellError
from fake_workers import Behaviour, FakeWorkerFactory

EQUAL = [("a",) * 6] * 3
MOVING = [tuple("abcdef")] * 3
RACING = [tuple("abcdef"), tuple("ghijkl"), tuple("mnopqr")]
FOUND = RepeatedDraws("unseeded", CALLS, CALLS)


def arm(setting: str, processes: list[tuple[str, ...]], scenario: str = "mine.py:step") -> Arm:
    made = Arm(Cell(scenario, grammar.parse(setting), "CPU:0"))
    for number, digests in enumerate(processes):
        made.sequences.add(CallDigests(number % 2, "quiet", digests))
    return made


def drawing() -> Behaviour:
    """Return a program whose calls differ from each other and from process to process."""
    numbers = itertools.count()
    return Behaviour(call_output=lambda call: f"draw {next(numbers)}")


def find(*arms: Arm, anew: Behaviour | None = None) -> list[RepeatedDraws | None]:
    factory = FakeWorkerFactory({"unseeded": anew or drawing()})
    find_repeated_draws(arms, factory)
    assert factory.alive.total() == 0
    assert len(factory.conditions) <= 1  # one worker for all settings
    assert all((name, c) == ("unseeded", ANEW) for name, c, _ in factory.conditions)
    return [each.repeated_draws for each in arms]


def test_equal_outputs_of_a_program_that_draws_are_found_under_every_setting():
    assert find(arm("default", EQUAL), arm("xla", EQUAL)) == [FOUND, FOUND]


def test_only_settings_whose_calls_are_equal_have_it():
    assert find(arm("default", EQUAL), arm("xla", MOVING), arm("unseeded", RACING)) == [
        FOUND,
        None,
        None,
    ]


def test_a_setting_repeats_what_goes_on_under_default():
    found = RepeatedDraws("default", 6, 6)
    assert find(arm("default", MOVING), arm("seeding=stateless", EQUAL)) == [None, found]


def test_a_program_that_draws_nothing_repeats_no_draws():
    assert find(arm("default", EQUAL), anew=Behaviour()) == [None]


def test_a_program_that_differs_from_process_to_process_only_repeats_no_draws():
    assert find(arm("default", EQUAL), anew=Behaviour(process_flips=1.0)) == [None]


@pytest.mark.parametrize("setting", ["default", "op_determinism"])
def test_a_call_that_begins_the_program_anew_means_to_repeat_its_draws(setting):
    anew = drawing()
    anew.begins_anew = True
    assert find(arm("default", EQUAL), arm(setting, EQUAL), anew=anew) == [None, None]


def test_a_race_is_no_draw():
    """It races under default, and op determinism ends that: no call draws anything."""
    assert find(arm("default", RACING), arm("op_determinism", EQUAL)) == [None, None]


def test_a_rare_race_is_no_draw():
    rare = Behaviour(call_output=lambda call: "race" if call == 2 else "")
    assert find(arm("default", EQUAL), anew=rare) == [None]


def test_state_that_moves_under_every_setting_is_no_repeated_draw():
    assert find(arm("default", MOVING), arm("xla", MOVING)) == [None, None]


def test_built_in_scenarios_are_left_alone():
    assert find(arm("default", EQUAL, "dropout_stateless")) == [None]


def test_a_program_that_cannot_run_unseeded_has_no_finding():
    failing = Behaviour(errors=lambda method, worker: CellError("failed", "no"))
    assert find(arm("default", EQUAL), anew=failing) == [None]


def test_without_outputs_of_default_there_is_no_finding():
    assert find(arm("default", []), arm("xla", EQUAL)) == [None, None]
