"""Evidence is strict JSON, survives interrupts and full disks, and is never executed."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from detcost.errors import UsageError
from detcost.evidence import reading, schema
from detcost.evidence.journal import Journal
from detcost.outputs.severity import Severity
from detcost.outputs.trajectory import Trajectory
from factories import cost, divergence, failed, following, protocol, record
from paths import DATA, ROOT, TESTS


def journal(folder: Path, run_id: str = "run") -> Journal:
    return Journal(folder / "box.trials.jsonl", run_id)


def as_line(kept: schema.Evidence) -> bytes:
    return msgspec.json.encode(kept) + b"\n"


def with_line(folder: Path, line: bytes) -> tuple[list[schema.Evidence], list[str]]:
    """Read a line between two good records; return the other records, and the problems."""
    path = folder / "box.trials.jsonl"
    first, last = record(scenario="first"), record(scenario="last")
    path.write_bytes(as_line(first) + line + b"\n" + as_line(last))
    records, problems = reading.read(folder)
    assert first in records
    assert last in records
    assert all((problem.file, problem.line) == (str(path), 2) for problem in problems)
    return [r for r in records if r not in (first, last)], [str(problem) for problem in problems]


# Writing.


def strict(line: str) -> dict[str, object]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    fields = json.loads(line, parse_constant=refuse)
    assert isinstance(fields, dict)
    return fields


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_is_unknown(tmp_path, bad):
    odd = record(
        first_call_seconds=bad,
        cost=cost(bad, bad, bad),
        severity=Severity(max_ulp=None, fraction_differing=bad, mean_relative=bad),
        machine={"load": bad},
    )
    journal(tmp_path).append([odd])
    (line,) = (tmp_path / "box.trials.jsonl").read_text().splitlines()
    fields = strict(line)
    assert fields["first_call_seconds"] is None
    assert fields["cost"]["ratio"] is None
    assert fields["machine"] == {"load": None}
    (kept,), problems = reading.read(tmp_path)
    assert problems == []
    assert kept.severity == Severity(None, None, None)


def test_one_cell_is_one_line(tmp_path):
    journal(tmp_path).append([record(reason="one\ntwo\u2028three\r\n"), failed()])
    assert (tmp_path / "box.trials.jsonl").read_bytes().count(b"\n") == 2


def test_unknown_fields_are_null_and_never_missing(tmp_path):
    journal(tmp_path).append([failed()])
    fields = strict((tmp_path / "box.trials.jsonl").read_text())
    assert set(fields) == {field.name for field in msgspec.structs.fields(schema.Evidence)}
    assert [fields[key] for key in ("cost", "step_seconds", "first_call_seconds", "digest")] == (
        [None] * 4
    )


PARTED = msgspec.structs.replace(divergence(4, 20), first_call=7)


@pytest.mark.parametrize(
    "kept",
    [
        record(),
        failed(),
        record(severity=Severity(2 * 0x7FF0000000000000, 1.0, None)),  # −max to +max in float64
        record(severity=Severity(1, 1.0, None, Trajectory(2, [2, 3], [1e-7, None]))),
        record(cost=cost(None, None, None), divergence={"repeat": divergence(3, 9, 0.1, 0.9)}),
        record(carries_state=True, sequence=["a", "b"], divergence={"process": PARTED}),
        record(following=following(), repeated_draws=schema.RepeatedDraws("unseeded", 5, 5)),
        record(same_bits_as_default="default varies", overridden=["mine.py:3: set_seed(1)"]),
        record(schema=2, protocol=msgspec.structs.replace(protocol(), warm_up_steps=5)),
        record(first_call_seconds=5e-324, seed=2**32 - 1, scenario="größe.py:模型"),
    ],
    ids=[
        *("measured", "failed", "farthest apart", "training", "unknown cost"),
        *("state", "followed", "overridden", "of the schema before", "extremes"),
    ],
)
def test_a_written_record_is_read_unchanged(tmp_path, kept):
    journal(tmp_path).append([kept])
    assert reading.read(tmp_path) == ([kept], [])


def test_evidence_of_the_first_schema_stays_readable():
    records, problems = reading.read(DATA / "schema-1.trials.jsonl")
    assert problems == []
    measured, refused = records
    never_set = {"reason", "device_memory_bytes", "accuracy", "commit", "environment", "severity"}
    never_set |= {"cold_step_seconds", "carries_state", "sequence"}  # since schema 3
    never_set |= {"same_bits_as_default", "overridden", "following", "repeated_draws"}
    empty = {f for f in measured.__struct_fields__ if getattr(measured, f) in (None, {}, [])}
    assert empty <= never_set
    assert (refused.status, refused.cost) == ("failed", None)


@pytest.mark.parametrize(
    ("begin", "kind"),
    [
        ("", schema.Evidence),
        ("under `divergence`:", schema.Divergence),
        ("Under `following`:", schema.Following),
        ("Of each of the `processes`:", schema.FollowedProcess),
        ("Under `repeated_draws`:", schema.RepeatedDraws),
        ("Under `protocol`:", schema.Protocol),
    ],
)
def test_every_field_has_a_row_in_the_documents(begin, kind):
    text = (ROOT / "docs" / "evidence.md").read_text().partition(begin or "\n")[2]
    table = text.partition("| --- |")[2].partition("\n\n")[0]
    rows = (line.split(" | ")[0] for line in table.splitlines())
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {field.name for field in msgspec.structs.fields(kind)} <= documented


# Reading untrusted files.


def test_evidence_from_before_trajectories_stays_readable(tmp_path):
    line = msgspec.to_builtins(record())
    del line["severity"]["trajectory"]
    path = tmp_path / "old.trials.jsonl"
    path.write_bytes(msgspec.json.encode(line))
    assert reading.read(path) == ([record()], [])


def test_only_a_cut_off_last_line_is_lost(tmp_path):
    path, line = tmp_path / "box.trials.jsonl", as_line(record(scenario="second"))
    for cut in range(1, len(line) - 1):
        path.write_bytes(as_line(record()) + line[:cut])
        records, problems = reading.read(path)
        assert records == [record()]
        assert [problem.line for problem in problems] == [2]


def test_an_append_after_a_cut_starts_a_new_line(tmp_path):
    path, line = tmp_path / "box.trials.jsonl", as_line(record(scenario="second"))
    path.write_bytes(as_line(record()) + line[: len(line) // 2])
    journal(tmp_path).append([record(scenario="third")])
    records, problems = reading.read(path)
    assert [kept.scenario for kept in records] == ["matmul_square", "third"]
    assert [problem.line for problem in problems] == [2]


def test_a_newer_schema_is_refused_by_name_and_the_rest_is_read(tmp_path):
    """Other parts of the line may have another form too."""
    newer = schema.SCHEMA + 1
    rest, problems = with_line(tmp_path, b'{"schema": %d, "cells": {"new": [1, 2]}}' % newer)
    assert rest == []
    assert problems == [
        f"{tmp_path}/box.trials.jsonl:2: schema {newer} is newer than {schema.SCHEMA}, "
        "the newest this detcost reads; upgrade detcost"
    ]


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "line",
    [
        b"not JSON",
        b"{}",
        b"[]",
        b"1",
        b"null",
        b'{"schema": true}',
        b'{"schema": "1"}',
        b'{"schema": 1}',
        b'{"schema": 1e999}',
        b'{"schema": 123456789012345678901234567890}',
        b"\x00\x01\x02\xff\xfe",
        b"\xef\xbb\xbf{}",
        as_line(record())[:-2].replace(b'"seed":42', b'"seed":"42"'),
        as_line(record()).strip().replace(b'"ok"', b'"splendid"'),
        as_line(record()).strip().replace(b'"box"', b'"\xff"'),
        as_line(record()).strip().replace(b'"box"', b'"\\ud800"'),
        as_line(record()).strip().replace(b'"seed":42', b'"seed":NaN'),
        DEEP,
        b'{"schema": 1, "x": ' + DEEP + b"}",
        as_line(record()).strip().replace(b'"box"', DEEP),
        b"cos\nsystem\n(S'exit'\ntR.".replace(b"\n", b" "),
    ],
    ids=lambda line: line[:24].decode(errors="replace"),
)
def test_a_line_of_another_form_is_a_problem_and_no_exception(tmp_path, line):
    rest, problems = with_line(tmp_path, line)
    assert rest == []
    assert len(problems) == 1
    assert "\n" not in problems[0]


def test_no_damage_to_a_file_is_an_exception(tmp_path):
    rng, good = random.Random(0), as_line(record())
    damaged = []
    for _ in range(2000):
        line = bytearray(good)
        for _ in range(rng.randint(1, 5)):
            line[rng.randrange(len(line))] = rng.randrange(256)
        damaged.append(bytes(line))
    path = tmp_path / "box.trials.jsonl"
    path.write_bytes(good + b"\n".join(damaged) + b"\n" + as_line(record(scenario="last")))
    records, problems = reading.read(path)
    assert {"matmul_square", "last"} <= {kept.scenario for kept in records}
    assert problems


@pytest.mark.parametrize(
    "text",
    [
        "cos\nsystem\n(S'touch PWNED'\ntR.",
        "__import__('os').system('touch PWNED')",
        "<script>alert(1)</script>",
        "${jndi:ldap://x}",
        "../../etc/passwd",
        "\x1b[2J\x07",
    ],
)
def test_a_hostile_text_stays_text(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    kept = record(scenario=text, reason=text, machine={"name": text})
    journal(tmp_path).append([kept])
    assert reading.read(tmp_path) == ([kept], [])
    assert reading.latest([kept]) == [kept]
    assert not (tmp_path / "PWNED").exists()


def test_a_field_of_a_later_version_is_ignored(tmp_path):
    line = as_line(record(scenario="odd")).strip()[:-1] + b',"colour":"red"}'
    assert with_line(tmp_path, line) == ([record(scenario="odd")], [])


def test_blank_lines_are_ignored(tmp_path):
    assert with_line(tmp_path, b"  ") == ([], [])


def test_a_file_that_cannot_be_opened_is_a_problem(tmp_path):
    journal(tmp_path).append([record()])
    (tmp_path / "folder.trials.jsonl").mkdir()
    (tmp_path / "gone.trials.jsonl").symlink_to(tmp_path / "nothing")
    records, problems = reading.read(tmp_path)
    assert records == [record()]
    assert {Path(p.file).name for p in problems} == {"folder.trials.jsonl", "gone.trials.jsonl"}


def test_every_machine_below_a_folder_is_read_oldest_first(tmp_path):
    for machine, day in (("b", 1), ("a", 3), ("c/deep", 2)):
        kept = record(run_id=machine, measured_at=f"2026-01-0{day}T00:00:00+00:00")
        Journal(tmp_path / machine / "x.trials.jsonl", "run").append([kept])
    (tmp_path / "a" / "asv-result.json").write_text("{}")
    records, problems = reading.read(tmp_path)
    assert [kept.run_id for kept in records] == ["b", "c/deep", "a"]
    assert problems == []


def test_a_missing_folder_is_reported():
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        reading.read("nowhere")


# Unfinished and repeated cells.


def test_a_checkpoint_is_read_and_replaced(tmp_path):
    keeper = journal(tmp_path)
    keeper.checkpoint([record(seed=1)])
    keeper.checkpoint([record(seed=2)])
    assert reading.read(tmp_path) == ([record(seed=2)], [])
    keeper.append([record(seed=3)])
    assert reading.read(tmp_path) == ([record(seed=3)], [])
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["box.trials.jsonl"]


def test_the_checkpoint_of_another_run_is_left_alone(tmp_path):
    journal(tmp_path, "killed").checkpoint([record(run_id="killed")])
    journal(tmp_path, "next").append([record(run_id="next")])
    assert {kept.run_id for kept in reading.read(tmp_path)[0]} == {"killed", "next"}


def test_a_run_killed_after_append_counts_its_cells_once(tmp_path):
    """The finished record wins over the checkpoint, whichever file is read first."""
    run_id = record().run_id
    keeper = journal(tmp_path, run_id)
    keeper.append([record(seed=2)])
    journal(tmp_path, run_id).checkpoint([record(seed=1)])
    assert reading.read(tmp_path) == ([record(seed=2)], [])


def test_the_last_record_of_a_run_and_cell_wins(tmp_path):
    journal(tmp_path).append([record(seed=1), record(setting="xla"), record(seed=2)])
    records, _ = reading.read(tmp_path)
    assert sorted((kept.setting, kept.seed) for kept in records) == [("default", 2), ("xla", 42)]


def test_a_file_of_any_name_is_read_from_its_folder(tmp_path):
    """For example after ``detcost measure --out results/mine.jsonl``."""
    Journal(tmp_path / "mine.jsonl", "run").append([record()])
    assert reading.read(tmp_path) == ([record()], [])


def test_latest_keeps_the_newest_of_each_cell_and_machine():
    old = record(seed=1)
    new = record(seed=2, measured_at="2026-02-01T00:00:00+00:00", run_id="later")
    others = [
        record(machine={"name": "other"}),
        *(record(**{key: "x"}) for key in ("scenario", "setting", "device", "size", "dtype")),
    ]
    assert reading.latest([old, *others, new]).count(new) == 1
    assert old not in reading.latest([old, *others, new])
    assert len(reading.latest([old, *others, new])) == 1 + len(others)


# Writing beside another run, on a full disk, and in wrong places.

APPEND_MANY = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from factories import record
from detcost.evidence.journal import Journal
journal = Journal(Path(sys.argv[2]), sys.argv[3])
for number in range(200):
    journal.append([record(run_id=sys.argv[3], seed=number, scenario=f"number_{number}")])
"""


def test_two_runs_that_append_at_once_lose_nothing(tmp_path):
    path = tmp_path / "box.trials.jsonl"
    runs = [
        subprocess.Popen([sys.executable, "-c", APPEND_MANY, TESTS, path, name])
        for name in ("one", "two")
    ]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    records, problems = reading.read(path)
    assert problems == []
    assert len(records) == len(path.read_bytes().splitlines()) == 400


FILL_DISK = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from factories import record
from detcost.errors import UsageError
from detcost.evidence.journal import Journal
journal = Journal(Path(sys.argv[2]), "run")
journal.append([record()])
size = Path(sys.argv[2]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size * 5 // 2, size * 5 // 2))
for write in (journal.append, journal.checkpoint):
    try:
        write([record(scenario=name) for name in "abcd"])
    except UsageError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no RLIMIT_FSIZE")
def test_a_full_disk_is_one_message_and_leaves_no_half_line(tmp_path):
    path = tmp_path / "box.trials.jsonl"
    run = subprocess.run(
        [sys.executable, "-c", FILL_DISK, TESTS, path], capture_output=True, text=True, check=True
    )
    messages = run.stdout.splitlines()
    assert len(messages) == 2
    assert all(f"{path}: cannot be written (File too large)" in line for line in messages)
    assert path.read_bytes() == as_line(record())
    assert reading.read(tmp_path) == ([record()], [])


def test_an_unwritable_file_is_refused_before_measuring(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.trials.jsonl", Path("/proc/x.trials.jsonl")):
        with pytest.raises(UsageError, match=r"cannot be written \(.+\).*--out") as caught:
            Journal(path, "run")
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_run_that_measures_nothing_leaves_no_empty_file(tmp_path):
    journal(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_journal_is_made(tmp_path):
    journal(tmp_path / "new" / "deep").append([record()])
    assert reading.read(tmp_path) == ([record()], [])
