"""Evidence lies in files of its own, and cells of an interrupted run are read beside them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from detcost.errors import UsageError
from detcost.evidence import places, reading
from detcost.evidence.journal import Journal
from factories import record


def refusal(path: Path) -> str:
    """Return the message with which a journal refuses a place, which it leaves as it is."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UsageError) as caught:
        Journal(path, "run")
    assert before == (path.read_bytes() if path.is_file() else None)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


# Places that hold something else.


def test_evidence_is_not_appended_to_a_program(tmp_path):
    (tmp_path / "scenario.py").write_text("print(1)\n")
    assert "such as scenario.trials.jsonl" in refusal(tmp_path / "scenario.py")


@pytest.mark.parametrize("name", ["notes.txt", "evidence", "x.jsonl.gz", ".jsonl", "x.JSONL"])
def test_a_file_of_another_name_is_refused_and_not_made(tmp_path, name):
    assert "….jsonl" in refusal(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_refused_with_a_file_to_name(tmp_path, monkeypatch):
    assert f"such as {tmp_path}/mine.trials.jsonl" in refusal(tmp_path)
    (tmp_path / "folder.jsonl").mkdir()
    assert "a folder" in refusal(tmp_path / "folder.jsonl")
    monkeypatch.chdir(tmp_path)
    assert "such as mine.trials.jsonl" in refusal(Path())


@pytest.mark.parametrize(
    "content",
    [
        b'{"text": "a prompt", "label": 1}\n',
        b"[1, 2]\n",
        b"plain text",
        b"\n\n{}\n",
        b"\x00\x01",
        gzip.compress(b'{"schema":3}\n', mtime=0),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path, content):
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    assert "something else than evidence" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"\n \n", b'{"schema": 99}\n', b'\n{"schema":3,"run'])
def test_evidence_of_any_schema_is_appended_to_and_so_is_half_a_line(tmp_path, content):
    path = tmp_path / "box.trials.jsonl"
    path.write_bytes(content)
    Journal(path, "run").append([record()])
    assert reading.read(path)[0] == [record()]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert "not a file" in refusal(tmp_path / "pipe.jsonl")


def test_a_name_too_long_for_a_file_is_one_short_line(tmp_path):
    path = tmp_path / f"{'a' * 20_000}.jsonl"
    for use in (lambda: Journal(path, "run"), lambda: reading.read(path)):
        with pytest.raises(UsageError) as caught:
            use()
        assert len(str(caught.value)) < 250


# Unfinished cells.


@pytest.mark.parametrize("name", ["box.trials.jsonl", "box.jsonl", "box.v2.trials.jsonl"])
def test_a_file_is_read_with_its_unfinished_cells(tmp_path, name):
    Journal(tmp_path / name, "before").append([record(run_id="before")])
    Journal(tmp_path / name, "killed").checkpoint([record(run_id="killed", setting="xla")])
    records, problems = reading.read(tmp_path / name)
    assert {kept.run_id for kept in records} == {"before", "killed"}
    assert problems == []
    assert [kept.setting for kept in reading.unfinished(tmp_path / name, records)] == ["xla"]


def test_a_run_killed_before_its_first_cell_has_finished_is_read(tmp_path):
    path = tmp_path / "box.trials.jsonl"
    Journal(path, "killed").checkpoint([record()])
    assert reading.read(path) == ([record()], [])
    path.touch()
    assert reading.read(path) == ([record()], [])


def test_the_unfinished_cells_of_another_file_are_not_read(tmp_path):
    for name in ("box.trials.jsonl", "box.v2.trials.jsonl", "box[1].trials.jsonl", "box.jsonl"):
        Journal(tmp_path / name, "killed").checkpoint([record(scenario=name)])
    for path in tmp_path.glob("*.jsonl"):
        if not places.is_unfinished(path):
            assert [kept.scenario for kept in reading.read(path)[0]] == [path.name]


def test_unfinished_evidence_for_claims_is_no_other_evidence(tmp_path):
    path = tmp_path / "box.folklore.jsonl"
    Journal(path, "killed").checkpoint([record()])
    assert reading.read(tmp_path) == ([], [])
    assert reading.read(tmp_path, folklore=True) == ([record()], [])
    assert reading.unfinished(path, [record()], folklore=True) == [record()]


def test_a_cell_measured_again_is_no_longer_unfinished(tmp_path):
    path = tmp_path / "box.trials.jsonl"
    Journal(path, "killed").checkpoint([record(run_id="killed")])
    later = {"run_id": "next", "measured_at": "2026-09-09T00:00:00+00:00"}
    Journal(path, "next").append([record(**later)])
    records, _ = reading.read(path)
    assert len(records) == 2
    assert reading.unfinished(path, records) == []


def test_a_finished_cell_is_not_unfinished_though_its_checkpoint_is_left(tmp_path):
    path, run_id = tmp_path / "box.trials.jsonl", record().run_id
    Journal(path, run_id).append([record(seed=2)])
    Journal(path, run_id).checkpoint([record(seed=1)])
    records, _ = reading.read(path)
    assert records == [record(seed=2)]
    assert reading.unfinished(path, records) == []


# Files that cannot be evidence.


def test_compressed_evidence_is_one_problem_with_the_remedy(tmp_path):
    path = tmp_path / "box.trials.jsonl"
    path.write_bytes(gzip.compress(b"".join(os.urandom(80) + b"\n" for _ in range(50))))
    records, [problem] = reading.read(path)
    assert records == []
    assert str(problem) == f"{path}: compressed; gunzip it"


def test_a_binary_file_is_one_problem(tmp_path):
    path = tmp_path / "box.trials.jsonl"
    path.write_bytes(b"\x93NUMPY\xff\n" * 50)
    records, [problem] = reading.read(path)
    assert records == []
    assert str(problem) == f"{path}: not UTF-8 text"


def test_a_file_with_many_unreadable_lines_is_a_few_lines_of_text(tmp_path):
    (tmp_path / "a.jsonl").write_text("no JSON\n" * 40)
    (tmp_path / "b.jsonl").write_text("no JSON\n" * 2)
    _, problems = reading.read(tmp_path)
    assert len(problems) == 42
    lines = list(reading.listed(problems))
    assert [line.partition(" ")[0] for line in lines] == [
        *(f"{tmp_path}/{place}:" for place in ("a.jsonl:1", "a.jsonl:2", "a.jsonl:3", "a.jsonl")),
        *(f"{tmp_path}/{place}:" for place in ("b.jsonl:1", "b.jsonl:2")),
    ]
    assert "37 more lines" in lines[3]


def test_a_problem_repeats_no_long_text_of_the_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"schema": 3, "status": "{"s" * 20_000}"}}\n')
    _, [problem] = reading.read(path)
    assert len(str(problem)) < 300
