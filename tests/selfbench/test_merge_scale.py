"""The farms that merging is measured with are what they should be."""

from __future__ import annotations

from pathlib import Path

from detcost.evidence import reading
from detcost.selfbench import merge_scale


def test_both_farms_are_merged_whole(tmp_path: Path):
    figures = merge_scale.figures(tmp_path, machines=2)
    assert set(figures) == {"own names", "one name"}
    assert all(seconds > 0 and memory >= 0 for seconds, memory in figures.values())
    records, problems = reading.read(tmp_path / "results")
    assert problems == []
    assert {record.machine_name for record in records} == {"vm-some-0", "vm-some-1"}
    assert len(records) == 2 * 50 * 24
