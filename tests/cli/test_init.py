"""``detcost init`` writes a file to fill in, and refuses what it would spoil."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from detcost.cli.templates import TEMPLATES

FLAGS = ["keras", "loop", "dataset", "callable"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with a saved model and a Keras file, seen from outside only."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").touch()
    (tmp_path / "model.keras").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch):
    """Sit at a terminal and answer the question."""

    def at_terminal(words: str) -> list[str]:
        asked: list[str] = []
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("typer.prompt", lambda text, **more: asked.append(text) or words)
        return asked

    return at_terminal


@pytest.mark.parametrize("kind", TEMPLATES)
def test_at_most_five_lines_are_the_users_to_fill_in(kind):
    marked = [line for line in TEMPLATES[kind].splitlines() if line.endswith("# yours")]
    assert len(marked) <= 5
    assert bool(marked) == ("says" in TEMPLATES[kind].splitlines()[0])


@pytest.mark.parametrize("kind", FLAGS)
def test_it_names_the_command_to_run_next(detcost, folder, kind):
    code, out, _ = detcost("init", "my_model.py", f"--{kind}")
    assert (code, out) == (0, "my_model.py is written. Measure it: detcost measure my_model.py\n")
    text = (folder / "my_model.py").read_text()
    assert "FILE" not in text
    compile(text, "my_model.py", "exec")


def test_without_a_terminal_it_writes_the_keras_file(detcost, folder):
    assert detcost("init", "my_model.py")[0] == 0
    assert "fit_step" in (folder / "my_model.py").read_text()


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("loop", "detcost.callable(train_step"),
        (" dataset ", "detcost.dataset(make_dataset)"),
        ("model", 'detcost.saved_model("model")'),
        ("model.keras", 'detcost.keras.file("model.keras")'),
    ],
)
def test_at_a_terminal_it_asks_one_question(detcost, folder, answer, words, call):
    asked = answer(words)
    assert detcost("init", "my_model.py")[0] == 0
    assert len(asked) == 1
    assert call in (folder / "my_model.py").read_text()


def test_an_option_needs_no_question(detcost, folder, answer):
    asked = answer("loop")
    assert detcost("init", "my_model.py", "--dataset")[0] == 0
    assert asked == []


def test_a_path_is_written_as_seen_from_the_file(detcost, folder):
    (folder / "sub").mkdir()
    assert detcost("init", "sub/my_model.py", "--saved-model", "model")[0] == 0
    assert 'saved_model("../model")' in (folder / "sub" / "my_model.py").read_text()
    assert detcost("init", "mine.py", "--keras-file", str(folder / "model.keras"))[0] == 0
    assert f'file("{folder}/model.keras")' in (folder / "mine.py").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["there.py"], "there.py: exists already, and is kept; name another file"),
        (["my_model"], "my_model: name a Python file, such as my_model.py"),
        (["keras.py"], "keras.py: it would hide the package keras; name another file"),
        (["away/x.py"], "away/x.py: cannot be written (No such file or directory)"),
        (["x.py", "--loop", "--keras"], "--keras and --loop: a file has one kind; keep one"),
        (["x.py", "--saved-model", "no"], "--saved-model no: no such saved model"),
        (["x.py", "--keras-file", "model"], "--keras-file model: no such keras file"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(detcost, folder, words, message):
    (folder / "there.py").write_text("mine")
    before = sorted(path.name for path in folder.iterdir())
    code, out, errors = detcost("init", *words)
    assert (code, out, errors) == (2, "", f"detcost: {message}\n")
    assert sorted(path.name for path in folder.iterdir()) == before
    assert (folder / "there.py").read_text() == "mine"


def test_an_answer_that_is_neither_a_kind_nor_a_path_gets_advice(detcost, folder, answer):
    answer("datset")
    code, _, errors = detcost("init", "my_model.py")
    assert code == 2
    assert 'did you mean "dataset"?' in errors
