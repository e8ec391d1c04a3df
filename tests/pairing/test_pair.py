"""Two programs under one setting, with fake workers: what is seen of their bits, and their cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detcost.errors import UsageError
from detcost.evidence.schema import Control
from detcost.experiment import profiles
from detcost.experiment.progress import Progress
from detcost.experiment.records import Recorder
from detcost.experiment.request import Request
from detcost.outputs.digests import leaves
from detcost.pairing.names import distinct_names, short_names
from detcost.pairing.pair import ProgramPair
from detcost.pairing.schema import PairEvidence
from detcost.pairing.side_by_side import refuse_unlike
from detcost.settings import grammar
from detcost.workers.contract import CellError, ProgramRaised, ScenarioInfo, WorkerLost
from fake_workers import Behaviour, FakeWorkerFactory

QUICK = profiles.PROFILES["quick"]


def info(reference: str, **changes: Any) -> ScenarioInfo:
    fields: dict[str, Any] = {
        "name": reference.rpartition(":")[2],
        "family": "mine",
        "summary": "",
        "dtypes": ("float32",),
        "ignores": frozenset(),
        "float64_reference": False,
        "draws": False,
    }
    return ScenarioInfo(reference, **{**fields, **changes})


def compare(
    x: Behaviour | None = None,
    y: Behaviour | None = None,
    setting: str = "default",
    device: str = "CPU:0",
    factory: FakeWorkerFactory | None = None,
    told: list[Progress] | None = None,
    **changes: Any,
) -> PairEvidence:
    """Compare two fake programs, ``a.py:x`` and ``b.py:y``."""
    factory = factory or FakeWorkerFactory()
    factory.behaviours |= {"a.py:x": x or Behaviour(), "b.py:y": y or Behaviour()}
    on_progress = told.append if told is not None else lambda progress: None
    request = Request.parse(
        *(["matmul_square"], None, None),
        scopes=None,
        profile=QUICK,
        size="medium",
        dtype=None,
        seed=1,
    )
    control = Control(20, 20, True)
    recorder = Recorder(request, "run", {"name": "box"}, {}, "fork", control, control)
    programs = [info("a.py:x"), info("b.py:y", **changes)]
    pair = ProgramPair(factory, recorder, programs, ["CPU:0"], on_progress)
    return pair.compare(grammar.parse(setting), device)


def output(text: str) -> Behaviour:
    return Behaviour(output=lambda conditions: text)


# -- bits ----------------------------------------------------------------------------------


def test_equal_outputs_are_equal_bits_in_every_call():
    record = compare()
    assert record.bits == "equal"
    assert record.first_call is None
    assert record.severity_at_first is None
    assert len(record.first.sequence) == QUICK.calls


def test_other_outputs_differ_from_the_first_call_on():
    record = compare(output("a"), output("b"))
    assert (record.bits, record.first_call) == ("different", 1)
    assert record.severity_at_first is not None
    assert record.severity_at_first == record.severity_at_last


def test_programs_with_state_are_compared_by_the_place_in_the_sequence():
    assert compare(Behaviour(state=True), Behaviour(state=True)).bits == "equal"
    later = Behaviour(state=True, call_output=lambda call: "!" if call >= 4 else "")
    record = compare(Behaviour(state=True), later)
    assert (record.bits, record.first_call) == ("different", 4)
    assert record.first.carries_state


def test_the_distance_at_the_last_call_is_a_figure_of_its_own():
    growing = Behaviour(
        state=True, call_output=lambda call: "!" if call >= 4 else "", distance=lambda call: call
    )
    record = compare(Behaviour(state=True), growing)
    assert record.severity_at_first is not None
    assert record.severity_at_last is not None
    assert record.severity_at_first.mean_relative == 4
    assert record.severity_at_last.mean_relative == QUICK.calls


def test_a_difference_that_ends_before_the_last_call_is_none_at_the_last():
    once = Behaviour(state=True, call_output=lambda call: "!" if call == 2 else "")
    record = compare(Behaviour(state=True), once)
    assert (record.bits, record.first_call) == ("different", 2)
    assert record.severity_at_last is None


@pytest.mark.parametrize("racing", [Behaviour(flips=0.5), Behaviour(process_flips=1.0)])
def test_a_program_that_differs_from_itself_has_no_bits_to_compare(racing):
    record = compare(racing)
    assert record.bits == "varies"
    assert record.first.varies
    assert not record.second.varies
    assert compare(y=racing).bits == "varies"


def test_the_process_beside_the_other_program_counts_among_those_of_its_own():
    record = compare()
    for result in (record.first, record.second):
        assert result.divergence["process"].trials == QUICK.processes + 1
        assert set(result.divergence) == {"repeat", "process"}


# -- cost ----------------------------------------------------------------------------------


def test_the_cost_is_the_time_of_the_second_by_that_of_the_first():
    record = compare(Behaviour(seconds=0.002), Behaviour(seconds=0.006))
    assert record.cost is not None
    assert record.cost.ratio == pytest.approx(3, rel=1e-6)
    assert record.cost.verdict == "costs"
    assert record.same_program is not None
    assert record.same_program.ratio == pytest.approx(1)
    assert record.first.step_seconds is not None
    assert record.first.step_seconds.median == pytest.approx(0.002)


def test_programs_take_turns_in_the_same_blocks():
    factory = FakeWorkerFactory()
    compare(factory=factory)
    bursts = [number for _, number, method in factory.log if method == "burst"]
    one_round = bursts[:3]  # the first program, its A/A worker, and the second program
    assert len(set(one_round)) == 3
    assert set(bursts[3:6]) == set(one_round)


def test_both_programs_run_under_the_setting():
    factory = FakeWorkerFactory()
    compare(factory=factory, setting="xla")
    assert {setting for setting, _, _ in factory.conditions} == {"xla"}


# -- what cannot be compared ---------------------------------------------------------------


def test_a_program_that_raises_is_named_with_its_reason():
    def raises(conditions: Any) -> CellError:
        return ProgramRaised("failed", "ValueError: no")

    record = compare(y=Behaviour(refuses=raises))
    assert record.bits is None
    assert (record.second.status, record.second.reason) == ("failed", "ValueError: no")
    assert record.first.status == "ok"
    assert record.cost is None


def test_a_worker_lost_while_it_is_timed_leaves_the_bits_unknown():
    def dies(method: str, worker: int) -> CellError | None:
        return WorkerLost("crashed", "killed by SIGSEGV") if method == "burst" else None

    record = compare(y=Behaviour(errors=dies))
    assert record.bits is None
    assert record.second.status == "crashed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "GPU:0"}, "no GPU:0 here"),
        ({"setting": "xla", "ignores": frozenset({"xla"})}, "xla means nothing to y"),
    ],
)
def test_what_means_nothing_is_a_status(changes, reason):
    record = compare(**changes)
    assert record.bits is None
    assert record.second.status == "not_applicable"
    assert reason in (record.second.reason or "")


def refusal(x: object, y: object) -> str:
    with pytest.raises(UsageError) as error:
        refuse_unlike([leaves(x), leaves(y)], ["a.py:x", "b.py:y"])
    return str(error.value)


def array(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.zeros(shape, dtype)


def test_unlike_outputs_are_one_line_with_what_each_has():
    assert refusal(array(1, 4), array(32, 4)) == (
        "a.py:x returns step() float32[1,4] and b.py:y returns step() float32[32,4]; "
        "name the rows to compare, as rows=0 in @detcost.scenario"
    )
    assert "one type and shape" in refusal(array(4), array(4, dtype="float64"))
    assert "the same structure" in refusal([array(4), array(2)], [array(4)])
    assert "the same structure" in refusal(
        {"a": array(4), "b": array(4)}, {"a": array(4), "c": array(4)}
    )


def test_of_many_outputs_the_line_names_those_that_are_unlike():
    line = refusal([array(4)] * 30, [*[array(4)] * 29, array(5)])
    assert line.startswith(
        "a.py:x returns step()[29] float32[4] and b.py:y returns step()[29] float32[5]"
    )
    assert "and 26 more" in refusal([array(4)] * 30, [array(4)] * 29)


@pytest.mark.parametrize("outputs", [[array(4), [array(4)]], [{"logits": array(4)}, array(4)]])
def test_a_single_output_has_a_counterpart_whatever_holds_it(outputs):
    refuse_unlike([leaves(each) for each in outputs], ["x", "y"])


# -- progress and names --------------------------------------------------------------------


def test_the_first_calls_tell_at_once_whether_the_bits_are_equal():
    told: list[Progress] = []
    compare(y=output("b"), told=told)
    assert str(told[0]).startswith("a.py:x against b.py:y on CPU:0: call 1 of 13: different bits")
    assert 0 <= told[0].fraction <= told[-1].fraction <= 1


def test_names_have_no_folders_but_those_that_tell_two_files_apart():
    assert distinct_names(info("/home/me/a.py:x"), info("b.py:y")) == ("a.py:x", "b.py:y")
    assert distinct_names(info("old/model.py:step"), info("new/model.py:step")) == (
        "old/model.py:step",
        "new/model.py:step",
    )
    assert distinct_names(info("v/old/model.py:step"), info("v/new/model.py:step")) == (
        "old/model.py:step",
        "new/model.py:step",
    )


def test_a_table_leaves_the_file_out_where_the_rest_tells_them_apart():
    assert short_names("a.py:x", "b.py:y") == ("x", "y")
    assert short_names("a.py:x", "b.py:x") == ("a.py:x", "b.py:x")
    assert short_names("matmul_square", "b.py:y") == ("matmul_square", "y")
