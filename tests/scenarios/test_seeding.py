"""Ways to seed in real workers, and the random numbers that each of them affects."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from detcost.experiment.preparation import describe, not_applicable
from detcost.scenarios.registry import built_in
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, CellError
from detcost.workers.launch import ForkWorkerFactory
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow

STRATEGIES = ("tf", "tf_numpy", "per_op", "numpy", "generator", "stateless")
#: All scenarios that draw, with one of the sixteen trainings, which are similar and slow to build.
DRAWING = [
    name
    for name, entry in built_in().items()
    if entry.draws and (entry.family != "training" or name == "dense_loop_adam")
]
#: Two calls in one process and two processes agree by chance at most once in 10^9.
REPEATS = 2


class Draws(NamedTuple):
    """The first digests of two fresh processes, and repeated digests of the first process."""

    first: list[str]
    repeated: list[str]

    @property
    def same_in_the_next_process(self) -> bool:
        return len(set(self.first)) == 1

    @property
    def same_when_repeated(self) -> bool:
        return set(self.repeated) == {self.first[0]}

    @property
    def same_throughout(self) -> bool:
        return self.same_in_the_next_process and self.same_when_repeated

    @property
    def different_throughout(self) -> bool:
        return len({*self.first, *self.repeated}) == len(self.first) + len(self.repeated)


@pytest.fixture
def run(factory: ForkWorkerFactory) -> Callable[..., Draws]:
    def first_and_repeated(name: str, setting: str) -> tuple[str, list[str]]:
        worker = factory.start(Cell(name, parse(setting), "CPU:0", size="small"))
        try:
            return worker.build().digest, worker.repeat(REPEATS)
        finally:
            worker.close()

    def run(name: str, setting: str = "default") -> Draws:
        (first, repeated), (other, _) = (first_and_repeated(name, setting) for _ in range(2))
        return Draws([first, other], repeated)

    return run


@pytest.fixture
def refusal(run: Callable[..., Draws]) -> Callable[[str, str], str]:
    def refusal(name: str, setting: str) -> str:
        with pytest.raises(CellError) as caught:
            run(name, setting)
        assert "\n" not in caught.value.reason
        return f"{caught.value.status}: {caught.value.reason}"

    return refusal


# -- the numbers that each way to seed affects -------------------------------------------


@pytest.mark.parametrize("name", ["normal_eager", "dropout_layer", "weight_initialisation"])
def test_without_a_seed_no_number_repeats(run, name):
    assert run(name, "unseeded").different_throughout


@pytest.mark.parametrize("name", ["dropout_layer", "weight_initialisation"])
def test_keras_repeats_after_its_own_seed_but_not_tensorflows(run, name):
    assert run(name, "default").same_throughout
    assert run(name, "seeding=tf").different_throughout
    assert run(name, "seeding=tf_numpy").different_throughout


@pytest.mark.parametrize("name", ["dropout_layer", "shuffle_unseeded"])
def test_the_seed_of_numpy_does_not_affect_tensorflow(run, name):
    assert run(name, "seeding=numpy").different_throughout


def test_the_seed_of_tensorflow_does_not_affect_numpy(run):
    assert run(f"{USER_SCENARIOS}:numpy_draws", "seeding=tf").different_throughout
    assert run(f"{USER_SCENARIOS}:numpy_draws", "seeding=tf_numpy").same_throughout
    assert run(f"{USER_SCENARIOS}:numpy_draws", "seeding=numpy").same_throughout


def test_unseeded_workers_draw_different_numpy_numbers(run):
    """Workers are forks of one process, whose generator they must not share."""
    assert run(f"{USER_SCENARIOS}:numpy_draws", "unseeded").different_throughout


@pytest.mark.parametrize("name", ["normal_graph", "dropout_op"])
def test_stateless_draws_repeat_in_every_call_and_process(run, name):
    assert run(name, "seeding=stateless").same_throughout


@pytest.mark.parametrize("name", ["normal_eager", "normal_graph"])
def test_an_op_with_its_own_seed_restarts_only_in_a_new_process(run, name):
    draws = run(name, "seeding=per_op")
    assert draws.same_in_the_next_process
    assert len({*draws.first, *draws.repeated}) == 1 + REPEATS


@pytest.mark.parametrize("name", ["normal_eager", "normal_graph"])
def test_a_new_generator_with_the_same_seed_restarts(run, name):
    assert run(name, "seeding=generator").same_throughout


@pytest.mark.parametrize(
    ("strategy", "same"), [("tf", False), ("generator", True), ("stateless", True)]
)
def test_a_graph_and_eager_differ_only_after_a_global_seed(run, strategy, same):
    eager, graph = (run(name, f"seeding={strategy}") for name in ("normal_eager", "normal_graph"))
    assert (eager.first[0] == graph.first[0]) == same


def test_a_layer_that_seeds_numpy_unseeds_it_without_a_seed(run):
    assert run("layer_seeding_itself", "default").different_throughout
    assert run("layer_seeding_itself", "seeding=numpy").different_throughout
    assert run("layer_seeding_itself", "seeding=per_op").same_throughout


def test_seeds_of_epochs_drawn_by_numpy_depend_on_its_seed(run):
    assert run("per_epoch_reseeding", "seeding=numpy").same_throughout
    assert not run("per_epoch_reseeding", "seeding=tf").same_throughout


def test_no_seed_restarts_stateful_ops_under_xla(run):
    draws = run("normal_graph", "seeding=tf+xla")
    assert draws.same_in_the_next_process
    assert not draws.same_when_repeated
    assert run("normal_graph", "seeding=stateless+xla").same_throughout


# -- reasons if a way to seed does not apply ---------------------------------------------


@pytest.mark.parametrize("name", DRAWING)
def test_every_way_to_seed_runs_or_has_a_reason_not_to_apply(factory, name):
    def outcome(strategy: str) -> tuple[str, str]:
        worker = factory.start(Cell(name, parse(f"seeding={strategy}"), "CPU:0", size="small"))
        try:
            return "ok", worker.build().digest
        except CellError as error:
            return error.status, error.reason
        finally:
            worker.close()

    with ThreadPoolExecutor(2) as both:
        outcomes = dict(zip(STRATEGIES, both.map(outcome, STRATEGIES), strict=True))
    assert {outcomes[strategy][0] for strategy in ("tf", "tf_numpy")} == {"ok"}
    assert outcomes["per_op"][0] == "ok" or "bench.draw" in outcomes["per_op"][1]
    assert {status for status, _ in outcomes.values()} <= {"ok", "not_applicable"}
    reasons = [reason for status, reason in outcomes.values() if status != "ok"]
    assert all(len(reason.split()) > 5 for reason in reasons)


def test_numpy_is_not_frozen_into_a_graph(refusal):
    reason = "not_applicable: inside tf.function NumPy draws once, when traced; draw outside"
    assert refusal("normal_graph", "seeding=numpy").startswith(reason)
    assert reason in refusal(f"{USER_SCENARIOS}:draws_in_a_graph", "seeding=numpy")


def test_a_scenario_must_draw_by_the_bench_to_count_as_seeded(refusal):
    for strategy in ("per_op", "generator", "stateless"):
        assert "bench.draw" in refusal(f"{USER_SCENARIOS}:numpy_draws", f"seeding={strategy}")


def test_seeding_does_not_apply_to_a_scenario_without_draws(factory):
    for name, applies in [("matmul_square", False), ("normal_eager", True)]:
        cell = Cell(name, parse("seeding=tf"), "CPU:0")
        reason = not_applicable(describe(factory, name), cell, ["CPU:0"])
        assert reason is None if applies else "draws no numbers" in reason


def test_op_determinism_refuses_an_unseeded_op_with_a_reason(refusal):
    reason = "unimplemented: RuntimeError: Random ops require a seed to be set when determinism"
    assert reason in refusal("normal_eager", "unseeded+op_determinism")
    assert reason in refusal("shuffle_unseeded", "op_determinism+seeding=numpy")


@pytest.mark.parametrize("strategy", ["per_op", "generator", "stateless"])
def test_seeds_at_the_op_are_enough_for_op_determinism(run, strategy):
    draws = run("normal_graph", f"op_determinism+seeding={strategy}")
    assert draws.same_in_the_next_process


# -- the code to paste -------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["per_op", "numpy", "generator", "stateless"])
def test_the_code_to_paste_draws_the_measured_numbers(run, strategy):
    pasted = run(f"{USER_SCENARIOS}:draws_by_snippet", f"seeding={strategy}")
    assert pasted.first == run(f"{USER_SCENARIOS}:draws_by_bench", f"seeding={strategy}").first
