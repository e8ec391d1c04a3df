"""Outputs of several processes, call by call: which of them is state, and which a race."""

from __future__ import annotations

import pytest

from detcost.experiment.sequences import CallDigests, Sequences, combined, first_difference

MOVES = ("a", "b", "c", "d")


def of(*runs: tuple[str, ...], pythons: tuple[int, ...] = ()) -> Sequences:
    found = Sequences()
    for number, digests in enumerate(runs):
        found.add(CallDigests(pythons[number] if pythons else 0, "quiet", digests))
    return found


def counts(outcomes) -> tuple[int, int]:
    differs = [outcome.differs for outcome in outcomes]
    return sum(differs), len(differs)


def test_what_stands_still_has_no_state_and_no_divergence():
    found = of(("a",) * 4, ("a",) * 4)
    assert found.carries_state is False
    assert counts(found.within()) == (0, 6)
    assert counts(found.between()) == (0, 1)


def test_what_moves_on_alike_in_every_process_is_state():
    found = of(MOVES, MOVES, MOVES)
    assert found.carries_state is True
    assert counts(found.within()) == (0, 6)  # the first process is what the others are held to
    assert counts(found.between()) == (0, 2)


def test_what_moves_on_otherwise_in_every_process_is_a_race():
    found = of(("a", "b", "c"), ("a", "d", "e"), ("a", "f", "g"))
    assert found.carries_state is False
    assert counts(found.within()) == (6, 6)
    assert [outcome.first_call for outcome in found.between()] == [2, 2]


def test_a_rare_race_is_counted_at_its_rate_and_is_no_state():
    found = of(("a", "a", "x", "a"), ("a", "a", "a", "a"), ("a", "y", "a", "a"))
    assert found.carries_state is False
    assert counts(found.within()) == (2, 9)


def test_state_in_which_one_process_parts_diverges_from_that_call_on():
    found = of(MOVES, MOVES, ("a", "b", "x", "y"))
    assert found.carries_state is True
    assert counts(found.within()) == (2, 6)
    assert counts(found.between()) == (1, 2)
    assert [outcome.first_call for outcome in found.between()] == [None, 3]


def test_state_that_hangs_on_the_python_repeats_in_each_and_differs_between_them():
    other = ("p", "q", "r", "s")
    found = of(MOVES, other, MOVES, other, pythons=(0, 1, 0, 1))
    assert found.carries_state is True
    assert counts(found.within()) == (0, 6)
    assert counts(found.between()) == (2, 3)


def test_with_one_process_that_moves_nothing_is_known_of_state():
    assert of(MOVES).carries_state is None
    assert of(("a", "a")).carries_state is False
    assert Sequences().carries_state is None


@pytest.mark.parametrize(
    ("digests", "call"), [(MOVES, None), (("a", "x", "c", "y"), 2), (("z",), 1), (("a",), None)]
)
def test_the_first_differing_call_is_counted_from_1(digests, call):
    assert first_difference(digests, MOVES) == call


def test_a_sequence_that_stands_still_is_known_by_its_output():
    assert combined(("a", "a")) == "a"
    assert combined(("a", "b")) != combined(("b", "a"))


def test_a_trial_of_fewer_calls_is_compared_as_far_as_it_goes():
    found = of(MOVES, MOVES)
    assert not found.compare(("a",), "3").differs
    assert found.compare(("b",), "3").differs
