"""Synthetic evidence is valid evidence, so benchmarks with it are realistic."""

from __future__ import annotations

from detcost.choosing.answers import choose
from detcost.choosing.question import Question
from detcost.evidence import reading
from detcost.selfbench import synthetic
from detcost.settings.grammar import parse


def test_settings_are_spelled_as_in_detcost_default_first():
    settings = synthetic.settings(50)
    assert [parse(setting).name for setting in settings] == settings
    assert len(set(settings)) == 50
    assert settings[0] == "default"


def test_every_machine_has_every_cell_in_every_version(tmp_path):
    cells, settings, versions = synthetic.scenarios(3), synthetic.settings(4), ("2.20.0", "2.21.0")
    size = synthetic.write(tmp_path, 2, cells, settings, versions)
    records, problems = reading.read(tmp_path)
    assert problems == []
    assert len({(r.machine_name, r.tensorflow, *r.cell) for r in records}) == 2 * 2 * 3 * 4
    assert size == sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl"))


def test_choose_reads_synthetic_evidence(tmp_path):
    synthetic.write(tmp_path, 2, synthetic.scenarios(3), synthetic.settings(6))
    records, _ = reading.read(tmp_path)
    question = Question(machine="machine-0001", survive=("repeat", "threads"))
    best = choose(records, question).best
    assert best is None or "threads=" in best
