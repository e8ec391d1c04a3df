"""A guard passes, fails or skips as its comparisons say, and never passes without them."""

from __future__ import annotations

import unittest
from functools import partial

import pytest

from detcost.errors import UsageError
from detcost.evidence import reading
from detcost.testing import assert_reproducible, engine, expect_divergence
from detcost.testing.engine import Engine
from detcost.workers.contract import CellError, WorkerLost
from fake_workers import Behaviour
from guard_engines import GuardedFactory


@pytest.fixture
def workers(monkeypatch):
    """Return a function that makes the guards of this test use fake workers."""

    def use(behaviour: Behaviour | None = None, **behaviours: Behaviour) -> GuardedFactory:
        factory = GuardedFactory(behaviour, **behaviours)
        monkeypatch.setattr(engine, "shared", partial(lambda made: made, Engine(factory)))
        return factory

    return use


def failure(function, *words, **options) -> str:
    with pytest.raises(AssertionError) as caught:
        function(*words, **options)
    return str(caught.value)


def test_a_program_whose_bits_stay_passes(workers, capsys):
    factory = workers()
    assert_reproducible("matmul_square")
    assert "matmul_square: repeat: at least 120 comparisons" in capsys.readouterr().out
    assert not {method for _, _, method in factory.log} & {"burst"}
    started = [name for name, _ in factory.pythons if name == "default"]
    assert len(started) == 64  # the reference, 61 processes and two controls
    assert {python for _, python in factory.pythons} == {0, 1}


def test_only_the_setting_that_is_asked_about_is_measured(workers):
    factory = workers(op_determinism=Behaviour())
    assert_reproducible("matmul_square", rate=0.5, setting="op_determinism")
    assert len([name for name, _ in factory.pythons if name == "default"]) == 2  # the controls


def test_a_race_fails_with_its_rate_and_where_to_go_on(workers):
    workers(Behaviour(flips=0.3))
    text = failure(assert_reproducible, "matmul_square")
    first, second, third, *others = text.splitlines()
    assert first == "matmul_square is not reproducible under default on CPU:0"
    assert "repeat: " in second
    assert " of 124 differed (rate " in second
    assert "95 %)" in second
    assert "process: " in third
    written = "\n".join(others)
    for line in (
        *("repeat by condition: quiet ", "repeat differs first: step()[0]"),
        *("differs by: up to 1 ulp, 50 % of the elements", "evidence: "),
        "detcost measure matmul_square --devices CPU:0 --scopes repeat,process --out ",
        "detcost choose --scenario matmul_square ",
        "detcost locate matmul_square --scope repeat",
    ):
        assert line in written


def test_the_operation_is_looked_for_under_the_setting_that_failed(workers):
    workers(op_determinism=Behaviour(flips=0.9))
    text = failure(assert_reproducible, "matmul_square", rate=0.5, setting="op_determinism")
    assert "detcost locate matmul_square --scope repeat --setting op_determinism" in text


def test_a_failure_says_what_was_located(workers):
    factory = workers(Behaviour(flips=0.3))
    text = failure(assert_reproducible, "matmul_square")
    assert "the operation: The step differs between two runs in " in text
    assert "record" in {method for _, _, method in factory.log}


def test_a_search_that_fails_does_not_hide_the_counts(workers):
    lost = WorkerLost("killed", "a worker was killed by SIGKILL")
    workers(Behaviour(flips=0.3, errors=lambda method, _: lost if method == "record" else None))
    text = failure(assert_reproducible, "matmul_square")
    assert " of 124 differed (rate " in text
    assert "not located: " in text
    assert "killed by SIGKILL" in text


def test_the_evidence_of_a_failure_can_be_read(workers):
    workers(Behaviour(flips=0.3))
    text = failure(assert_reproducible, "matmul_square")
    [place] = [line.split(": ")[1] for line in text.splitlines() if "evidence: " in line]
    [record], problems = reading.read(place)
    assert problems == []
    assert record.cost is None
    assert record.divergence["process"].trials == 61
    assert record.protocol.profile == "quick"


def test_a_process_of_its_own_bits_is_found(workers):
    workers(Behaviour(process_flips=0.2))
    text = failure(assert_reproducible, "matmul_square")
    assert "repeat: 0 of 124 differed (rate at most " in text
    assert "detcost locate matmul_square --scope process" in text


def test_state_is_no_divergence(workers):
    workers(Behaviour(state=True))
    assert_reproducible("matmul_square")


def test_the_call_that_differs_first_is_named(workers):
    workers(Behaviour(state=True, process_flips=0.2))
    assert "differs first: call " in failure(assert_reproducible, "matmul_square")


def test_a_scope_counts_as_many_trials_as_the_rate_needs(workers):
    factory = workers()
    assert_reproducible("matmul_square", survive="threads")
    pools = [conditions.pool_size for _, conditions, _ in factory.conditions]
    assert {size: pools.count(size) for size in (1, 2, 3, 4, 8, 16)} == dict.fromkeys(
        (1, 2, 3, 4, 8, 16), 10
    )


def test_conditions_that_cannot_be_tried_are_replaced_by_others(workers):
    def no_large_pools(conditions):
        large = (conditions.pool_size or 0) > 4
        return CellError("not_applicable", "no such pool") if large else None

    workers(Behaviour(refuses=no_large_pools))
    assert_reproducible("matmul_square", survive="threads")


def test_too_few_comparisons_never_pass(workers):
    def no_pools(conditions):
        return CellError("not_applicable", "no pools") if conditions.pool_size else None

    workers(Behaviour(refuses=no_pools))
    text = failure(assert_reproducible, "matmul_square", survive="threads")
    assert "threads: not compared" in text
    [skipped] = [line.split("tried: ")[1] for line in text.splitlines() if "tried: " in line]
    assert sorted(map(int, skipped.split(", "))) == [1, 2, 3, 4, 8, 16]


def test_a_scope_that_differs_because_of_a_race_is_said(workers):
    workers(Behaviour(process_flips=0.9))
    assert "differs in process already" in failure(
        expect_divergence, "matmul_square", scopes="threads"
    )


def test_a_program_that_fails_is_not_called_divergent(workers):
    workers(Behaviour(refuses=lambda conditions: CellError("failed", "ValueError: no")))
    text = failure(assert_reproducible, "matmul_square")
    assert "could not be compared under default" in text
    assert "failed: ValueError: no" in text
    assert "locate" not in text


def test_a_test_that_skips_itself_in_its_process_is_skipped(workers):
    workers(Behaviour(refuses=lambda conditions: CellError("failed", "Skipped: needs a GPU")))
    with pytest.raises(unittest.SkipTest, match="Skipped: needs a GPU"):
        assert_reproducible("matmul_square")


def test_a_worker_that_dies_is_replaced_and_one_that_always_dies_fails(workers):
    lost = WorkerLost("crashed", "killed by SIGSEGV")
    workers(Behaviour(errors=lambda method, worker: lost if worker == 5 else None))
    assert_reproducible("matmul_square")
    workers(Behaviour(errors=lambda method, worker: lost if worker > 5 else None))
    assert "killed by SIGSEGV" in failure(assert_reproducible, "matmul_square")


def test_a_failed_control_fails_the_guard(workers):
    workers(control_varies=Behaviour(flips=0.0))
    assert "the scenario known to vary did not" in failure(assert_reproducible, "matmul_square")


def test_an_absent_device_is_a_skip_with_the_reason(workers):
    workers()
    with pytest.raises(unittest.SkipTest, match=r"no GPU:0 here; TensorFlow reports CPU:0"):
        assert_reproducible("matmul_square", device="GPU:0")


def test_a_scope_that_the_machine_cannot_do_is_a_skip(workers, monkeypatch):
    workers()
    known = {**engine.machine.describe(), "cpu_flags": []}
    monkeypatch.setattr(engine.machine, "describe", lambda: known)
    with pytest.raises(unittest.SkipTest, match="scope isa: no library can be capped"):
        assert_reproducible("matmul_square", survive=("process", "isa"), rate=0.5)
    workers(Behaviour(flips=0.9))  # a difference is a failure all the same
    assert "process: " in failure(
        assert_reproducible, "matmul_square", survive=("process", "isa"), rate=0.5
    )


def test_a_control_that_differs_passes(workers):
    workers(Behaviour(flips=0.5))
    expect_divergence("matmul_square")


def test_a_control_that_never_differed_fails_with_its_bound(workers):
    workers()
    text = failure(expect_divergence, "matmul_square")
    assert text.startswith("matmul_square was not seen to differ under default on CPU:0\n")
    assert "process: 0 of 7 differed (rate at most 35 %, 95 %)" in text


def test_every_scope_of_a_control_must_differ(workers):
    workers(Behaviour(process_flips=0.9))
    text = failure(expect_divergence, "matmul_square", scopes=("repeat", "process"))
    assert "repeat: 0 of " in text


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("matmul_squre", 'did you mean "matmul_square"'),
        ("nowhere.py:step", "nowhere.py: no such file"),
        (lambda: None, "a fresh process cannot find it; put it at the top level of a module"),
        (3, "3 is no function"),
    ],
)
def test_a_program_that_cannot_be_found_is_one_line(workers, program, message):
    workers()
    with pytest.raises(UsageError, match=message):
        assert_reproducible(program)
