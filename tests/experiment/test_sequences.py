"""Outputs of several processes, call by call: what is state, and what is a race."""

from __future__ import annotations

import pytest

from detcost.experiment.sequences import CallDigests, Sequences, combined, first_difference

MOVES = ("a", "b", "c", "d")


def sequences(*processes: tuple[str, ...], pythons: tuple[int, ...] = ()) -> Sequences:
    cell = Sequences()
    for number, digests in enumerate(processes):
        cell.add(CallDigests(pythons[number] if pythons else 0, "quiet", digests))
    return cell


def counts(outcomes) -> tuple[int, int]:
    differs = [outcome.differs for outcome in outcomes]
    return sum(differs), len(differs)


def test_constant_outputs_are_no_state_and_no_divergence():
    cell = sequences(("a",) * 4, ("a",) * 4)
    assert cell.carries_state is False
    assert counts(cell.within()) == (0, 6)
    assert counts(cell.between()) == (0, 1)


def test_outputs_that_move_alike_in_all_processes_are_state():
    cell = sequences(MOVES, MOVES, MOVES)
    assert cell.carries_state is True
    assert counts(cell.within()) == (0, 6)  # the first process is the reference
    assert counts(cell.between()) == (0, 2)


def test_outputs_that_move_differently_are_a_race():
    cell = sequences(("a", "b", "c"), ("a", "d", "e"), ("a", "f", "g"))
    assert cell.carries_state is False
    assert counts(cell.within()) == (6, 6)
    assert [outcome.first_call for outcome in cell.between()] == [2, 2]


def test_a_rare_race_is_counted_at_its_rate_and_is_no_state():
    cell = sequences(("a", "a", "x", "a"), ("a", "a", "a", "a"), ("a", "y", "a", "a"))
    assert cell.carries_state is False
    assert counts(cell.within()) == (2, 9)


def test_state_diverges_from_the_call_where_a_process_parts():
    cell = sequences(MOVES, MOVES, ("a", "b", "x", "y"))
    assert cell.carries_state is True
    assert counts(cell.within()) == (2, 6)
    assert counts(cell.between()) == (1, 2)
    assert [outcome.first_call for outcome in cell.between()] == [None, 3]


def test_state_of_the_python_repeats_within_it_alone():
    other = ("p", "q", "r", "s")
    cell = sequences(MOVES, other, MOVES, other, pythons=(0, 1, 0, 1))
    assert cell.carries_state is True
    assert counts(cell.within()) == (0, 6)
    assert counts(cell.between()) == (2, 3)


def test_with_one_moving_process_state_is_unknown():
    assert sequences(MOVES).carries_state is None
    assert sequences(("a", "a")).carries_state is False
    assert Sequences().carries_state is None


@pytest.mark.parametrize(
    ("digests", "call"), [(MOVES, None), (("a", "x", "c", "y"), 2), (("z",), 1), (("a",), None)]
)
def test_the_first_differing_call_is_counted_from_1(digests, call):
    assert first_difference(digests, MOVES) == call


def test_a_constant_sequence_has_the_digest_of_its_output():
    assert combined(("a", "a")) == "a"
    assert combined(("a", "b")) != combined(("b", "a"))


def test_a_trial_is_compared_over_the_calls_it_has():
    cell = sequences(MOVES, MOVES)
    assert not cell.compare(("a",), "3").differs
    assert cell.compare(("b",), "3").differs


def test_both_scopes_count_the_first_differing_call_from_1():
    cell = sequences(MOVES, MOVES, ("a", "x", "c", "y"))
    assert [c.first_call for c in cell.within() if c.differs] == [2, 4]
    assert [c.first_call for c in cell.within() if not c.differs] == [None] * 4
    assert [c.first_call for c in cell.between()] == [None, 2]


@pytest.mark.parametrize(("reference", "call"), [(("a", "a", "a"), None), (("a", "b", "b"), 2)])
def test_a_first_call_is_given_only_if_the_reference_moves(reference, call):
    [comparison] = sequences(reference, ("a", "x", "x")).between()
    assert comparison.differs
    assert comparison.first_call == call


def test_the_digest_of_a_sequence_is_the_same_in_all_versions():
    """Evidence stores these digests, and compares them with those of other runs."""
    assert combined(("a", "b")) == "89c65ebc828eebaca873719c24d5735c"


def test_a_process_with_another_number_of_calls_is_refused():
    with pytest.raises(ValueError, match="argument 2"):
        list(sequences(MOVES, MOVES[:3], MOVES).within())


def test_outputs_move_if_any_call_differs_from_the_others():
    assert sequences(("a", "b", "b")).moves
    assert not sequences(("a", "a", "a")).moves
    assert not Sequences().moves


@pytest.mark.parametrize("pythons", [(0, 0), (0, 1)])
def test_two_processes_are_enough_to_know_state(pythons):
    """If each is the first of its Python, the first process of all is the reference."""
    assert sequences(MOVES, MOVES, pythons=pythons).carries_state is True
    race = sequences(("a", "b", "c"), ("a", "d", "e"), pythons=pythons)
    assert race.carries_state is False
