"""The file of a location is found again, and a stranger's file does no harm."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from detcost.errors import UsageError
from detcost.locating import keeping
from detcost.locating.schema import SCHEMA
from locations import location, scatter


def test_a_written_location_is_read_again_with_the_time_it_was_written(tmp_path: Path):
    found = location(scatter())
    path = keeping.write(found, tmp_path / "results" / "located")
    assert path.name == "model-py-step-repeat.located.json"
    (again,), problems = keeping.read(tmp_path / "results")
    assert not problems
    assert again.located_at.startswith("20")
    assert msgspec.structs.replace(again, located_at="") == found


def test_each_cell_and_scope_has_a_file_of_its_own(tmp_path: Path):
    cells = [{}, {"setting": "xla"}, {"device": "GPU:0"}, {"size": "small"}, {"scope": "threads"}]
    paths = {keeping.write(location(**cell), tmp_path) for cell in cells}
    assert len(paths) == len(cells)
    assert len(keeping.read(tmp_path)[0]) == len(cells)


def test_the_newest_of_a_machine_counts(tmp_path: Path):
    for day, folder in (("2026-01-02", "b"), ("2026-01-01", "c"), ("2026-01-03", "a")):
        keeping.write(location(located_at=day), tmp_path / folder)
    keeping.write(location(located_at="2025", machine={"name": "other"}), tmp_path / "d")
    assert [each.located_at for each in keeping.read(tmp_path)[0]] == ["2025", "2026-01-03"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[" * 100_000, "expected `object`"),
        (b'{"schema": 1}', "missing required field"),
        (b"\xff", "malformed"),
        (msgspec.json.encode(location(schema=SCHEMA + 1)), "upgrade detcost"),
        (b" " * (1 << 24) + b"{}", "larger than"),
    ],
    ids=["nested", "other", "bytes", "newer", "huge"],
)
def test_a_file_that_is_no_location_is_a_problem(tmp_path: Path, content: bytes, why: str):
    (tmp_path / "x.located.json").write_bytes(content)
    keeping.write(location(), tmp_path)
    found, (problem,) = keeping.read(tmp_path)
    assert len(found) == 1
    assert why in str(problem).lower()


def test_a_link_out_of_the_folder_is_a_problem(tmp_path: Path):
    outside = keeping.write(location(), tmp_path / "outside")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.located.json").symlink_to(outside)
    found, (problem,) = keeping.read(tmp_path / "results")
    assert not found
    assert "leads out" in problem.why


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="name another folder"):
        keeping.write(location(), tmp_path / "file")
