"""Merging loses nothing, keeps nothing twice, and depends on what is merged alone."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from asv.machine import iter_machine_files
from asv.results import Results, iter_results

from detcost.errors import UsageError
from detcost.evidence import reading
from detcost.farm.merging import evidence_lines, located_files, merge
from detcost.locating import keeping
from detcost.locating import schema as locate_schema
from detcost.pairing import schema as pairing_schema
from merging_trees import (
    COMMITS,
    MACHINES,
    benchmark,
    draw,
    line,
    pair,
    result,
    tree,
    write_json,
    write_lines,
    write_machine,
)
from paths import RESULTS

EPYC, WIDE, GPU, BOX = MACHINES
TRIALS = "a.trials.jsonl"


@pytest.mark.parametrize("seed", range(30))
def test_the_order_and_the_number_of_merges_do_not_matter(seed: int, tmp_path: Path):
    chance = random.Random(seed)
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        draw(folder, chance)
    before = [tree(folder) for folder in folders]
    merge(folders, tmp_path / "all")
    whole = tree(tmp_path / "all")
    merge(folders, tmp_path / "all")
    assert tree(tmp_path / "all") == whole
    for _ in range(3):
        chance.shuffle(folders)
        into = tmp_path / "step by step"
        shutil.rmtree(into, ignore_errors=True)
        for folder in chance.sample([*folders, folders[0]], 4):
            merge([folder], into)
        assert tree(into) == whole
    merge(folders[1:], folders[0])
    assert tree(folders[0]) == whole
    untouched = [tree(tmp_path / str(n)) for n in range(3) if tmp_path / str(n) != folders[0]]
    assert untouched == [b for n, b in enumerate(before) if tmp_path / str(n) != folders[0]]


@pytest.mark.parametrize("seed", range(10))
def test_every_record_and_every_result_is_in_the_merged_tree(seed: int, tmp_path: Path):
    chance = random.Random(seed)
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        draw(folder, chance)
    merge(folders, tmp_path / "all")
    records, problems = reading.read(tmp_path / "all")
    assert problems == []
    there = {(record.run_id, record.cell) for record in records}
    names = {record.machine_name for record in records}
    for folder in folders:
        own, _ = reading.read(folder)
        assert {(record.run_id, record.cell) for record in own} <= there
    described = {}
    for path in iter_machine_files(tmp_path / "all"):
        content = json.loads(Path(path).read_text())
        assert Path(path).parent.name == content["machine"]
        described[content["machine"]] = content
    assert {r.params["machine"] for r in iter_results(tmp_path / "all")} <= set(described) & names
    asked = {path.name for folder in folders for path in folder.rglob("[12]*-py3.11.json")}
    assert {path.name for path in (tmp_path / "all").rglob("[12]*-py3.11.json")} == asked


def test_merging_the_committed_results_changes_nothing(tmp_path: Path):
    merged = merge([RESULTS], tmp_path / "into")
    assert tree(tmp_path / "into") == tree(RESULTS)
    assert (merged.problems, merged.notes, merged.renamed) == ([], [], [])
    merge([RESULTS / "xeon-amx-2core-vm"], tmp_path / "into")
    assert tree(tmp_path / "into") == tree(RESULTS)


def test_the_committed_machines_are_told_apart_if_all_are_called_vm(tmp_path: Path):
    for machine in (path for path in RESULTS.iterdir() if path.is_dir()):
        at = tmp_path / "in" / machine.name / "vm"
        at.mkdir(parents=True)
        for file in machine.iterdir():
            (at / file.name).write_text(file.read_text().replace(machine.name, "vm"))
    merged = merge([tmp_path / "in"], tmp_path / "all")
    new = {name.partition("-")[2]: name for name in merged.machines}
    assert sorted(new) == [
        "epyc-avx2-2core-24g",
        "epyc-avx512_bf16-2core-24g",
        "xeon-amx-16core-128g-h200",
        "xeon-amx-2core-24g",
    ]
    assert merged.problems == []
    before, _ = reading.read(RESULTS)
    after, _ = reading.read(tmp_path / "all")
    assert [record.digest for record in after] == [record.digest for record in before]
    assert {record.machine_name for record in after} == set(merged.machines)
    loaded = sorted(len(r.get_all_result_keys()) for r in iter_results(tmp_path / "all"))
    assert loaded == sorted(len(r.get_all_result_keys()) for r in iter_results(RESULTS))


def test_unlike_machines_of_one_name_are_told_apart_everywhere(tmp_path: Path):
    for number, machine in enumerate((EPYC, WIDE, GPU)):
        at = tmp_path / str(number) / "vm"
        write_machine(at, machine)
        write_lines(at / TRIALS, [line(number, machine)])
        write_json(at / "11111111-py3.11.json", result(machine, COMMITS[0], {}))
    merged = merge([tmp_path / str(number) for number in range(3)], tmp_path / "all")
    expected = ["vm-epyc-16core-32g-h200", "vm-epyc-avx2-2core-32g", "vm-epyc-avx512-2core-32g"]
    assert merged.machines == expected
    assert merged.renamed == [("vm", name) for name in expected]
    for name in expected:
        folder = tmp_path / "all" / name
        assert json.loads((folder / "machine.json").read_text())["machine"] == name
        assert Results.load(str(folder / "11111111-py3.11.json"), name).params["machine"] == name
    records, _ = reading.read(tmp_path / "all")
    assert sorted(record.machine_name for record in records) == expected


def test_a_machine_told_apart_keeps_its_name_when_more_of_it_comes(tmp_path: Path):
    for number, machine in enumerate((EPYC, WIDE, EPYC)):
        write_lines(tmp_path / str(number) / "vm" / TRIALS, [line(number, machine)])
    merge([tmp_path / "0", tmp_path / "1"], tmp_path / "all")
    merged = merge([tmp_path / "2"], tmp_path / "all")
    assert merged.machines == ["vm-epyc-avx2-2core-32g", "vm-epyc-avx512-2core-32g"]
    assert merged.records == 3


def test_one_machine_in_two_folders_is_one(tmp_path: Path):
    kernel = {**EPYC, "os": "another kernel", "memory_bytes": EPYC["memory_bytes"] - 12345}
    write_lines(tmp_path / "a" / "vm" / TRIALS, [line(1, EPYC)])
    write_lines(tmp_path / "b" / "vm" / TRIALS, [line(2, kernel)])
    merged = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    assert (merged.machines, merged.records) == (["vm"], 2)


def test_two_machines_in_one_file_are_told_apart(tmp_path: Path):
    write_lines(tmp_path / "a" / TRIALS, [line(1, EPYC), line(2, WIDE), line(3, EPYC)])
    merge([tmp_path / "a"], tmp_path / "all")
    lines = {name: text.count(b"\n") for name, text in tree(tmp_path / "all").items()}
    assert lines == {
        f"vm-epyc-avx2-2core-32g/{TRIALS}": 2,
        f"vm-epyc-avx512-2core-32g/{TRIALS}": 1,
    }


def test_the_folder_of_a_machine_can_be_given_itself(tmp_path: Path):
    write_machine(tmp_path / "somewhere", BOX)
    write_lines(tmp_path / "somewhere" / TRIALS, [line(1, BOX)])
    merge([tmp_path / "somewhere"], tmp_path / "all")
    assert set(tree(tmp_path / "all")) == {"box/machine.json", f"box/{TRIALS}"}


def test_a_cell_measured_twice_in_a_run_counts_once_the_last_one(tmp_path: Path):
    later = line(1, BOX).replace(b"T03:04:01", b"T03:04:09")
    write_lines(tmp_path / "a" / TRIALS, [line(1, BOX), line(2, BOX), later])
    write_lines(tmp_path / "b" / TRIALS, [line(2, BOX), line(1, BOX)])
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    assert (tmp_path / "all/box" / TRIALS).read_bytes() == line(2, BOX) + later


def test_a_file_that_needs_no_change_is_copied_byte_for_byte(tmp_path: Path):
    odd = json.dumps(json.loads(line(1, BOX)), indent=None).encode() + b"\n"
    write_lines(tmp_path / "a" / TRIALS, [line(3, BOX), odd, line(2, BOX)])
    merge([tmp_path / "a"], tmp_path / "all")
    assert (tmp_path / "all/box" / TRIALS).read_bytes() == (tmp_path / "a" / TRIALS).read_bytes()


def test_cells_that_a_run_has_finished_are_no_more_unfinished(tmp_path: Path):
    write_lines(tmp_path / "a" / "a.run-1.unfinished.trials.jsonl", [line(1, BOX), line(4, BOX)])
    merge([tmp_path / "a"], tmp_path / "all")
    write_lines(tmp_path / "b" / TRIALS, [line(1, BOX)])
    merge([tmp_path / "b"], tmp_path / "all")
    unfinished = tmp_path / "all/box/a.run-1.unfinished.trials.jsonl"
    assert unfinished.read_bytes() == line(4, BOX)
    write_lines(tmp_path / "b" / TRIALS, [line(1, BOX), line(4, BOX)])
    merge([tmp_path / "b"], tmp_path / "all")
    assert not unfinished.exists()


# What cannot be read.


def test_bad_lines_are_named_and_left_out(tmp_path: Path):
    newer = line(2, BOX).replace(b'"schema":3', b'"schema":99')
    half = line(3, BOX)[:200]
    write_lines(tmp_path / "a" / TRIALS, [line(1, BOX), b"{}\n", newer, b"\xff\n", b"\n", half])
    merged = merge([tmp_path / "a"], tmp_path / "all")
    assert (tmp_path / "all/box" / TRIALS).read_bytes() == line(1, BOX)
    told = [str(problem) for problem in merged.problems]
    assert [text.partition(f"{TRIALS}:")[2].partition(":")[0] for text in told] == list("2346")
    assert "schema 99 is newer" in told[1]


def test_the_folder_merged_into_keeps_lines_that_it_cannot_read(tmp_path: Path):
    newer = line(2, BOX).replace(b'"schema":3', b'"schema":99')
    write_lines(tmp_path / "all/box" / TRIALS, [newer, line(1, BOX)])
    write_lines(tmp_path / "a" / TRIALS, [line(5, BOX)])
    for _ in range(2):
        merge([tmp_path / "a"], tmp_path / "all")
        kept = (tmp_path / "all/box" / TRIALS).read_bytes()
        assert kept == line(1, BOX) + line(5, BOX) + newer


def test_a_compressed_file_is_one_line(tmp_path: Path):
    write_lines(tmp_path / "a" / TRIALS, [b"\x1f\x8b\n" * 50])
    write_lines(tmp_path / "a" / "b.trials.jsonl", [line(1, BOX)])
    (problem,) = merge([tmp_path / "a"], tmp_path / "all").problems
    assert "compressed" in str(problem)


def test_a_line_without_end_takes_no_memory_and_is_one_problem(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(evidence_lines, "LONGEST", 10_000)
    write_lines(tmp_path / "a" / TRIALS, [line(1, BOX), b"x" * 35_000 + b"\n", line(2, BOX)])
    merged = merge([tmp_path / "a"], tmp_path / "all")
    assert merged.records == 2
    assert {problem.line for problem in merged.problems} == {2}
    assert len(merged.problems) == 1


BAD_RESULTS: list[dict[str, Any]] = [
    {"version": 3},
    {"version": 1},
    {"commit_hash": "--output=/tmp/x"},
    {"commit_hash": None},
    {"params": {"machine": ["box"]}},
    {"params": {"machine": "another"}},
    {"result_columns": ["result", "surprise"]},
    {"results": []},
    {"results": {"a": [["x"], []]}},
    {"results": {"a": [None, [["x"] * 1001] * 3]}},
    {"date": "yesterday"},
]


@pytest.mark.parametrize("change", BAD_RESULTS, ids=str)
def test_a_bad_result_file_of_asv_is_named_and_left_out(change: dict[str, Any], tmp_path: Path):
    write_machine(tmp_path / "a/box", BOX)
    content = result(BOX, COMMITS[0], {"a": [[1.0], []]})
    write_json(tmp_path / "a/box/good.json", content)
    write_json(tmp_path / "a/box/bad.json", {**content, **change})
    (problem,) = merge([tmp_path / "a"], tmp_path / "all").problems
    assert str(problem).startswith(f"{tmp_path}/a/box/bad.json: ")
    assert set(tree(tmp_path / "all")) == {"box/good.json", "box/machine.json"}


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"a": 1e', '{"version": 2}'])
def test_hostile_json_is_named(text: str, tmp_path: Path):
    write_machine(tmp_path / "a/box", BOX)
    for name in ("box/x.json", "box/x.located.json", "benchmarks.json", "eve/machine.json"):
        path = tmp_path / "a" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    merged = merge([tmp_path / "a"], tmp_path / "all")
    expected = 3 if text == '{"version": 2}' else 4  # it is a list of no benchmarks
    assert len(merged.problems) == expected
    assert "box/machine.json" in tree(tmp_path / "all")


@pytest.mark.parametrize("name", ["../../x", "..", "", "a/b", "/tmp/x", ".git", "a\0b", "x" * 300])
def test_a_machine_s_name_leads_nowhere_else(name: str, tmp_path: Path):
    machine = {**BOX, "name": name}
    write_machine(tmp_path / "a/box", machine)
    write_lines(tmp_path / "a/box" / TRIALS, [line(1, machine)])
    write_json(tmp_path / "a/box/x.json", result(machine, COMMITS[0], {}))
    before = tree(tmp_path)
    merged = merge([tmp_path / "a"], tmp_path / "into/all")
    assert tree(tmp_path) == before
    assert len(merged.problems) == 3


def test_links_out_of_a_folder_and_other_things_than_files_are_left_out(tmp_path: Path):
    write_lines(tmp_path / "secret" / TRIALS, [line(1, BOX)])
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link.trials.jsonl").symlink_to(tmp_path / "secret" / TRIALS)
    (tmp_path / "a" / "folder").symlink_to(tmp_path / "secret")
    (tmp_path / "a" / "round").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "dangling.trials.jsonl").symlink_to("nowhere")
    os.mkfifo(tmp_path / "a" / "pipe.trials.jsonl")
    (tmp_path / "a" / "mine.trials.jsonl").write_bytes(line(2, BOX))
    merged = merge([tmp_path / "a"], tmp_path / "all")
    assert len(merged.problems) == 4
    assert set(tree(tmp_path / "all")) == {"box/mine.trials.jsonl"}


def test_a_link_in_the_folder_merged_into_is_not_followed(tmp_path: Path):
    write_lines(tmp_path / "a" / TRIALS, [line(1, BOX)])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "box").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="a link that leads out of"):
        merge([tmp_path / "a"], tmp_path / "all")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_mistakes_are_one_line(tmp_path: Path):
    with pytest.raises(UsageError, match="absent: no such folder"):
        merge([tmp_path / "absent"], tmp_path / "all")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: no results here"):
        merge([tmp_path / "empty"], tmp_path / "all")
    write_lines(tmp_path / "a" / TRIALS, [line(1, BOX)])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        merge([tmp_path / "a"], tmp_path / "file")


# asv's files.


def test_the_results_of_two_shards_become_one_file_that_asv_reads(tmp_path: Path):
    rows = {"x": [[1.0, float("nan")], [["'a'", "'b'"]], "1", 5, 0.25]}, {"y": [[2], [], "1", 6]}
    for name, own in zip("ab", rows, strict=True):
        write_machine(tmp_path / name / "box", BOX)
        write_json(tmp_path / name / "box/11111111-e.json", result(BOX, COMMITS[0], own))
    merged = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    loaded = Results.load(str(tmp_path / "all/box/11111111-e.json"), "box")
    assert loaded.get_all_result_keys() == {"x", "y"}
    assert loaded.get_result_value("x", [["'a'"]]) == [1.0]
    assert loaded.get_result_value("y", []) == [2]
    assert (merged.problems, merged.notes) == ([], [])


def test_the_newest_run_of_a_benchmark_counts_and_what_it_replaces_is_said(tmp_path: Path):
    rows = [[1.0, 7.0], [["'a'", "'b'"]], "1", 5], [[2.0, None], [["'a'", "'b'"]], "1", 6]
    for name, row in zip("ab", rows, strict=True):
        write_machine(tmp_path / name / "box", BOX)
        write_json(tmp_path / name / "box/11111111-e.json", result(BOX, COMMITS[0], {"x": row}))
    merged = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
    loaded = Results.load(str(tmp_path / "all/box/11111111-e.json"), "box")
    assert loaded.get_result_value("x", [["'a'", "'b'"]]) == [2.0, None]
    (problem,) = merged.problems
    assert "a/box/11111111-e.json: figures left out: 1, such as of x" in str(problem)
    assert merged.notes == [f"{tmp_path}/a/box/11111111-e.json: newer figures instead of 1"]


def test_files_of_one_name_of_two_commits_are_not_mixed(tmp_path: Path):
    for name, commit in zip("ab", ("1" * 40, "11111111" + "2" * 32), strict=True):
        write_machine(tmp_path / name / "box", BOX)
        write_json(tmp_path / name / "box/11111111-e.json", result(BOX, commit, {}))
    (problem,) = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all").problems
    assert "a/box/11111111-e.json: another file of this name" in str(problem)


def merged_benchmarks(tmp_path: Path, *lists: dict[str, Any]) -> dict[str, Any]:
    folders = [tmp_path / str(number) for number in range(len(lists))]
    for folder, entries in zip(folders, lists, strict=True):
        write_json(folder / "benchmarks.json", {**entries, "version": 2})
    merge(folders, tmp_path / "all")
    content: dict[str, Any] = json.loads((tmp_path / "all/benchmarks.json").read_text())
    assert content.pop("version") == 2
    return content


def test_every_benchmark_is_listed_with_all_its_parameters(tmp_path: Path):
    lists = {"x": benchmark("x", ["'b'"])}, {"x": benchmark("x", ["'a'"]), "y": benchmark("y", [])}
    assert merged_benchmarks(tmp_path, *lists) == {
        "x": benchmark("x", ["'a'", "'b'"]),
        "y": benchmark("y", []),
    }


@pytest.mark.parametrize(("versions", "kept"), [(("9", "10"), "10"), (("abc", "def"), "abc")])
def test_the_version_that_asv_shows_is_the_newest(versions, kept, tmp_path: Path):
    write_machine(tmp_path / "0/box", BOX)
    rows = {"x": [[1.0], [["'a'"]], versions[0], 5]}
    write_json(tmp_path / "0/box/11111111-e.json", result(BOX, COMMITS[0], rows))
    lists = [{"x": benchmark("x", ["'a'"], version)} for version in versions]
    assert merged_benchmarks(tmp_path, *lists)["x"]["version"] == kept


@pytest.mark.parametrize(
    "change",
    [
        {"params": 3},
        {"param_names": []},
        {"name": "y"},
        {"name": "../x"},
        {"version": None},
        {"params": [["a"] * 2_000_000]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_benchmark_that_asv_could_not_publish_is_left_out(change, tmp_path: Path):
    bad = {**benchmark("x", ["a"]), **change}
    lists = {"good": benchmark("good", []), bad["name"] if "/" in bad["name"] else "x": bad}, {}
    assert set(merged_benchmarks(tmp_path, *lists)) == {"good"}


# What locate found.


def test_what_locate_found_lies_with_its_machine_for_each_version(tmp_path: Path):
    for seed in range(40):
        draw(tmp_path / str(seed), random.Random(seed))
    merge([tmp_path / str(seed) for seed in range(40)], tmp_path / "all")
    found, problems = keeping.read(tmp_path / "all")
    assert problems == []
    machines = {each.machine["name"] for each in found}
    records, _ = reading.read(tmp_path / "all")
    assert machines == {record.machine_name for record in records}
    assert {each.versions["tensorflow"] for each in found} == {"2.20.0", "2.21.0"}
    assert len(found) == len(list((tmp_path / "all").rglob("*.located.json")))


def test_comparisons_of_two_programs_are_merged(tmp_path: Path):
    name = "x.compare.jsonl"
    newer = pair(3, BOX).replace(b'"schema":1', b'"schema":9')
    write_lines(tmp_path / "a" / name, [pair(1, BOX), newer])
    write_lines(tmp_path / "b" / name, [pair(2, BOX), pair(1, BOX)])
    (problem,) = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all").problems
    assert "schema 9 is newer" in str(problem)
    assert (tmp_path / "all/box" / name).read_bytes() == pair(1, BOX) + pair(2, BOX)


def test_the_schemas_of_other_packages_are_as_they_are_there():
    assert evidence_lines.PAIR_SCHEMA == pairing_schema.PAIR_SCHEMA
    assert located_files.SCHEMA == locate_schema.SCHEMA
