"""Following with fake workers: where two processes part, and how their distance grows."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from detcost.evidence.following import FollowedProcess, Following
from detcost.experiment import following, profiles
from detcost.experiment.arm import Arm
from detcost.experiment.following import POINTS, Follower, FollowingPlan
from detcost.experiment.request import Request
from detcost.settings import grammar
from detcost.workers.contract import UNPERTURBED, Cell, CellError, Conditions, WorkerLost
from fake_workers import Behaviour, FakeWorkerFactory

QUICK = profiles.PROFILES["quick"]


def follow(
    behaviour: Behaviour | None = None,
    steps: int = 40,
    *,
    scopes: tuple[str, ...] = ("process",),
    perturbed: int = 0,
    two_at_a_time: bool = False,
    factory: FakeWorkerFactory | None = None,
) -> Following:
    factory = factory or FakeWorkerFactory({"default": behaviour or Behaviour()})
    arm = Arm(Cell("fake", grammar.parse("default"), "CPU:0"))
    profile = msgspec.structs.replace(QUICK, perturbed=perturbed)
    request = Request(("fake",), (), None, scopes, profile, steps=steps)
    plan = following.plan(request, profile, two_at_a_time=two_at_a_time)
    following.follow([arm], factory, plan)
    assert factory.alive.total() == 0
    return arm.following


def parting(step: int, growth: float = 1.2) -> Behaviour:
    """Return a training whose every process has its own outputs from a step on."""
    numbers = itertools.count()
    return Behaviour(
        state=True,
        call_output=lambda call: f" race {next(numbers)}" if call >= step else "",
        distance=lambda call: 1e-8 * growth ** (call - step),
    )


def only(found: Following) -> FollowedProcess:
    [process] = found.processes
    return process


@pytest.mark.parametrize("step", [1, 2, 7, 40])
def test_the_first_step_is_that_of_the_first_difference(step):
    found = only(follow(parting(step)))
    assert (found.first_step, found.differing) == (step, 41 - step)
    assert found.steps == list(range(step, 41))


def test_the_growth_is_that_of_the_distances():
    growth = only(follow(parting(3, growth=1.1))).growth
    assert growth.factor == pytest.approx(1.1)
    assert growth.first_step == 3


def test_the_outputs_that_part_first_are_named():
    assert only(follow(parting(3))).outputs == ["step()[0]"]


@pytest.mark.parametrize("state", [False, True])
def test_processes_that_never_part_have_no_curve_and_no_growth(state):
    found = only(follow(Behaviour(state=state)))
    assert found == FollowedProcess("process", "quiet", 0)


def test_a_step_whose_outputs_are_equal_again_has_the_distance_zero():
    numbers = itertools.count()
    odd = Behaviour(call_output=lambda call: f"race {next(numbers)}" if call % 2 else "")
    found = only(follow(odd))
    assert found.differing == 20
    assert found.relative == [1e-7, 0.0] * 20
    assert found.growth is None


def test_a_long_run_has_a_bounded_curve_that_ends_at_the_last_step():
    found = only(follow(parting(101), 3000))
    assert len(found.steps) <= POINTS
    assert found.steps == sorted(set(found.steps))
    assert (found.steps[0], found.steps[-1]) == (101, 3000)
    assert found.differing == 2900


def test_outputs_are_saved_to_one_file_however_many_steps_there_are():
    factory = FakeWorkerFactory({"default": parting(2)})
    follow(steps=100, factory=factory)
    assert len(factory.saved) == 1


def test_reference_and_others_are_alive_side_by_side():
    factory = FakeWorkerFactory()
    follow(factory=factory, perturbed=2, scopes=("process", "threads"))
    assert factory.most_alive >= 3


def test_if_device_memory_is_short_only_two_workers_are_alive():
    factory = FakeWorkerFactory()
    found = follow(factory=factory, perturbed=2, scopes=("process", "threads"), two_at_a_time=True)
    assert factory.most_alive == 2
    assert len(found.processes) == 4


def test_every_kind_of_perturbation_is_followed_once_at_most():
    found = follow(perturbed=20)
    kinds = [process.label.partition("=")[0] for process in found.processes]
    assert kinds[0] == UNPERTURBED.label
    assert len(set(kinds)) == len(kinds)


def test_a_neighbour_runs_beside_the_workers_that_need_it():
    factory = FakeWorkerFactory()
    follow(factory=factory, perturbed=20)
    beside = {conditions.neighbour or "" for _, conditions, kind in factory.conditions if kind}
    assert beside > {""}  # the reference runs beside the neighbour too
    assert all(c.neighbour in (None, kind) for _, c, kind in factory.conditions)


def test_a_pool_size_is_followed_if_threads_are_among_the_scopes():
    def by_size(conditions: Conditions) -> str:
        return f"pool {conditions.pool_size}"

    found = follow(Behaviour(output=by_size), scopes=("repeat", "process", "threads"))
    assert {process.scope: process.differing for process in found.processes} == {
        "process": 0,
        "threads": 40,
    }


def test_conditions_that_the_cell_refuses_are_skipped_with_the_reason():
    def refuses(conditions: Conditions) -> CellError | None:
        return CellError("not_applicable", "no") if conditions.pool_size else None

    found = follow(Behaviour(refuses=refuses), scopes=("process", "threads"))
    assert list(found.skipped.values()) == ["no"]
    assert only(found).scope == "process"


@pytest.mark.parametrize("method", ["repeat", "save_outputs", "severity", "accuracy"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_lost_worker_costs_only_its_comparison(method, number):
    def errors(called: str, worker: int) -> CellError | None:
        lost = called == method and worker == number
        return WorkerLost("crashed", "killed") if lost else None

    behaviour = parting(3)
    behaviour.errors = errors
    found = follow(behaviour)
    unused = (number, method) in {(0, "severity"), (0, "accuracy"), (1, "save_outputs")}
    assert found.skipped == ({} if unused else {"quiet": "killed"})
    assert len(found.processes) == unused


def test_a_lost_neighbour_skips_what_ran_beside_it():
    factory = FakeWorkerFactory(lost_neighbours={"busy_cores"})
    labels = {process.label for process in follow(perturbed=20).processes}
    found = follow(perturbed=20, factory=factory)
    assert set(found.skipped) == {"busy_cores"}
    assert {process.label for process in found.processes} == labels - {"busy_cores"}


def test_the_scope_shows_the_process_that_parts_first_and_farthest():
    def process(label: str, first: int | None, end: float = 0.0) -> FollowedProcess:
        return FollowedProcess("process", label, 1, first, [], [9], [end], [1])

    late, near, far = process("late", 9), process("near", 3, 1e-7), process("far", 3, 1e-2)
    never = FollowedProcess("process", "never", 0)
    assert Following(9, [never, late, near, far]).by_scope() == {"process": far}
    assert Following(9, [never]).by_scope() == {"process": never}


def test_each_cell_is_kept_as_soon_as_it_is_followed():
    arms = [Arm(Cell("fake", grammar.parse(name), "CPU:0")) for name in ("default", "xla")]
    kept: list[list[bool]] = []
    plan = FollowingPlan(3, (Follower("process", UNPERTURBED),), together=1)
    following.follow(
        arms,
        FakeWorkerFactory(),
        plan,
        checkpoint=lambda: kept.append([arm.following is not None for arm in arms]),
    )
    assert kept == [[True, False], [True, True]]


def test_a_cell_that_was_given_up_is_not_followed():
    arm = Arm(Cell("fake", grammar.parse("xla"), "CPU:0"), status="unimplemented")
    following.follow([arm], FakeWorkerFactory(), FollowingPlan(3, (), together=1))
    assert arm.following is None
