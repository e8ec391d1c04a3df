"""A measurement ends with what follows from it, with code for this kind of program."""

from __future__ import annotations

import json

import msgspec
import pytest

from detcost.experiment.planning import ProgramPlan
from detcost.experiment.profiles import PROFILES
from detcost.settings.grammar import DEFAULT, parse
from detcost.tables import next_steps
from factories import cost, divergence, racing, record

STEADY = {"repeat": divergence(0, 84, 0.0, 0.035), "process": divergence(0, 6, 0.0, 0.39)}
NAME = "mine.py:fit"


def planned(**changes: object) -> ProgramPlan:
    usual = {
        "traits": None,
        "settings": (DEFAULT, parse("op_determinism")),
        "profile": PROFILES["quick"],
        "scenario": NAME,
        "device": "CPU:0",
    }
    return ProgramPlan(**{**usual, **changes})


def measured(setting: str = "default", **changes: object):
    return record(**{"scenario": NAME, "setting": setting, "divergence": STEADY, **changes})


def steps_of(*records, **changes: object) -> next_steps.NextSteps:
    [step] = next_steps.next_steps(records, [planned(**changes)], "out.trials.jsonl")
    return step


CURED = (measured(divergence=racing()), measured("op_determinism", cost=cost(1.3, 1.2, 1.4)))


def test_the_recommendation_is_the_answer_of_choose_with_its_code():
    step = steps_of(*CURED)
    assert step.choice.best == "op_determinism"
    [advice] = step.advice
    assert advice.startswith(f"{NAME} on CPU:0: op_determinism survives repeat, process at 1.3")
    [paste] = step.pastes
    assert "enable_op_determinism()" in paste.code
    assert "model.compile" not in paste.code


def test_a_keras_program_gets_the_code_for_keras():
    [paste] = steps_of(*CURED, kind="keras").pastes
    assert "model.compile" in paste.code


def test_a_pipeline_gets_the_line_for_its_pipeline():
    cure = measured("data_order=strict", cost=cost(1.0, 0.99, 1.01))
    [paste] = steps_of(CURED[0], cure, kind="pipeline").pastes
    assert paste.code.count("deterministic = True") == 1


def test_where_default_survives_no_switch_is_needed():
    step = steps_of(measured(), measured("op_determinism", cost=cost(1.3, 1.2, 1.4)))
    assert step.choice.best == "default"
    assert step.advice[1] == next_steps.NOTHING_NEEDED


def test_where_nothing_survives_there_is_no_code_but_the_reasons():
    step = steps_of(measured(divergence=racing()), measured("op_determinism", divergence=racing()))
    assert step.pastes == []
    assert "no setting measured survives" in step.advice[0]
    assert any(line.startswith("op_determinism: ") for line in step.advice[1:])


def test_where_nothing_survives_the_command_to_find_the_operation_is_named():
    line = f"to find the operation that differs: detcost locate {NAME} --scope repeat"
    races = measured("op_determinism", divergence=racing())
    assert line in steps_of(measured(divergence=racing()), races).advice
    assert line not in steps_of(*CURED).advice


def test_a_failed_control_comes_before_any_advice():
    bad = CURED[0].controls
    assert bad is not None
    assert bad.stable is not None
    stable = msgspec.structs.replace(bad.stable, ok=False)
    controls = msgspec.structs.replace(bad, stable=stable)
    step = steps_of(*(msgspec.structs.replace(each, controls=controls) for each in CURED))
    assert "CONTROLS FAILED" in step.advice[0]


def test_more_time_is_named_with_what_it_buys():
    wide = measured("op_determinism", cost=cost(1.3, 1.0, 1.69))
    text = steps_of(CURED[0], wide, more=(PROFILES["standard"], 480.0)).more_time
    assert text is not None
    assert text.startswith("--time 8m would narrow the widest interval from ±30 % to about ±")
    assert text.endswith("bound a rate in process at 14 %")
    assert steps_of(*CURED).more_time is None


@pytest.mark.parametrize("text", ["<img src=x>", "[link](http://x)"])
def test_untrusted_text_is_neither_html_nor_a_link(text: str):
    records = [msgspec.structs.replace(each, scenario=text) for each in CURED]
    markdown = next_steps.markdown(next_steps.next_steps(records, [planned(scenario=text)], "o"))
    assert text not in markdown.replace("`" + text + "`", "")


def test_the_json_has_advice_choice_and_evidence():
    [step] = json.loads(next_steps.json_text([steps_of(*CURED)]))
    assert step["choice"]["best"] == "op_determinism"
    assert [each["setting"] for each in step["records"]] == ["default", "op_determinism"]


def test_evidence_without_a_comparison_gives_no_advice():
    assert next_steps.next_steps([measured(divergence={})], [planned()], "out") == []
