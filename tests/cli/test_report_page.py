"""The page about one program has what locate found in it."""

from __future__ import annotations

from pathlib import Path

from detcost.cli import report_page
from detcost.locating import keeping
from detcost.locating.as_evidence import records
from factories import record
from locations import location, scatter


def test_the_page_of_what_was_located_has_the_program_and_its_operation(tmp_path: Path, capsys):
    found = location(scatter(), located_at="2026-01-02T03:04:05+00:00")
    report_page.write(records(found, "run"), [found], tmp_path / "page")
    text = (tmp_path / "page" / "index.html").read_text()
    assert "ResourceScatterAdd at model.py:41 is the first operation" in text
    assert str(tmp_path / "page" / "index.html") in capsys.readouterr().err


def test_a_measurement_s_page_has_what_was_located_before_in_the_same_programs(tmp_path: Path):
    folder = tmp_path / keeping.FOLDER
    keeping.write(location(scatter()), folder)
    keeping.write(location(scatter(), scenario="other.py:step"), folder)
    keeping.write(location(machine={"name": "elsewhere"}), folder / "elsewhere")
    measured = [record(scenario="model.py:step")]
    (found,) = report_page.located(measured, tmp_path / "measured.trials.jsonl")
    assert found.scenario == "model.py:step"
    assert report_page.located(measured, tmp_path / "nowhere" / "x.trials.jsonl") == []
