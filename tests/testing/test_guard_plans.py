"""The plan of a guard keeps what the rate promises, with as few processes as that takes."""

from __future__ import annotations

import pytest

from detcost import intervals
from detcost.errors import UsageError
from detcost.experiment.profiles import PROFILES
from detcost.testing.plan import plan, trials_for
from detcost.testing.plugin import pytest_addoption


@pytest.mark.parametrize("rate", [1.0, 0.96, 0.95, 0.9, 0.5, 0.1, 0.05, 0.01, 0.001])
def test_the_fewest_comparisons_that_bound_the_rate(rate):
    trials = trials_for(rate)
    assert intervals.upper_bound_of_zero(trials) <= rate
    assert trials == 1 or intervals.upper_bound_of_zero(trials - 1) > rate


def test_a_rate_of_5_percent_takes_59_comparisons():
    assert trials_for(0.05) == 59


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rate", [None, 0.5, 0.05, 0.01])
@pytest.mark.parametrize("scopes", [["repeat"], ["process"], ["repeat", "process"], ["threads"]])
def test_the_unperturbed_processes_alone_keep_the_promise(profile, rate, scopes):
    planned = plan(scopes, rate, profile)
    alone = planned.profile.processes - planned.profile.perturbed
    if rate and "process" in scopes:
        assert alone >= trials_for(rate)
    if rate and "repeat" in scopes:
        # The first process of each Python may be only a reference.
        pairs = alone + 1 - planned.profile.pythons
        assert pairs * (planned.profile.calls - 1) >= trials_for(rate)
    for scope in scopes:
        assert planned.trials_in(scope) >= max(
            trials_for(rate) if rate else 0, PROFILES[profile].trials_in(scope) // 6
        )


def test_a_scope_that_is_not_asked_about_costs_few_processes():
    assert plan(["repeat"], 0.05, "quick").profile.processes == 6
    assert plan(["process"], 0.05, "quick").profile.processes == 61


def test_the_promise_names_scopes_comparisons_and_rates():
    assert plan(("repeat", "process"), 0.05, "quick").promise == (
        "repeat: at least 120 comparisons, which find a rate of 2.5 % with 95 %; "
        "process: at least 61 comparisons, which find a rate of 4.8 % with 95 %"
    )


@pytest.mark.parametrize(
    ("scopes", "rate", "profile", "message"),
    [
        (["proces"], 0.05, None, 'no scope "proces"; did you mean "process"?'),
        ([], 0.05, None, "no scope to survive"),
        ("process", 0.0, None, "must be above 0"),
        ("process", 5, None, "must be above 0 and at most 1, such as 0.05"),
        ("process", 0.05, "quik", 'did you mean "quick"?'),
    ],
)
def test_a_mistake_is_one_line(scopes, rate, profile, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        plan(scopes, rate, profile)


def test_the_profile_of_the_environment_counts(monkeypatch):
    monkeypatch.setenv("DETCOST_PROFILE", "standard")
    assert plan("process", None, None).profile.processes == PROFILES["standard"].processes
    assert plan("process", None, "quick").profile.processes == PROFILES["quick"].processes


def test_the_option_has_every_profile():
    choices = []

    class Group:
        def addoption(self, name, **properties):
            choices.extend(properties.get("choices", ()))

    class Parser:
        def getgroup(self, *words):
            return Group()

    pytest_addoption(Parser())
    assert choices == list(PROFILES)
