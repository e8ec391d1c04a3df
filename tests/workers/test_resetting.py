"""``reset=True`` puts the state of a program back before every call of its step."""

from __future__ import annotations

import pytest

from detcost.experiment.sequences import CallDigests, Sequences
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, CellError
from detcost.workers.launch import ForkWorkerFactory
from paths import PROGRAMS

pytestmark = pytest.mark.tensorflow

FILE = PROGRAMS / "resettable.py"
PROGRAM_NAMES = ["adam", "pipeline", "epochs", "python", "function", "fit"]


def calls(
    factory: ForkWorkerFactory, name: str, setting: str = "op_determinism", bursts: bool = False
) -> tuple[str, ...]:
    """Return the digests of the first four calls in one process, with timed calls between."""
    worker = factory.start(Cell(f"{FILE}:{name}", parse(setting), "CPU:0"))
    try:
        first = worker.build().digest
        if bursts:
            worker.burst(0.0, 1e-4)
        return (first, *worker.repeat(3))
    finally:
        worker.close()


@pytest.mark.parametrize("program", PROGRAM_NAMES)
def test_reset_calls_are_equal_and_others_go_on(factory, program):
    going_on = "goes_on" if program != "epochs" else "go_on"
    assert len(set(calls(factory, f"{program}_{going_on}"))) == 4
    assert len(set(calls(factory, f"{program}_again", bursts=True))) == 1


def test_reset_programs_are_equal_in_every_process_and_carry_no_state(factory):
    state = {}
    for name in ("keras_goes_on", "keras_again"):
        sequences = Sequences()
        for _ in range(2):
            sequences.add(CallDigests(0, "quiet", calls(factory, name)))
        assert not any(comparison.differs for comparison in sequences.between())
        assert not any(comparison.differs for comparison in sequences.within())
        state[name] = sequences.carries_state
    assert state == {"keras_goes_on": True, "keras_again": False}


def test_without_seeds_only_the_program_s_own_state_is_put_back(factory):
    assert len(set(calls(factory, "python_again", "unseeded"))) == 4
    assert len(set(calls(factory, "epochs_again", "unseeded"))) == 4


def test_a_variable_whose_first_value_is_unknown_fails_with_its_name(factory):
    with pytest.raises(CellError, match=r"cannot put Variable:0 back: .*make the variable before"):
        calls(factory, "argument_again")


def test_what_cannot_be_put_back_shows_as_state(factory):
    assert len(set(calls(factory, "count_again"))) == 4


def test_an_output_without_the_rows_fails_with_its_name(factory):
    worker = factory.start(Cell(f"{FILE}:no_such_row", parse("default"), "CPU:0"))
    with pytest.raises(CellError, match=r"step\(\)\[1\] has 3 rows, and not those of rows=3"):
        worker.build()
    worker.close()
