"""The independent estimate of costs: its arithmetic, and what it shares with detcost."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detcost.intervals import ratio
from detcost.scenarios.loading import load
from detcost.selfbench import independent, overhead
from detcost.selfbench.independent import IndependentEstimate, Plan, ProgramDied

TWO_TURNS = Plan(pairs=2, turns=2, burst=0.35, discarded=0.12)


class Fake:
    """A program that logs its bursts. All its steps take the same time."""

    def __init__(self, name: str, step: float, log: list[str]):
        self.name, self.step, self.log = name, step, log

    def burst(self, seconds: float) -> list[float]:
        self.log.append(f"{self.name} {seconds}")
        return [number * self.step for number in range(math.ceil(seconds / self.step) + 2)]


def test_the_log_ratio_is_the_settings_step_time_over_defaults():
    default, other = Fake("default", 0.002, []), Fake("other", 0.003, [])
    assert independent.log_ratio(default, other, TWO_TURNS) == pytest.approx(math.log(1.5))


def test_every_turn_reverses_the_order():
    log: list[str] = []
    default, other = Fake("default", 0.002, log), Fake("other", 0.003, log)
    independent.log_ratio(default, other, Plan(turns=3, burst=0.2))
    first, swapped = ["default 0.2", "other 0.2"], ["other 0.2", "default 0.2"]
    assert log == [*first, *swapped, *first]


def test_slow_steps_at_the_head_of_a_burst_are_discarded():
    slow_until_100_ms = [0.0, 0.05, 0.1]
    then_2_ms_a_step = [0.1 + 0.002 * number for number in range(1, 101)]
    marks = [*slow_until_100_ms, *then_2_ms_a_step]
    assert independent.step_seconds(marks, discarded=0.12) == pytest.approx(0.002)
    assert independent.step_seconds(marks, discarded=0.0) > 0.0028


def test_a_step_that_began_within_the_head_is_discarded():
    assert independent.step_seconds([0.0, 0.2, 0.3], discarded=0.12) == pytest.approx(0.1)


def test_the_interval_is_student_s_as_detcost_s_own_is():
    logs = [0.4, 0.5, 0.45, 0.52, 0.38, 0.47]
    estimate, engines = independent.from_log_ratios(logs), ratio(logs)
    assert (estimate.ratio, estimate.low, estimate.high) == pytest.approx(
        (engines.ratio, engines.low, engines.high)
    )
    assert estimate.low < estimate.ratio < estimate.high


def test_a_bias_is_a_share_and_a_number_of_standard_errors():
    truth = IndependentEstimate(ratio=1.6, low=1.5, high=1.7, standard_error=0.03)
    logs = [math.log(1.2) - 0.04, math.log(1.2), math.log(1.2) + 0.04]
    cost = ratio(logs)
    assert overhead.cost_bias(cost, truth) == pytest.approx(-0.25)
    error = math.hypot(0.04 / math.sqrt(3), 0.03)
    assert overhead.cost_bias_in_errors(cost, truth) == pytest.approx(math.log(0.75) / error)


@pytest.mark.parametrize("plan", [{"pairs": 1}, {"turns": 0}, {"burst": 0.1}])
def test_a_plan_without_a_figure_is_refused(plan):
    with pytest.raises(ValueError, match="needs"):
        Plan(**plan)


@pytest.mark.parametrize(("program", "setting"), [("lstm", "xla"), ("conv", "threads=2")])
def test_an_unknown_program_or_setting_is_refused(program, setting):
    with pytest.raises(ValueError, match=f"{program} under .*: one of"):
        independent.estimate(program, setting)


# -- processes: programs without TensorFlow ---------------------------------------

WRITE_PID = (
    "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); print('ready', flush=True);"
)
STEADY = WRITE_PID + "[print([0.0, 1.0, 2.0], flush=True) for line in sys.stdin]"
DIES = WRITE_PID + "sys.stdin.readline(); raise SystemExit('the kernel is not there')"
DIES_AT_ONCE = "raise SystemExit('no such op')"


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Replace the programs by given code, which writes its process id into a file."""

    def use(**code: str) -> None:
        monkeypatch.setattr(
            independent,
            "command",
            lambda program, setting: [
                *(sys.executable, "-c", code[setting]),
                str(tmp_path / setting),
                setting,
            ],
        )

    return use


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def assert_ended(pid_file: Path) -> None:
    assert not is_running(int(pid_file.read_text()))


@pytest.mark.parametrize(
    ("code", "message"),
    [(DIES, "ended with exit code 1: the kernel is not there"), (DIES_AT_ONCE, "no such op")],
)
def test_a_death_is_reported_and_the_other_program_ended(commands, tmp_path, code, message):
    commands(default=STEADY, xla=code)
    with pytest.raises(ProgramDied, match=message):
        independent.estimate("conv", "xla", TWO_TURNS)
    assert_ended(tmp_path / "default")


def test_an_interrupt_ends_both_programs(commands, tmp_path, monkeypatch):
    def interrupt(*_: object) -> float:
        raise KeyboardInterrupt

    commands(default=STEADY, xla=STEADY)
    monkeypatch.setattr(independent, "log_ratio", interrupt)
    with pytest.raises(KeyboardInterrupt):
        independent.estimate("conv", "xla", TWO_TURNS)
    assert_ended(tmp_path / "default")
    assert_ended(tmp_path / "xla")


def test_equal_programs_have_a_ratio_of_1_and_are_ended(commands, tmp_path):
    commands(default=STEADY, xla=STEADY)
    assert independent.estimate("conv", "xla", TWO_TURNS) == IndependentEstimate(1.0, 1.0, 1.0, 0.0)
    assert_ended(tmp_path / "default")
    assert_ended(tmp_path / "xla")


# -- imports ----------------------------------------------------------------------------


def test_the_estimate_and_its_programs_import_no_detcost():
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]);"
        "print([name for name in sys.modules if name.split('.')[0] == 'detcost'])"
    )
    programs = Path(independent.__file__).with_name("plain_programs.py")
    for file in (independent.__file__, programs):
        done = subprocess.run(
            [sys.executable, "-c", code, file], check=True, capture_output=True, text=True
        )
        assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("program", independent.PROGRAMS)
def test_the_engine_finds_the_same_program_as_a_scenario(program):
    assert load(f"detcost.selfbench.plain_scenarios:{program}").name == program


@pytest.mark.tensorflow
def test_real_programs_give_a_ratio_with_an_interval():
    estimate = independent.estimate("mlp", "xla", Plan(2, turns=2, burst=0.03, discarded=0.01))
    assert 0 < estimate.low <= estimate.ratio <= estimate.high < math.inf
    assert math.isfinite(estimate.standard_error)
