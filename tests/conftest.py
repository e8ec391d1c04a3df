"""Fixtures that several test modules need."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detcost.cli import main
from detcost.workers.launch import ForkWorkerFactory

sys.path.insert(0, str(Path(__file__).parent))

# A shell starts background jobs with Ctrl-C ignored, and their children inherit this. Tests of
# interrupts would then never end, if CI runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow modules first, so that short ones fill the time until two processes end."""
    slow = {item.path for item in items if item.get_closest_marker("tensorflow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module")
def factory() -> Iterator[ForkWorkerFactory]:
    """Real workers. All tests of a module share one import of TensorFlow."""
    workers = ForkWorkerFactory()
    yield workers
    workers.close()


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
