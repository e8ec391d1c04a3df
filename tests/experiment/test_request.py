"""A request is checked whole before anything runs, and profiles measure as much as they promise."""

from __future__ import annotations

from typing import Any

import pytest

from detcost.errors import UsageError
from detcost.experiment import profiles
from detcost.experiment.profiles import PROFILES
from detcost.experiment.request import Request
from detcost.settings.grammar import default_grid


def ask(**changes: Any) -> Request:
    words: dict[str, Any] = {
        "scenarios": ["matmul_square"],
        "setting_names": ["xla"],
        "devices": None,
        "scopes": ("repeat", "process"),
        "profile": PROFILES["quick"],
        "size": "small",
        "dtype": None,
        "seed": 42,
    }
    return Request.parse(**{**words, **changes})


def refusal(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        ask(**changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "names", [["xla"], ["xla", "default"], ["default", "xla"], ["xla", "xla", "default"]]
)
def test_default_is_always_measured_and_comes_first(names):
    assert [s.name for s in ask(setting_names=names).settings] == ["default", "xla"]


def test_without_settings_the_whole_grid_is_measured():
    assert list(ask(setting_names=None).settings) == default_grid()


def test_what_is_named_twice_is_measured_once():
    request = ask(
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
    """Its file may take seconds, print or hang: only workers run it."""
    assert ask(scenarios=["no/such/file.py:mine"]).scenarios == ("no/such/file.py:mine",)


def test_no_scenario_is_no_request():
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
def test_a_device_that_may_be_elsewhere_is_not_refused(name):
    assert ask(devices=[name]).devices == (name,)


def test_the_nearest_device_is_suggested():
    assert 'did you mean "GPU:0"?' in refusal(devices=["gpu:0"])


@pytest.mark.parametrize(
    ("change", "word", "near"),
    [
        ({"scopes": ("repeat", "proces")}, 'no scope "proces"', "process"),
        ({"size": "Medium"}, 'no size "Medium"', "medium"),
        ({"scenarios": ["matmul_sqare"]}, 'no scenario "matmul_sqare"', "matmul_square"),
        ({"setting_names": ["xl"]}, 'no lever "xl"', "xla"),
    ],
)
def test_a_wrong_word_is_told_its_nearest_neighbour(change, word, near):
    assert f'{word}; did you mean "{near}"?' in refusal(**change)


@pytest.mark.parametrize("change", [{"scopes": ("quux",)}, {"size": "9"}])
def test_a_word_near_nothing_is_told_what_there_is(change):
    assert "; there are " in refusal(**change)


def test_a_type_that_no_scenario_has_is_a_mistake():
    """A typing error must not come out as "not applicable" and a success."""
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
def test_a_profile_keeps_the_least_trials_it_promises(name, repeats, processes):
    """The minimum of MEASUREMENT.md."""
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


def test_an_unknown_profile_is_told_its_nearest_neighbour():
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


def test_a_wrong_profile_in_the_environment_says_where_it_stands(monkeypatch):
    monkeypatch.setenv("DETCOST_PROFILE", "quik")
    with pytest.raises(UsageError, match=r'DETCOST_PROFILE.*"quik".*"quick"'):
        profiles.from_environment()
