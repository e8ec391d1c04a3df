"""A shell completes commands, options and their values, without TensorFlow."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from detcost.cli import completion
from detcost.cli.completion import list_of, one_of
from detcost.settings import grammar

MAIN = "import sys; sys.argv[0] = 'detcost'; from detcost.cli.main import main; main()"


def completed(line: str) -> list[str]:
    """Return what bash would offer at the end of a line."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    run = subprocess.run(
        [sys.executable, "-c", MAIN],
        env={**os.environ, **words, "_DETCOST_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    return run.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("detcost sum", ["summary"]),
        ("detcost measure matmul_s", ["matmul_square"]),
        ("detcost measure matmul_square --prof", ["--profile"]),
        ("detcost measure matmul_square --profile q", ["quick"]),
        ("detcost measure matmul_square --size l", ["large"]),
        ("detcost measure matmul_square --dtype bf", ["bfloat16"]),
        ("detcost measure matmul_square --scopes repeat,pro", ["repeat,process"]),
        ("detcost measure matmul_square -s xla,op_determinism+xl", ["xla,op_determinism+xla"]),
        ("detcost choose --survive exec", ["execution"]),
        ("detcost choose --scenario al", ["all"]),
        ("detcost agreement --settings opd", []),
        ("detcost list sc", ["scenarios"]),
    ],
)
def test_a_value_is_completed(line: str, expected: list[str]):
    assert completed(line) == expected


@pytest.mark.parametrize("before", ["--scopes repeat,", "--seed 1 --seed 2"])
def test_a_mistake_before_the_cursor_is_no_message(before: str):
    assert completed(f"detcost measure matmul_square {before} --prof") == ["--profile"]


def test_only_the_last_word_of_a_list_is_completed():
    def names() -> list[str]:
        return ["repeat", "process"]

    assert list_of(names)("") == ["repeat", "process"]
    assert list_of(names)("process,r") == ["process,repeat"]
    assert list_of(names)("process+r") == []
    assert list_of(names, ",+")("process+r") == ["process+repeat"]
    assert one_of(names)("process,r") == []


def test_every_lever_that_is_offered_is_a_setting():
    assert "threads=1" in completion.levers()
    for name in completion.levers():
        grammar.parse(name)


def test_the_script_for_bash_is_shown():
    """Typer asks which shell runs it, so a shell runs it here."""
    command = shlex.join([sys.executable, "-c", MAIN, "--show-completion", "bash"])
    run = subprocess.run(
        ["bash", "-c", f"{command}; true"], capture_output=True, text=True, check=False
    )
    assert "complete -o default -F _detcost_completion detcost" in run.stdout, run.stderr
