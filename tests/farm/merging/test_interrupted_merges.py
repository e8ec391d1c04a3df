"""A merge that is killed, or that has no space, is completed by the next one."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path

import pytest
from filelock import FileLock

from detcost.errors import UsageError
from detcost.evidence import reading
from detcost.farm.merging import merge
from detcost.farm.merging import run as merging_run
from merging_trees import MACHINES, draw, line, tree, write_lines

EPYC, WIDE, _, BOX = MACHINES
TRIALS = "a.trials.jsonl"


class Killed(BaseException):
    """Stands for a signal that no handler sees."""


@pytest.mark.parametrize("seed", range(8))
def test_a_merge_killed_anywhere_is_completed_by_the_next(seed: int, tmp_path: Path, monkeypatch):
    chance = random.Random(seed)
    for name in ("a", "b", "c"):
        draw(tmp_path / name, chance)
    folders = [tmp_path / "b", tmp_path / "c"]
    merge([tmp_path / "a", *folders], tmp_path / "all")
    whole = tree(tmp_path / "all")
    left = chance.randrange(12)

    def replace(old: str, new: str, original=os.replace) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        original(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        patch.setattr(os, "unlink", lambda path: None)  # a killed process leaves its parts
        with contextlib.suppress(Killed):
            merge(folders, tmp_path / "a")
    _, problems = reading.read(tmp_path / "a")
    assert problems == []
    for part in (tmp_path / "a").rglob("*.part"):
        part.rename(part.with_name(part.name.replace(str(os.getpid()), "999999999")))
    merge(folders, tmp_path / "a")
    assert tree(tmp_path / "a") == whole


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path, monkeypatch):
    write_lines(tmp_path / "a/box" / TRIALS, [line(1, BOX)])
    write_lines(tmp_path / "all/box" / TRIALS, [line(2, BOX)])
    before = tree(tmp_path / "all")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "x")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(UsageError, match=r"No space left.*the same command again"):
            merge([tmp_path / "a"], tmp_path / "all")
    assert tree(tmp_path / "all") == before


def test_what_a_measurement_adds_meanwhile_stays(tmp_path: Path, monkeypatch):
    """A file whose machine gets another name is not removed if it has grown since it was read."""
    old = tmp_path / "all/vm" / TRIALS
    write_lines(old, [line(1, EPYC)])
    write_lines(tmp_path / "a/vm" / TRIALS, [line(2, WIDE)])

    def make_folders(paths, into, original=merging_run._make_folders):
        with open(old, "ab") as file:
            file.write(line(3, EPYC))
        original(paths, into)

    with monkeypatch.context() as patch:
        patch.setattr(merging_run, "_make_folders", make_folders)
        merge([tmp_path / "a"], tmp_path / "all")
    assert line(3, EPYC) in old.read_bytes()
    merged = merge([tmp_path / "a"], tmp_path / "all")
    assert (merged.records, old.exists()) == (3, False)


def test_two_merges_do_not_write_into_one_folder_at_once(tmp_path: Path):
    write_lines(tmp_path / "a/box" / TRIALS, [line(1, BOX)])
    (tmp_path / "all").mkdir()
    held = FileLock(tmp_path / "all" / merging_run.LOCK)
    with held, pytest.raises(UsageError, match="another merge writes here"):
        merge([tmp_path / "a"], tmp_path / "all")
    assert tree(tmp_path / "all") == {}


def test_many_files_are_merged_by_several_processes_to_the_same_bytes(tmp_path: Path, monkeypatch):
    for seed in range(6):
        draw(tmp_path / "in" / str(seed), random.Random(seed))
    merge([tmp_path / "in"], tmp_path / "one")
    monkeypatch.setattr(merging_run, "_FEW", 0)
    merge([tmp_path / "in"], tmp_path / "several")
    assert tree(tmp_path / "several") == tree(tmp_path / "one")
