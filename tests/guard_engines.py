"""Engines for tests of guards: one with fake workers, and one that only loads the program."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import xxhash

import factories
from detcost.evidence.schema import Evidence
from detcost.host.devices import Device
from detcost.testing.plan import GuardPlan
from detcost.workers.contract import ScenarioInfo
from fake_workers import Behaviour, FakeWorkerFactory

CONTROLS = {"control_varies": Behaviour(flips=1.0), "control_stable": Behaviour()}
DIGEST = "0123456789abcdef" * 2


class FakeInspection:
    def devices(self) -> list[Device]:
        return [Device("CPU:0")]

    def versions(self) -> dict[str, str]:
        return {"tensorflow": "2.21.0", "numpy": "2.1.0", "detcost": "0.1.0"}

    def describe(self, reference: str) -> list[ScenarioInfo]:
        name = reference.rpartition(":")[2]
        none: frozenset[str] = frozenset()
        return [ScenarioInfo(reference, name, "own", "", ("float32",), none, False, draws=False)]

    def close(self) -> None:
        pass


class GuardedFactory(FakeWorkerFactory):
    """Fake workers, and the controls of a run."""

    start_method = "fake"

    def __init__(self, behaviour: Behaviour | None = None, **behaviours: Behaviour):
        default = behaviour or Behaviour(output=lambda conditions: DIGEST)
        super().__init__({"default": default, **CONTROLS, **behaviours})

    def inspection(self) -> FakeInspection:
        return FakeInspection()

    def prepare(self, *given: Any) -> None:
        pass


class LoadingEngine:
    """Calls a program once in a fresh Python without TensorFlow. Its output is its digest."""

    def measure(
        self, reference: str, setting: str | None, device: str | None, plan: GuardPlan
    ) -> Evidence:
        code = (
            "import sys; from detcost.scenarios.loading import load; "
            "print(load(sys.argv[1]).build('the bench')())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, reference], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return factories.failed(reason=done.stderr.strip().splitlines()[-1])
        digest = xxhash.xxh3_128_hexdigest(done.stdout.strip().encode())
        counts = {
            scope: factories.divergence(0, plan.trials_in(scope), high=0.05)
            for scope in plan.scopes
        }
        name = reference.rpartition("/")[2]
        return factories.record(scenario=name, divergence=counts, digest=digest)
