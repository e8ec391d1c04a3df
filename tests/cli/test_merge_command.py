"""``detcost merge`` says what it did, and what it left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from merging_trees import MACHINES, line, tree, write_lines

EPYC, WIDE, _, BOX = MACHINES
TRIALS = "a.trials.jsonl"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_command_says_what_the_folder_has_and_who_got_another_name(detcost):
    write_lines(Path("a/vm") / TRIALS, [line(1, EPYC)])
    write_lines(Path("b/vm") / TRIALS, [line(2, WIDE)])
    code, out, err = detcost("merge", "a", "b", "--into", "all")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "vm, which unlike machines are called, is vm-epyc-avx2-2core-32g",
        "vm, which unlike machines are called, is vm-epyc-avx512-2core-32g",
        "all: 2 machines, 2 records of evidence",
    ]


def test_what_is_left_out_is_one_line_each_and_exit_code_1(detcost):
    write_lines(Path("a/box") / TRIALS, [line(1, BOX), b"{\n"])
    code, out, err = detcost("merge", "a", "--into", "all")
    assert code == 1
    assert err.startswith("skipped a/box/a.trials.jsonl:2: ")
    assert out == "all: 1 machine, 1 records of evidence\n"


def test_a_folder_that_is_absent_is_a_mistake_before_anything_is_written(detcost):
    write_lines(Path("a/box") / TRIALS, [line(1, BOX)])
    code, _, err = detcost("merge", "a", "b", "--into", "all")
    assert code == 2
    assert err.startswith("detcost: b: no such folder")
    assert not Path("all").exists()


def test_merging_a_folder_into_itself_changes_nothing(detcost):
    write_lines(Path("results/box") / TRIALS, [line(1, BOX)])
    before = tree(Path("results"))
    assert detcost("merge", "results")[0] == 0
    assert detcost("merge", ".")[0] == 0
    assert tree(Path("results")) == before
