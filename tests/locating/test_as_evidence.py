"""What locate counted is evidence of the cell without the probe, and of the settings it tried."""

from __future__ import annotations

from detcost.locating.as_evidence import records
from detcost.locating.schema import Rate
from locations import location, scatter


def test_the_cell_has_the_count_without_the_probe():
    (own, *_) = records(location(scatter(), located_at="2026-01-02"), "run")
    assert (own.scenario, own.setting, own.status) == ("model.py:step", "default", "ok")
    assert (own.divergence["repeat"].divergent, own.divergence["repeat"].trials) == (38, 120)
    assert own.cost is None


def test_each_setting_tried_has_the_whole_step_s_count_and_cost():
    _, *tried = records(location(scatter()), "run")
    assert {each.setting for each in tried} == {"op_determinism", "threads=1", "xla"}
    assert all(each.cost and each.divergence["repeat"].trials == 100 for each in tried)


def test_costs_relative_to_another_setting_are_no_costs_of_a_setting():
    assert [each.setting for each in records(location(scatter(), setting="xla"), "run")] == ["xla"]


def test_a_comparison_with_a_file_has_no_scope_to_count_in():
    (own, *_) = records(location(scope="file", probed=Rate.of(1, 2)), "run")
    assert own.divergence == {}
