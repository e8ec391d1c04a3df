"""Time limits follow from what the first worker of a program took."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detcost.settings import grammar
from detcost.workers import limits
from detcost.workers.contract import Built, Cell, WorkerLost
from detcost.workers.limits import FirstCalls
from detcost.workers.process import ProcessWorker

DEFAULT = Cell("mine.py:step", grammar.DEFAULT, "CPU:0")
XLA = msgspec.structs.replace(DEFAULT, setting=grammar.parse("xla"))
OTHER = msgspec.structs.replace(DEFAULT, scenario="mine.py:other")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the limits so short that a test can wait for them."""
    monkeypatch.setattr(limits, "FIRST_CALL", 0.5)
    monkeypatch.setattr(limits, "_SPARE", 0.1)


def start(
    answer: Callable[[str], Any], tmp_path: Path, first_calls: FirstCalls, cell: Cell = DEFAULT
) -> ProcessWorker:
    """Start a worker that is a thread, and that hangs where there is no answer."""
    ours, theirs = Pipe()

    def work() -> None:
        with suppress(EOFError, OSError):
            while True:
                if (result := answer(theirs.recv()[0])) is not None:
                    theirs.send(("ok", result))

    threading.Thread(target=work, daemon=True).start()
    log = tmp_path / "worker"
    return ProcessWorker(ours, 0, log, cell, first_calls, exit_code=lambda: None, kill=lambda: None)


def returns(seconds: float) -> Callable[[str], Any]:
    def answer(method: str) -> Any:
        time.sleep(seconds)
        return Built(seconds, "digest", {}) if method == "build" else ["digest"]

    return answer


def hangs_in(*methods: str) -> Callable[[str], Any]:
    return lambda method: None if method in methods else returns(0.0)(method)


def test_the_first_worker_of_a_program_has_the_most_time(tmp_path):
    first_calls = FirstCalls()
    assert first_calls.limit(DEFAULT) == 0.5
    start(returns(0.2), tmp_path, first_calls).build()
    assert first_calls.limit(XLA) == first_calls.limit(DEFAULT) >= 0.1 + 20 * 0.2
    assert first_calls.limit(OTHER) == 0.5


def test_the_first_worker_counts_and_no_later_one(tmp_path):
    first_calls = FirstCalls()
    start(returns(0.05), tmp_path, first_calls).build()
    after_one = first_calls.limit(XLA)
    start(returns(0.2), tmp_path, first_calls, XLA).build()
    assert first_calls.limit(XLA) == after_one


def test_a_first_call_that_never_returns_is_lost_and_later_ones_get_less_time(tmp_path):
    first_calls = FirstCalls()
    with pytest.raises(WorkerLost) as caught:
        start(hangs_in("build"), tmp_path, first_calls).build()
    assert (caught.value.status, caught.value.reason) == (
        "timed_out",
        "the first call took more than 0 s",
    )
    assert first_calls.limit(DEFAULT) == 0.1
    start(returns(0.01), tmp_path, first_calls).build()
    assert first_calls.limit(DEFAULT) > 0.1


def test_a_survey_that_hangs_counts_as_a_first_call(tmp_path):
    first_calls = FirstCalls()
    with pytest.raises(WorkerLost):
        start(hangs_in("survey"), tmp_path, first_calls).survey()
    assert first_calls.limit(DEFAULT) == 0.1


@pytest.mark.parametrize(
    ("request_", "doing"),
    [(lambda worker: worker.repeat(100), "a call"), (lambda worker: worker.burst(0, 0), "a burst")],
)
def test_a_later_call_that_hangs_has_a_limit_of_its_own(tmp_path, request_, doing):
    """The limit of a hundred calls at once would be a hundred times as long."""
    worker = start(hangs_in("repeat", "burst"), tmp_path, FirstCalls())
    worker.build()
    began = time.monotonic()
    with pytest.raises(WorkerLost, match=f"^{doing}.* took more than 0 s"):
        request_(worker)
    assert time.monotonic() - began < 5


def test_calls_are_repeated_one_by_one_and_give_all_digests(tmp_path):
    worker = start(returns(0.0), tmp_path, FirstCalls())
    worker.build()
    assert worker.repeat(3) == ["digest"] * 3


def test_a_cell_with_one_core_of_many_has_the_time_for_it():
    assert limits._SLOWER >= 20
    assert limits.limit(3.0) == pytest.approx(0.1 + 3 * limits._SLOWER)
