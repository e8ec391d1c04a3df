"""A summary counts in how many scenarios the bits stay, and averages costs over scenarios."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from detcost.choosing.answers import choose
from detcost.choosing.question import Question
from detcost.choosing.summary import SettingSummary, Share, summarise
from detcost.errors import UsageError
from detcost.evidence import reading
from detcost.evidence.schema import SCOPES, Cost, Divergence, Evidence
from factories import divergence, failed, racing, record
from paths import RESULTS


def cell(setting: str, scenario: str, ratio: float = 1.0, **changes: Any) -> Evidence:
    """Return the record of a cell that costs the same ratio in each of three blocks."""
    blocks = Cost(None, None, None, 3, [ratio] * 3, "free")
    return record(**{"setting": setting, "scenario": scenario, "cost": blocks, **changes})


def summary_of(setting: str, *records: Evidence, **question: Any) -> SettingSummary:
    settings = summarise(records, Question(**question)).settings
    [summary] = [each for each in settings if each.setting == setting]
    return summary


def meaningless() -> Divergence:
    return msgspec.structs.replace(divergence(0, 0), high=None, reason="it means nothing")


def test_the_cost_is_a_geometric_mean_with_a_range():
    records = [cell("default", name) for name in "abc"]
    records += [cell("xla", "a", 2.0), cell("xla", "b", 0.5), cell("xla", "c", 1.0)]
    cost = summary_of("xla", *records).cost
    assert cost is not None
    assert (cost.mean, cost.low, cost.high) == pytest.approx((1.0, 0.5, 2.0))
    assert cost.scenarios == 3


def test_the_cost_of_default_is_1():
    cost = summary_of("default", cell("default", "a", 1.1)).cost
    assert cost is not None
    assert (cost.mean, cost.low, cost.high) == (1, 1, 1)


def test_a_scenario_without_a_result_is_left_out_and_counted():
    records = [cell("default", name) for name in "abcd"]
    records += [cell("xla", "a", 2.0), failed(setting="xla", scenario="b", status="unimplemented")]
    records += [failed(setting="xla", scenario="c")]
    summary = summary_of("xla", *records)
    assert summary.left_out == {"unimplemented": 1, "failed": 1, "not_measured": 1}
    assert summary.cost is not None
    assert (summary.cost.mean, summary.cost.scenarios) == (pytest.approx(2.0), 1)
    assert summary.shares["repeat"] == Share(1, 1)


def test_a_setting_without_a_cost_in_any_scenario_has_none():
    summary = summary_of("xla", cell("default", "a"), failed(setting="xla", scenario="a"))
    assert (summary.cost, summary.left_out) == (None, {"failed": 1})
    assert summary.shares["repeat"] == Share(0, 0)


def test_the_bits_stay_where_no_comparison_differed():
    steady = {"repeat": divergence(0, 315), "threads": divergence(1, 6)}
    records = [
        cell("default", "a", divergence=steady),
        cell("default", "b", divergence=racing(threads=divergence(6, 6))),
        cell("default", "c", divergence={"repeat": divergence(0, 315), "threads": meaningless()}),
        cell("default", "d", divergence={"repeat": divergence(0, 315)}),
    ]
    shares = summary_of("default", *records).shares
    assert shares["repeat"] == Share(3, 4)
    assert shares["threads"] == Share(0, 2), "it means nothing in c and was not measured in d"
    assert shares["isa"] == Share(0, 0)


def test_a_scope_that_applies_to_no_scenario_is_marked():
    records = [cell("default", name, divergence={"execution": meaningless()}) for name in "ab"]
    assert summary_of("default", *records).shares["execution"] == Share(0, 0, applies=False)


def test_a_lever_that_does_not_apply_is_looked_through():
    nothing = failed(setting="xla", scenario="b", status="not_applicable")
    records = [cell("default", name) for name in "ab"]
    summary = summary_of("xla", *records, cell("xla", "a", 4.0), nothing)
    assert summary.left_out == {}
    assert summary.cost is not None
    assert summary.cost.mean == pytest.approx(2.0)
    assert summary.shares["repeat"] == Share(2, 2)


def test_settings_come_the_simplest_first():
    settings = ("op_determinism+xla", "xla", "default", "op_determinism")
    summary = summarise([cell(name, "a") for name in settings], Question())
    order = [each.setting for each in summary.settings]
    assert order == ["default", "op_determinism", "xla", "op_determinism+xla"]


def test_a_question_narrows_the_scenarios_down():
    records = [cell("default", "a"), cell("default", "b", family="conv")]
    assert summarise(records, Question(scenarios=("conv",))).scenarios == ("b",)


def test_cells_are_judged_as_a_choice_judges_them():
    records, _ = reading.read(RESULTS / "epyc-avx512-2core-vm")
    summary = summarise(records, Question())
    for candidate in choose(records, Question(survive=SCOPES)).candidates:
        shares = next(s for s in summary.settings if s.setting == candidate.setting).shares
        for scope in SCOPES:
            checks = [c for c in candidate.findings if c.scope == scope and c.applies]
            assert shares[scope] == Share(sum(bool(c.survives) for c in checks), len(checks))


def test_without_evidence_the_message_says_how_to_get_some():
    with pytest.raises(UsageError, match="detcost measure --out"):
        summarise([], Question())
