"""A plan measures the settings that fit a program, and as much as fits into a time."""

from __future__ import annotations

from typing import Any

import pytest

from detcost.experiment import planning, profiles
from detcost.experiment.request import Request
from detcost.workers.contract import Traits

SHORT = Traits(first_seconds=0.5, step_seconds=0.01)
LONG = Traits(first_seconds=5.0, step_seconds=2.0)
OWN = "mine.py:fit"


def request(scenario: str = OWN, settings: list[str] | None = None, **changes: Any) -> Request:
    usual: dict[str, Any] = {"fits_profile": True, "profile": profiles.find("standard")}
    return Request.parse(
        [scenario],
        settings,
        ["CPU:0"],
        scopes=("repeat", "process"),
        size="medium",
        dtype=None,
        seed=42,
        **(usual | changes),
    )


def plan(
    traits: Traits = SHORT, asked: Request | None = None, **times: Any
) -> planning.ProgramPlan:
    asked = asked or request()
    return planning.plan(asked, asked.scenarios[0], traits, **({"elapsed": 5.0, "left": 1} | times))


def names(plan: planning.ProgramPlan) -> list[str]:
    return [setting.name for setting in plan.settings]


def test_xla_is_tried_only_if_the_program_has_a_function_to_compile():
    eager = names(plan(SHORT))
    compiled = names(plan(Traits(0.5, 0.01, compiles=True)))
    assert eager == ["default", "op_determinism", "threads=1", "op_determinism+threads=1"]
    assert compiled == [*eager, "xla", "op_determinism+xla"]


def test_strict_order_is_tried_only_if_a_pipeline_gave_it_up():
    assert "data_order=strict" not in names(plan(SHORT))
    assert "data_order=strict" in names(plan(Traits(0.5, 0.01, unordered=True)))


def test_settings_and_profile_that_a_user_names_are_kept():
    asked = request(settings=["xla"], fits_profile=False)
    found = plan(SHORT, asked)
    assert names(found) == ["default", "xla"]
    assert found.profile is asked.profile


def test_a_built_in_scenario_is_not_surveyed():
    assert not planning.fits(request("matmul_square"), "matmul_square")
    assert planning.fits(request("matmul_square", seconds=60.0), "matmul_square")
    assert planning.fits(request(), OWN)


def test_a_long_step_is_measured_less_often_and_longer():
    short, long = plan(SHORT), plan(LONG)
    assert long.profile.calls < short.profile.calls
    assert long.seconds is not None
    assert short.seconds is not None
    assert short.seconds <= planning.USUAL_SECONDS
    assert long.profile.looks[-1] >= 3, "fewer blocks give no useful interval"


@pytest.mark.parametrize("traits", [SHORT, LONG])
def test_more_time_never_measures_less(traits: Traits):
    blocks = [
        plan(traits, request(seconds=seconds)).profile.looks[-1]
        for seconds in (10.0, 60.0, 120.0, 600.0, 3600.0, 36000.0)
    ]
    assert blocks == sorted(blocks)
    assert blocks[-1] > blocks[0]


def test_the_time_is_shared_among_the_experiments_left():
    asked = request(seconds=605.0)
    alone, shared = plan(SHORT, asked), plan(SHORT, asked, left=10)
    assert alone.profile.seconds + alone.profile.trials_seconds == pytest.approx(600.0)
    assert shared.profile.looks[-1] < alone.profile.looks[-1]


def test_a_plan_names_what_more_time_would_measure_until_there_is_no_more():
    found = plan(SHORT)
    assert found.more is not None
    profile, seconds = found.more
    assert profile.looks[-1] > found.profile.looks[-1]
    assert found.seconds is not None
    assert seconds > found.seconds
    assert plan(SHORT, request(seconds=1e6)).more is None


def test_without_a_survey_the_request_is_the_plan():
    asked = request()
    found = planning.plan(asked, OWN, None, elapsed=0.0, left=1)
    assert (found.settings, found.profile) == (asked.settings, asked.profile)
