"""Requests are checked before anything runs, and profiles measure as much as they promise."""

from __future__ import annotations

from typing import Any

import pytest

from detcost.errors import UsageError
from detcost.experiment import profiles
from detcost.experiment.profiles import PROFILES
from detcost.experiment.request import Request
from detcost.settings.grammar import default_grid


def parse(**changes: Any) -> Request:
    arguments: dict[str, Any] = {
        "scenarios": ["matmul_square"],
        "setting_names": ["xla"],
        "devices": None,
        "scopes": ("repeat", "process"),
        "profile": PROFILES["quick"],
        "size": "small",
        "dtype": None,
        "seed": 42,
    }
    return Request.parse(**{**arguments, **changes})


def refusal(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        parse(**changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "names", [["xla"], ["xla", "default"], ["default", "xla"], ["xla", "xla", "default"]]
)
def test_default_is_always_measured_and_comes_first(names):
    assert [s.name for s in parse(setting_names=names).settings] == ["default", "xla"]


def test_without_settings_the_whole_grid_is_measured():
    assert list(parse(setting_names=None).settings) == default_grid()


def test_names_given_twice_are_measured_once():
    request = parse(
        scenarios=["matmul_square", "conv2d_backward", "matmul_square"],
        setting_names=["xla+single_thread", "threads=1+xla"],
        devices=["CPU:0", "GPU:0", "CPU:0"],
        scopes=["threads", "load", "threads"],
    )
    assert request.scenarios == ("matmul_square", "conv2d_backward")
    assert [setting.name for setting in request.settings] == ["default", "threads=1+xla"]
    assert request.devices == ("CPU:0", "GPU:0")
    assert request.scopes == ("threads", "load")


def test_a_user_s_own_scenario_is_not_loaded_here():
    """The file may take seconds, print or hang. Only workers run it."""
    assert parse(scenarios=["no/such/file.py:mine"]).scenarios == ("no/such/file.py:mine",)


def test_a_request_without_scenarios_is_refused():
    assert "detcost list scenarios" in refusal(scenarios=[])


@pytest.mark.parametrize("name", ["a\nb.py:x", "\udcff.py:x", "\x1b[2J.py:x"])
def test_a_name_that_cannot_be_shown_is_refused(name):
    """Evidence is UTF-8, and messages are one line."""
    message = refusal(scenarios=[name])
    assert message.isprintable()
    assert "rename" in message


@pytest.mark.parametrize(
    "name", ["GPU", "gpu:0", "CPU0", "CPU:", "CPU:x", "/device:GPU:0", "", ":0"]
)
def test_a_device_is_named_as_tensorflow_names_it(name):
    message = refusal(devices=[name])
    assert "CPU:0 or GPU:1" in message
    assert "detcost list devices" in message


@pytest.mark.parametrize("name", ["CPU:0", "GPU:7", "TPU:12", "XLA_CPU:0"])
def test_a_device_of_another_machine_is_not_refused(name):
    assert parse(devices=[name]).devices == (name,)


def test_the_nearest_device_is_suggested():
    assert 'did you mean "GPU:0"?' in refusal(devices=["gpu:0"])


@pytest.mark.parametrize(
    ("change", "message", "similar"),
    [
        ({"scopes": ("repeat", "proces")}, 'no scope "proces"', "process"),
        ({"size": "Medium"}, 'no size "Medium"', "medium"),
        ({"scenarios": ["matmul_sqare"]}, 'no scenario "matmul_sqare"', "matmul_square"),
        ({"setting_names": ["xl"]}, 'no lever "xl"', "xla"),
    ],
)
def test_a_similar_name_is_suggested(change, message, similar):
    assert f'{message}; did you mean "{similar}"?' in refusal(**change)


@pytest.mark.parametrize("change", [{"scopes": ("quux",)}, {"size": "9"}])
def test_without_a_similar_name_all_names_are_listed(change):
    assert "; there are " in refusal(**change)


def test_an_unknown_type_is_refused():
    """A typing error must not lead to "not applicable" and exit code 0."""
    message = refusal(dtype="float33")
    assert 'no type "float33"; did you mean "float32"?' in message


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_tensorflow_cannot_take_is_refused(seed):
    message = refusal(seed=seed)
    assert str(seed) in message
    assert "0 to 4294967295" in message


# Profiles.


@pytest.mark.parametrize(
    ("name", "repeats", "processes"),
    [("quick", 60, 6), ("standard", 300, 20), ("full", 3000, 60)],
)
def test_a_profile_has_at_least_the_promised_trials(name, repeats, processes):
    """The minima of docs/measurement.md."""
    assert PROFILES[name].repeats >= repeats
    assert PROFILES[name].processes >= processes


def test_each_profile_measures_more_than_the_one_before():
    quick, standard, full = PROFILES.values()
    for less, more in ((quick, standard), (standard, full)):
        assert less.half_width > more.half_width
        assert less.seconds < more.seconds
        assert less.repeats < more.repeats
        assert less.processes < more.processes


def test_a_profile_is_found_by_name():
    assert all(profiles.find(name).name == name for name in PROFILES)


def test_for_an_unknown_profile_a_similar_one_is_suggested():
    with pytest.raises(UsageError, match='no profile "quik"; did you mean "quick"'):
        profiles.find("quik")


@pytest.mark.parametrize(
    ("value", "name"), [(None, "standard"), ("", "standard"), ("quick", "quick"), ("full", "full")]
)
def test_the_environment_names_the_profile(monkeypatch, value, name):
    monkeypatch.delenv("DETCOST_PROFILE", raising=False)
    if value is not None:
        monkeypatch.setenv("DETCOST_PROFILE", value)
    assert profiles.from_environment().name == name


def test_a_wrong_profile_in_the_environment_names_the_variable(monkeypatch):
    monkeypatch.setenv("DETCOST_PROFILE", "quik")
    with pytest.raises(UsageError, match=r'DETCOST_PROFILE.*"quik".*"quick"'):
        profiles.from_environment()


@pytest.mark.parametrize("steps", [1, 0, -5])
def test_following_needs_two_steps(steps):
    assert refusal(steps=steps) == f"--steps {steps}: name at least 2 steps, such as --steps 200"
    assert parse(steps=2).steps == 2
    assert parse().steps is None
