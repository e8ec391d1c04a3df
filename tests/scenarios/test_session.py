"""TF1 sessions and TF2 in real workers: the numbers of a seed, and the effect of levers."""

from __future__ import annotations

import pytest

from detcost.settings.grammar import parse
from detcost.workers.contract import Cell
from detcost.workers.launch import ForkWorkerFactory

pytestmark = pytest.mark.tensorflow

RANDOM = ("session_normal", "session_weights", "session_dropout", "session_sgd")
WAYS = ("", "_as_function", "_as_eager")


def digests(
    factory: ForkWorkerFactory, name: str, setting: str = "default", seed: int = 42
) -> list[str]:
    """Return the digests of three steps."""
    worker = factory.start(Cell(name, parse(setting), "CPU:0", size="small", seed=seed))
    steps = [worker.build().digest, *worker.repeat(2)]
    worker.close()
    return steps


def digest(factory: ForkWorkerFactory, name: str, setting: str = "default", seed: int = 42) -> str:
    """Return the digest of all steps."""
    (only,) = set(digests(factory, name, setting, seed))
    return only


@pytest.mark.parametrize("name", ["session_normal", "session_dropout"])
def test_a_session_and_a_function_draw_alike_but_not_eager_ops(factory, name):
    session, function, eager = (digest(factory, name + way) for way in WAYS)
    assert session == function
    assert eager != session


@pytest.mark.parametrize("name", ["session_weights", "session_sgd"])
def test_all_three_forms_agree_if_each_op_has_a_seed(factory, name):
    assert len({digest(factory, name + way) for way in WAYS}) == 1


@pytest.mark.parametrize("name", RANDOM)
def test_another_seed_draws_other_numbers(factory, name):
    assert digest(factory, name, seed=43) != digest(factory, name)


@pytest.mark.parametrize("name", RANDOM)
def test_without_a_seed_every_session_draws_other_numbers(factory, name):
    assert len(set(digests(factory, name, "unseeded"))) == 3


@pytest.mark.parametrize("name", RANDOM)
def test_only_the_seed_of_tensorflow_affects_a_session(factory, name):
    assert len(set(digests(factory, name, "seeding=tf"))) == 1
    assert len(set(digests(factory, name, "seeding=numpy"))) == 3


def test_threads_of_the_setting_are_in_force_in_a_session(factory):
    """The number of threads determines the parts of the sum for the weights' gradient."""
    one, two = (digest(factory, "session_conv", f"threads={n}") for n in (1, 2))
    assert one != two
    assert one == digest(factory, "session_conv_as_function", "threads=1")


def test_a_session_under_xla_equals_a_compiled_function(factory):
    plain, compiled = (digest(factory, "session_conv", setting) for setting in ("default", "xla"))
    assert compiled != plain
    assert compiled == digest(factory, "session_conv_as_function", "xla")
