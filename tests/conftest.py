"""What several test modules need."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detcost.cli import main
from detcost.workers.launch import ForkWorkerFactory

sys.path.insert(0, str(Path(__file__).parent))

# A shell starts background jobs with Ctrl-C ignored, and their children inherit that: the tests
# of interrupts would then wait for ever where CI runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def factory() -> Iterator[ForkWorkerFactory]:
    """Real workers, whose TensorFlow a module's tests share."""
    workers = ForkWorkerFactory()
    yield workers
    workers.close()


@pytest.fixture
def detcost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: words in; exit code, output and errors out."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["detcost", *words])
        code: int | str | None = 0
        try:
            main.main()
        except SystemExit as end:
            code = end.code
        return int(code or 0), *capsys.readouterr()

    return run
