"""Fixtures that several test modules need."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from detcost.cli import main
from detcost.experiment.profiles import PROFILES
from detcost.settings.grammar import DEFAULT
from detcost.workers.launch import ForkWorkerFactory

sys.path.insert(0, str(Path(__file__).parent))

# Tests start thousands of processes. Where this is set, each of them would compile each module.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts background jobs with Ctrl-C ignored, and their children inherit this. Tests of
# interrupts would then never end, if CI runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow modules first, so that short ones fill the time until two processes end."""
    slow = {item.path for item in items if item.get_closest_marker("tensorflow")}
    items.sort(key=lambda item: item.path not in slow)


class SharedWorkers(ForkWorkerFactory):
    """Real workers that stay open where a run closes its own."""

    def close(self) -> None:
        """Leave the fork servers to the next test."""


@pytest.fixture(scope="session")
def factory() -> Iterator[ForkWorkerFactory]:
    """Real workers. All tests of a process share the imports of TensorFlow."""
    workers = SharedWorkers()
    workers.prepare([DEFAULT], pythons=1)  # now, before a test changes the environment
    yield workers
    ForkWorkerFactory.close(workers)


@pytest.fixture(scope="module")
def shared_workers(factory: ForkWorkerFactory) -> Iterator[None]:
    """Let the commands and functions that a module calls use these workers too."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("experiment.preparation", "claims.measuring", "cli.listing"):
            patch.setattr(f"detcost.{module}.start_workers", lambda seed=42: factory)
        yield


@pytest.fixture(scope="module")
def brief() -> Iterator[None]:
    """Let the profile quick, and every plan that fits a time, measure as little as they can."""
    little = {"looks": (2,), "rounds": 1, "calls": 5, "pythons": 1, "processes": 2, "trials": 1}
    quick = msgspec.structs.replace(PROFILES["quick"], **little, perturbed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, "quick", quick)
        patch.setattr("detcost.experiment.planning._STEPS", ((2, 1, 3, 2, 1),))
        yield


@pytest.fixture
def detcost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; return its exit code, its output and its errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["detcost", *arguments])
        code: int | str | None = 0
        try:
            main.main()
        except SystemExit as end:
            code = end.code
        return int(code or 0), *capsys.readouterr()

    return run
