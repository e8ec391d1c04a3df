"""A message is one line that repeats no long text of the user's."""

from __future__ import annotations

import pytest

from detcost.errors import UsageError


@pytest.mark.parametrize(
    "message",
    ['setting "{}": no lever', 'no "short" and "{}"; did you mean "x"?', "{}: no such file"],
)
def test_a_long_text_is_repeated_without_its_middle(message):
    line = str(UsageError(message.format("a" * 20_000)))
    before, after = message.split("{}")
    assert line.startswith(f"{before}aaaaaaa")
    assert line.endswith(f"aaaaaaa{after}")
    assert "…" in line
    assert len(line) < 160


def test_a_long_text_with_spaces_is_shortened_too():
    assert len(str(UsageError(f'no scenario "{"a b " * 5000}"'))) < 160


def test_text_between_two_quoted_words_is_no_quoted_text():
    message = f'no "a" here; {"several words " * 10} "b"'
    assert str(UsageError(message)) == message


def test_a_path_of_usual_length_is_whole():
    path = f"/tmp/{'folder/' * 25}file.trials.jsonl"
    assert str(UsageError(f"{path}: no such file")) == f"{path}: no such file"


def test_a_line_break_and_a_control_character_become_spaces():
    assert str(UsageError("no\n\x1b[2Jsuch\u2028file")) == "no  [2Jsuch file"
