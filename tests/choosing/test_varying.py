"""A scenario that expects its outputs to vary: too much of the same is what disqualifies."""

from __future__ import annotations

import pytest

from detcost.choosing.answers import choose
from detcost.choosing.question import Question
from detcost.choosing.scope_checks import check_scope, is_unexpected, lowest_rate
from detcost.evidence.schema import Evidence
from factories import divergence, record


def drawing(repeat: int, process: int, *sequence: str) -> Evidence:
    """Return the record of a dropout with these comparisons that differed, of 84 and of 6."""
    return record(
        expect="varies",
        divergence={"repeat": divergence(repeat, 84), "process": divergence(process, 6)},
        carries_state=bool(sequence),
        sequence=list(sequence),
    )


#: The mask of a dropout: whether it is another one at every call, and in every process.
UNSEEDED = drawing(84, 6)
SEEDED = drawing(0, 0, "a", "b", "c", "d")
THE_SAME_FOR_EVER = drawing(0, 0)
THE_SAME_AT_EVERY_CALL_OF_A_PROCESS = drawing(0, 6)
TWO_MASKS_IN_TURN = drawing(0, 0, "a", "b", "a", "b")


@pytest.mark.parametrize(
    ("mask", "scopes"),
    [
        (UNSEEDED, {"repeat", "process"}),
        (SEEDED, {"repeat", "process"}),
        (THE_SAME_FOR_EVER, set()),
        (THE_SAME_AT_EVERY_CALL_OF_A_PROCESS, {"process"}),
        (TWO_MASKS_IN_TURN, set()),
    ],
)
def test_masks_that_differ_from_call_to_call_or_in_the_scope_qualify(mask, scopes):
    checks = {scope: check_scope(mask, scope, max_rate=0.01) for scope in mask.divergence}
    assert {scope for scope, check in checks.items() if check.survives} == scopes
    assert {s for s in mask.divergence if lowest_rate(mask, s) == 0.0} == scopes
    assert {s for s in mask.divergence if not is_unexpected(mask, s)} == scopes


def test_the_reason_says_that_draws_never_changed():
    assert check_scope(THE_SAME_FOR_EVER, "repeat", None).why == (
        "draws never changed: 0 of 84 differed, and the scenario expects them to vary"
    )


def test_the_reason_says_that_draws_repeat():
    assert check_scope(TWO_MASKS_IN_TURN, "repeat", None).why == (
        "draws repeat: 2 different outputs in 4 calls, and the scenario expects them to vary"
    )


def test_differences_that_are_expected_are_evidence_in_every_scope():
    """They are no race, which would put the counts of other scopes in parentheses."""
    check = check_scope(UNSEEDED, "process", None)
    assert (check.anyway, check.note, check.why) == (False, None, None)


def test_a_scope_that_was_not_measured_is_no_variation():
    assert check_scope(SEEDED, "threads", None).why == "not measured"


def test_the_cheapest_setting_whose_draws_vary_is_chosen():
    stuck = record(**{**fields(THE_SAME_FOR_EVER), "setting": "seeding=stateless"})
    answer = choose([SEEDED, stuck], Question(scenarios=(SEEDED.scenario,)))
    qualifies = {c.setting: c.qualifies for c in answer.candidates}
    assert qualifies == {"default": True, "seeding=stateless": False}


def fields(evidence: Evidence) -> dict[str, object]:
    return {name: getattr(evidence, name) for name in evidence.__struct_fields__}
