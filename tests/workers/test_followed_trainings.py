"""Real programs followed over many steps: a known step and a known rate are found."""

from __future__ import annotations

import pytest

from detcost.evidence.following import FollowedProcess
from detcost.experiment import following
from detcost.experiment.arm import Arm
from detcost.experiment.following import Follower, FollowingPlan
from detcost.settings import grammar
from detcost.workers.contract import UNPERTURBED, Cell, Conditions
from paths import PROGRAMS

pytestmark = pytest.mark.tensorflow

FOLLOWERS = (
    Follower("process", UNPERTURBED),
    Follower("threads", Conditions("1", pool_size=1)),
)


def follow(factory, name: str) -> list[FollowedProcess]:
    arm = Arm(Cell(f"{PROGRAMS / 'parting.py'}:{name}", grammar.parse("default"), "CPU:0"))
    following.follow([arm], factory, FollowingPlan(60, FOLLOWERS, together=2))
    assert arm.following.skipped == {}
    return arm.following.processes


def test_a_known_step_and_a_known_rate_are_found(factory):
    for process in follow(factory, "parts_at_step_four"):
        assert (process.first_step, process.differing) == (4, 57)
        assert process.growth.factor == pytest.approx(1.3, rel=1e-3)
        assert process.growth.low <= 1.3 <= process.growth.high


def test_runs_that_never_part_have_no_rate(factory):
    assert follow(factory, "never_parts") == [
        FollowedProcess("process", "quiet", 0),
        FollowedProcess("threads", "1", 0),
    ]
