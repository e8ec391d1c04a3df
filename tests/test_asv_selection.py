"""The core set by default, everything by name; and a countdown that can be believed."""

from __future__ import annotations

import re

from detcost.asv_selection import CORE, Countdown


def test_a_plain_run_selects_the_core_set_and_neither_the_rest_nor_the_harness():
    selected = [
        name
        for name in (
            "conv.Conv2dBackward.time_step",
            "tf_data.MapUnordered.track_cost",
            "more.conv.Conv2dForward.time_step",
            "harness.track_trial_speedup",
        )
        if re.search(CORE, name)
    ]
    assert selected == ["conv.Conv2dBackward.time_step", "tf_data.MapUnordered.track_cost"]


def test_the_countdown_names_the_place_and_guesses_from_the_pace():
    now = 0.0
    countdown = Countdown(clock=lambda: now)
    countdown.expect(11)
    countdown.start()
    assert str(countdown) == "scenario 1 of 11"
    now = 60.0
    countdown.start()
    now = 90.0  # one and a half of eleven in 90 s: 9.5 minutes for the other nine and a half
    assert str(countdown) == "scenario 2 of 11, about 10 min left in all"
