"""The core set by default, all benchmarks by name, and the countdown."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from asv.benchmarks import Benchmarks

from detcost.asv_integration import selection
from detcost.asv_integration.selection import CORE, Countdown, select_measured


def test_a_plain_run_selects_the_core_set_alone():
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


def test_the_countdown_estimates_from_the_pace():
    now = 0.0
    countdown = Countdown(clock=lambda: now)
    countdown.expect(11)
    countdown.start()
    assert str(countdown) == "scenario 1 of 11"
    now = 60.0
    countdown.start()
    now = 90.0  # one and a half of eleven in 90 s: 9.5 minutes for the other nine and a half
    assert str(countdown) == "scenario 2 of 11, about 10 min left in all"


def selected(regex: str | None = None) -> list[str]:
    """Return the combinations of device and setting that asv runs on this machine."""
    params = [["'CPU:0'", "'GPU:0'"], ["'default'", "'onednn=off+isa=AVX2'"]]
    name = "conv.Conv2dBackward.time_step"
    benchmark = {"name": name, "params": params, "setup_cache_key": "conv:8"}
    benchmarks = Benchmarks(SimpleNamespace(benchmark_dir="benchmarks"), [benchmark], regex)
    select_measured(benchmarks)
    if not benchmarks:
        return []
    cells = [f"{device} {setting}" for device in params[0] for setting in params[1]]
    return [cells[place] for place in benchmarks.benchmark_selection[name]]


@pytest.fixture
def linux(monkeypatch):
    monkeypatch.setattr(selection.sys, "platform", "linux")
    monkeypatch.delenv("DETCOST_PROFILE", raising=False)


def test_without_a_gpu_no_process_is_started_for_one(linux, monkeypatch):
    monkeypatch.setattr(selection, "GPU_FILES", ("/no/such/device",))
    assert selected() == ["'CPU:0' 'default'", "'CPU:0' 'onednn=off+isa=AVX2'"]


def test_a_cell_brings_along_the_cells_that_are_measured_with_it(linux, monkeypatch):
    monkeypatch.setattr(selection, "GPU_FILES", ("/no/such/device",))
    assert selected("CPU.*default") == ["'CPU:0' 'default'", "'CPU:0' 'onednn=off+isa=AVX2'"]


def test_a_cell_that_this_machine_lacks_brings_nothing(linux, monkeypatch):
    monkeypatch.setattr(selection, "GPU_FILES", ("/no/such/device",))
    assert selected("GPU.*default") == []


def test_with_a_gpu_all_are_run(linux, monkeypatch):
    monkeypatch.setattr(selection, "GPU_FILES", ("/dev/null",))
    assert len(selected()) == 4


def test_the_quick_profile_leaves_out_what_it_does_not_measure(linux, monkeypatch):
    monkeypatch.setattr(selection, "GPU_FILES", ("/no/such/device",))
    monkeypatch.setenv("DETCOST_PROFILE", "quick")
    assert selected() == ["'CPU:0' 'default'"]


def test_outside_linux_all_devices_are_selected(linux, monkeypatch):
    monkeypatch.setattr(selection.sys, "platform", "darwin")
    monkeypatch.setattr(selection, "GPU_FILES", ("/no/such/device",))
    assert len(selected()) == 4
