"""The command ``locate``: what it passes on, prints, keeps and returns."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detcost.cli.locate_command import DEFAULT_OUT
from detcost.evidence import recording
from detcost.evidence.recording import Recording
from detcost.experiment.progress import Progress
from detcost.locating.schema import Location, Rate
from locations import location, scatter

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def located(detcost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Run the command with an answer made up; return its exit code, output and what it asked."""
    monkeypatch.chdir(tmp_path)

    def run(found: Location, *words: str) -> tuple[int, str, str, dict[str, Any]]:
        asked: dict[str, Any] = {}

        def locate(program: str, setting: str, device: str, **others: Any) -> Location:
            asked.update(others, program=program, setting=setting, device=device)
            asked.pop("on_progress")(Progress(program, device, "first run", 0.1))
            return found

        stand_in = types.SimpleNamespace(locate=locate, SECONDS=60.0)
        monkeypatch.setitem(sys.modules, "detcost.locating.finding", stand_in)  # type: ignore[arg-type]
        monkeypatch.setattr("detcost.locating.finding", stand_in, raising=False)
        return (*detcost("locate", "model.py:step", *words), asked)

    return run


def test_the_terminal_has_the_culprit_and_where_it_is_kept(located):
    code, out, err, _ = located(location(scatter()))
    assert code == 0
    assert out.startswith("ResourceScatterAdd at model.py:41 is the first operation that differs")
    assert "kept in results/located/model-py-step-repeat.located.json" in " ".join(out.split())
    assert "0:00 model.py:step on CPU:0: first run" in err


def test_all_the_words_are_passed_on(located):
    words = "--scope threads --setting op_determinism --device GPU:0 --size small --seed 7"
    *_, asked = located(location(), *words.split(), "--time", "2m", "--no-remedies")
    folder = asked.pop("folder")
    assert folder == DEFAULT_OUT / "model-py-step-op_determinism-threads"
    assert asked == {
        "program": "model.py:step",
        "setting": "op_determinism",
        "device": "GPU:0",
        "scope": "threads",
        "seconds": 120.0,
        "cure": False,
        "size": "small",
        "dtype": None,
        "seed": 7,
        "compare_with": None,
    }


def test_the_usual_search_is_of_repeats_for_a_minute_with_remedies(located):
    *_, asked = located(location())
    assert (asked["scope"], asked["seconds"], asked["cure"]) == ("repeat", 60.0, True)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (location(), 0),
        (location(scatter()), 0),
        (location(probed=Rate.of(3, 20)), 1),
        (location(unprobed=Rate.of(3, 20)), 1),
    ],
    ids=["nothing differed", "the origin was found", "no origin", "the probe hides it"],
)
def test_the_exit_code_says_whether_a_difference_is_left_without_an_origin(located, found, code):
    assert located(found)[0] == code


def test_json_is_the_location_and_nothing_else(located):
    found = location(scatter())
    _, out, _, _ = located(found, "--json")
    printed = msgspec.json.decode(out, type=Location)
    assert msgspec.structs.replace(printed, located_at="") == found
    kept = Path("results/located/model-py-step-repeat.located.json").read_text()
    assert json.loads(kept) == json.loads(out)


def test_markdown_is_for_a_comment(located):
    _, out, _, _ = located(location(scatter()), "--markdown")
    assert out.startswith("**ResourceScatterAdd at")
    assert "kept in" not in out


def test_a_report_is_a_page_with_the_program_and_its_operation(located):
    _, _, err, _ = located(location(scatter()), "--report", "page")
    assert "The page is page/index.html" in err
    assert "ResourceScatterAdd at model.py:41" in Path("page/index.html").read_text()


def test_a_recording_is_named_with_the_command_that_reads_it(monkeypatch, tmp_path, detcost):
    monkeypatch.chdir(tmp_path)
    asked = []

    def record(program: str, path: Path, *cell: str, **options: object) -> Recording:
        asked.append((program, path, *cell))
        return Recording(
            *("model.py:step", "default", "CPU:0", "medium", "float32", 42, "", (), (), ())
        )

    monkeypatch.setattr("detcost.locating.finding.record", record)
    code, out, _ = detcost("locate", "model.py:step", "--record", "box.recording")
    assert code == 0
    assert asked == [("model.py:step", Path("box.recording"), "default", "CPU:0")]
    assert "detcost locate --against box.recording" in out


def test_a_recording_compares_nothing(detcost):
    code, _, err = detcost("locate", "a.py", "--record", "a.recording", "--scope", "threads")
    assert code == 2
    assert "--record keeps one run and compares nothing" in err


def test_a_recording_of_another_machine_takes_the_place_of_the_second_run(located, tmp_path):
    theirs = Recording(
        *("model.py:step", "default", "CPU:0", "medium", "float32", 42, "", (), (), ())
    )
    recording.write(theirs, tmp_path / "box.recording")
    *_, asked = located(location(), "--against", "box.recording")
    assert asked["compare_with"] == Path("box.recording")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--against", "missing"], "missing: No such file"),
        (["--against", "model.py"], "model.py is no recording"),
        (["--against", "model.py", "--scope", "threads"], "keep one"),
        (["--record", "model.py"], "model.py: holds something else than a recording"),
        (["--record", "."], ".: a folder; name a file"),
        (["--report", "model.py"], "model.py: a file; name a folder"),
        (["--json", "--markdown"], "choose one"),
        (["--time", "soon"], "write a time such as 90s"),
    ],
)
def test_a_mistake_is_one_line_before_the_search(located, tmp_path, words, remedy):
    (tmp_path / "model.py").write_text("print(1)")
    code, out, err, asked = located(location(), *words)
    assert code == 2
    assert out == ""
    assert remedy in err
    assert len(err.splitlines()) == 1
    assert not asked
    assert (tmp_path / "model.py").read_text() == "print(1)"
