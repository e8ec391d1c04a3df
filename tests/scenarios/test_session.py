"""TF1 sessions beside TF2, with real workers: which numbers one seed gives, and what levers do."""

from __future__ import annotations

import pytest

from detcost.settings.grammar import parse
from detcost.workers.contract import Cell

pytestmark = pytest.mark.tensorflow

RANDOM = ("session_normal", "session_weights", "session_dropout", "session_sgd")
WAYS = ("", "_as_function", "_as_eager")


def digests(factory, name: str, setting: str = "default", seed: int = 42) -> list[str]:
    """The digests of a first step and of two more."""
    worker = factory.start(Cell(name, parse(setting), "CPU:0", size="small", seed=seed))
    seen = [worker.build().digest, *worker.repeat(2)]
    worker.close()
    return seen


def digest(factory, name: str, setting: str = "default", seed: int = 42) -> str:
    """The digest that every step gave."""
    (only,) = set(digests(factory, name, setting, seed))
    return only


@pytest.mark.parametrize("name", ["session_normal", "session_dropout"])
def test_one_seed_draws_the_same_in_a_session_and_a_function_and_otherwise_op_by_op(factory, name):
    session, function, eager = (digest(factory, name + way) for way in WAYS)
    assert session == function
    assert eager != session


@pytest.mark.parametrize("name", ["session_weights", "session_sgd"])
def test_with_a_seed_for_each_op_all_three_ways_agree(factory, name):
    assert len({digest(factory, name + way) for way in WAYS}) == 1


@pytest.mark.parametrize("name", RANDOM)
def test_another_seed_draws_other_numbers(factory, name):
    assert digest(factory, name, seed=43) != digest(factory, name)


@pytest.mark.parametrize("name", RANDOM)
def test_without_a_seed_every_session_draws_anew(factory, name):
    assert len(set(digests(factory, name, "unseeded"))) == 3


@pytest.mark.parametrize("name", RANDOM)
def test_a_session_is_seeded_by_what_seeds_tensorflow_and_by_nothing_else(factory, name):
    assert len(set(digests(factory, name, "seeding=tf"))) == 1
    assert len(set(digests(factory, name, "seeding=numpy"))) == 3


def test_threads_of_the_setting_are_in_force_in_a_session(factory):
    """The weights' gradient is summed in as many parts as there are threads."""
    one, two = (digest(factory, "session_conv", f"threads={n}") for n in (1, 2))
    assert one != two
    assert one == digest(factory, "session_conv_as_function", "threads=1")


def test_a_session_under_xla_compiles_and_gives_what_a_compiled_function_gives(factory):
    plain, compiled = (digest(factory, "session_conv", setting) for setting in ("default", "xla"))
    assert compiled != plain
    assert compiled == digest(factory, "session_conv_as_function", "xla")
