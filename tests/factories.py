"""Records for tests that read, show or keep evidence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detcost.evidence.recording import Frame, Graph, Recording
from detcost.evidence.schema import (
    Control,
    Controls,
    Cost,
    Divergence,
    Evidence,
    FollowedProcess,
    Following,
    Protocol,
    StepSeconds,
    Variant,
)
from detcost.outputs.growth import Growth
from detcost.outputs.severity import Severity


def record(**changes: Any) -> Evidence:
    """Return the whole record of a measured cell, with some fields changed."""
    fields: dict[str, Any] = {
        "run_id": "20260102T030405-0a1b2c3d",
        "measured_at": "2026-01-02T03:04:05+00:00",
        "scenario": "matmul_square",
        "family": "matmul",
        "setting": "default",
        "device": "CPU:0",
        "size": "medium",
        "dtype": "float32",
        "seed": 42,
        "status": "ok",
        "cost": cost(),
        "step_seconds": StepSeconds(0.002, 0.0019, 0.0021, [0.002, 0.0019, 0.0021]),
        "first_call_seconds": 0.25,
        "cold_step_seconds": 0.003,
        "peak_memory_bytes": 500_000_000,
        "divergence": {"repeat": divergence(0, 315), "process": divergence(0, 20)},
        "severity": Severity(max_ulp=3, fraction_differing=0.25, mean_relative=1e-7),
        "digest": "0123456789abcdef",
        "carries_state": False,
        "same_bits_as_default": "yes",
        "traces": 1,
        "applied": {"intra": 2},
        "machine": {"name": "box", "cpu": "Some CPU @ 2.00GHz", "usable_cores": 2},
        "versions": {"tensorflow": "2.21.0", "python": "3.11.7"},
        "protocol": protocol(),
        "controls": Controls(cost(1.0, 0.99, 1.01), Control(20, 20, True), Control(0, 20, True)),
    }
    return Evidence(**{**fields, **changes})


def failed(**changes: Any) -> Evidence:
    """Return the record of a cell that could not be measured."""
    unknown = ("cost", "step_seconds", "first_call_seconds", "cold_step_seconds", "severity")
    nothing = dict.fromkeys((*unknown, "digest", "carries_state", "same_bits_as_default"))
    return record(
        **{"status": "failed", "reason": "ValueError: no", "divergence": {}, **nothing, **changes}
    )


def cost(ratio: float | None = 1.34, low: float | None = 1.29, high: float | None = 1.40) -> Cost:
    return Cost(ratio, low, high, 3, [1.3, 1.34, 1.4], "costs" if (low or 0) > 1.02 else "free")


def divergence(divergent: int, trials: int, low: float = 0.0, high: float = 0.0095) -> Divergence:
    rate = divergent / trials if trials else None
    return Divergence(divergent, trials, rate, low, high, 1 + divergent, variants=[])


def racing(**scopes: Divergence) -> dict[str, Divergence]:
    """Return the divergence of a cell whose bits differ even if nothing is changed."""
    return {"repeat": divergence(300, 315), "process": divergence(20, 20), **scopes}


def following(factor: float = 1.1, steps: int = 40, first: int = 3) -> Following:
    """Return a cell whose processes part, and whose distance grows by a factor for each step."""
    at = list(range(first, steps + 1))
    distances: list[float | None] = [min(1e-2, 1e-8 * factor ** (step - first)) for step in at]
    growth = Growth(factor, factor - 0.01, factor + 0.01, first, steps)
    parted = FollowedProcess(
        "process", "quiet", len(at), first, ["step()[1]"], at, distances, [3] * len(at), growth
    )
    return Following(steps, [parted, FollowedProcess("threads", "1", 0)], {"load": "killed"})


def variant(label: str, digest: str | None) -> Variant:
    return Variant(label, 0, 1, 1 if digest else 2, digest)


def protocol(profile: str = "standard") -> Protocol:
    return Protocol(
        profile=profile,
        rounds=15,
        settle_seconds=0.02,
        burst_seconds=0.02,
        pythons=3,
        target_half_width=0.03,
        seconds_cap=40.0,
        stopped_by="width",
        two_at_a_time=False,
        workers_lost=0,
        start_method="fork",
    )


def recorded(
    graphs: Iterable[Graph], frames: Iterable[Frame], outputs: Iterable[str], **changes: Any
) -> Recording:
    fields: dict[str, Any] = {
        "scenario": "model.py:step",
        "setting": "default",
        "device": "CPU:0",
        "size": "small",
        "dtype": "float32",
        "seed": 42,
        "conditions": "",
        "outputs": tuple(outputs),
        "graphs": tuple(graphs),
        "frames": tuple(frames),
    }
    return Recording(**fields | changes)
