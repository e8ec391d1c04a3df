"""Ways to seed, in real workers: which numbers each of them reaches, and which it leaves free."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from detcost.experiment.run import _describe, _not_applicable
from detcost.scenarios.registry import built_in
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, CellError
from paths import USER_SCENARIOS

pytestmark = pytest.mark.tensorflow

STRATEGIES = ("tf", "tf_numpy", "per_op", "numpy", "generator", "stateless")
#: All that draw; of the sixteen trainings, which are made alike and take long to build, one.
DRAWING = [
    name
    for name, entry in built_in().items()
    if entry.draws and (entry.family != "training" or name == "dense_loop_adam")
]
#: Two calls in one process and two processes agree by chance at most once in 10^9.
REPEATS = 2


class Seen(NamedTuple):
    """What two fresh processes gave at first, and the first of them again."""

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
def run(factory):
    def first_and_again(name: str, setting: str) -> tuple[str, list[str]]:
        worker = factory.start(Cell(name, parse(setting), "CPU:0", size="small"))
        try:
            return worker.build().digest, worker.repeat(REPEATS)
        finally:
            worker.close()

    def run(name: str, setting: str = "default") -> Seen:
        (first, repeated), (other, _) = (first_and_again(name, setting) for _ in range(2))
        return Seen([first, other], repeated)

    return run


@pytest.fixture
def refusal(run):
    def refusal(name: str, setting: str) -> str:
        with pytest.raises(CellError) as caught:
            run(name, setting)
        assert "\n" not in caught.value.reason
        return f"{caught.value.status}: {caught.value.reason}"

    return refusal


# -- what each way to seed reaches -------------------------------------------------------


@pytest.mark.parametrize("name", ["normal_eager", "dropout_layer", "weight_initialisation"])
def test_without_a_seed_nothing_is_the_same_again(run, name):
    assert run(name, "unseeded").different_throughout


@pytest.mark.parametrize("name", ["dropout_layer", "weight_initialisation"])
def test_keras_draws_the_same_after_its_own_set_random_seed_and_not_after_tensorflow_s(run, name):
    assert run(name, "default").same_throughout
    assert run(name, "seeding=tf").different_throughout
    assert run(name, "seeding=tf_numpy").different_throughout


@pytest.mark.parametrize("name", ["dropout_layer", "shuffle_unseeded"])
def test_seeding_numpy_alone_leaves_free_what_tensorflow_draws(run, name):
    assert run(name, "seeding=numpy").different_throughout


def test_seeding_tensorflow_alone_leaves_free_what_numpy_draws(run):
    assert run(f"{USER_SCENARIOS}:numpy_draws", "seeding=tf").different_throughout
    assert run(f"{USER_SCENARIOS}:numpy_draws", "seeding=tf_numpy").same_throughout
    assert run(f"{USER_SCENARIOS}:numpy_draws", "seeding=numpy").same_throughout


def test_every_process_has_numpy_numbers_of_its_own_until_it_is_seeded(run):
    """WorkerFactory are forked from one process, whose generator they must not share."""
    assert run(f"{USER_SCENARIOS}:numpy_draws", "unseeded").different_throughout


@pytest.mark.parametrize("name", ["normal_graph", "dropout_op"])
def test_stateless_draws_are_the_same_in_every_repeat_and_process(run, name):
    assert run(name, "seeding=stateless").same_throughout


@pytest.mark.parametrize("name", ["normal_eager", "normal_graph"])
def test_an_op_with_a_seed_of_its_own_goes_on_drawing_and_only_a_new_process_starts_over(run, name):
    seen = run(name, "seeding=per_op")
    assert seen.same_in_the_next_process
    assert len({*seen.first, *seen.repeated}) == 1 + REPEATS


@pytest.mark.parametrize("name", ["normal_eager", "normal_graph"])
def test_a_generator_made_anew_from_its_seed_starts_over(run, name):
    assert run(name, "seeding=generator").same_throughout


@pytest.mark.parametrize(
    ("strategy", "alike"), [("tf", False), ("generator", True), ("stateless", True)]
)
def test_a_graph_draws_other_numbers_after_a_global_seed_and_the_same_ones_else(
    run, strategy, alike
):
    eager, graph = (run(name, f"seeding={strategy}") for name in ("normal_eager", "normal_graph"))
    assert (eager.first[0] == graph.first[0]) == alike


def test_a_layer_that_seeds_numpy_itself_unseeds_it_where_it_is_given_no_seed(run):
    assert run("layer_seeding_itself", "default").different_throughout
    assert run("layer_seeding_itself", "seeding=numpy").different_throughout
    assert run("layer_seeding_itself", "seeding=per_op").same_throughout


def test_seeds_of_epochs_drawn_from_numpy_hang_on_its_seed(run):
    assert run("per_epoch_reseeding", "seeding=numpy").same_throughout
    assert not run("per_epoch_reseeding", "seeding=tf").same_throughout


def test_xla_draws_stateful_ops_from_a_counter_that_no_seed_restarts(run):
    seen = run("normal_graph", "seeding=tf+xla")
    assert seen.same_in_the_next_process
    assert not seen.same_when_repeated
    assert run("normal_graph", "seeding=stateless+xla").same_throughout


# -- what is said where a way to seed does not apply -------------------------------------


@pytest.mark.parametrize("name", DRAWING)
def test_every_way_to_seed_is_run_or_said_not_to_apply(factory, name):
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
    reason = "not_applicable: inside tf.function NumPy draws once, when it is traced; draw outside"
    assert refusal("normal_graph", "seeding=numpy").startswith(reason)
    assert reason in refusal(f"{USER_SCENARIOS}:draws_in_a_graph", "seeding=numpy")


def test_a_scenario_that_does_not_draw_by_the_bench_is_not_passed_off_as_seeded(refusal):
    for strategy in ("per_op", "generator", "stateless"):
        assert "bench.draw" in refusal(f"{USER_SCENARIOS}:numpy_draws", f"seeding={strategy}")


def test_a_scenario_that_draws_nothing_has_no_way_to_be_seeded(factory):
    for name, applies in [("matmul_square", False), ("normal_eager", True)]:
        cell = Cell(name, parse("seeding=tf"), "CPU:0")
        reason = _not_applicable(_describe(factory, name), cell, ["CPU:0"])
        assert reason is None if applies else "draws no numbers" in reason


def test_an_op_without_a_seed_under_op_determinism_is_refused_in_tensorflow_s_words(refusal):
    words = "unimplemented: RuntimeError: Random ops require a seed to be set when determinism"
    assert words in refusal("normal_eager", "unseeded+op_determinism")
    assert words in refusal("shuffle_unseeded", "op_determinism+seeding=numpy")


@pytest.mark.parametrize("strategy", ["per_op", "generator", "stateless"])
def test_seeds_at_the_op_are_enough_for_op_determinism(run, strategy):
    seen = run("normal_graph", f"op_determinism+seeding={strategy}")
    assert seen.same_in_the_next_process


# -- what users are told -----------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["per_op", "numpy", "generator", "stateless"])
def test_the_code_to_paste_draws_the_numbers_that_were_measured(run, strategy):
    told = run(f"{USER_SCENARIOS}:does_as_it_is_told", f"seeding={strategy}")
    assert told.first == run(f"{USER_SCENARIOS}:draws_as_it_should", f"seeding={strategy}").first
