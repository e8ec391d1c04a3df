"""Every built-in scenario in a real worker: it builds, is traced once, and keeps its shape."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from detcost.scenarios.registry import built_in
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, Usage
from detcost.workers.launch import ForkWorkerFactory

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def usages(factory: ForkWorkerFactory) -> Iterator[dict[str, Future[Usage]]]:
    """The usage of every scenario's worker. Two workers run at a time."""

    def run(name: str) -> Usage:
        worker = factory.start(Cell(name, parse("default"), "CPU:0", size="small"))
        try:
            worker.build()
            worker.repeat(6)
            return worker.usage()
        finally:
            worker.close()

    with ThreadPoolExecutor(2) as both:
        yield {name: both.submit(run, name) for name in built_in()}


@pytest.mark.parametrize("name", built_in())
def test_a_scenario_runs_and_is_traced_once(usages, name):
    """Only under ``default``, because op determinism refuses some scenarios."""
    assert usages[name].result().traces <= 1


@pytest.mark.parametrize("name", [n for n, s in built_in().items() if "bfloat16" in s.dtypes])
def test_a_scenario_runs_in_bfloat16_too(factory, name):
    worker = factory.start(Cell(name, parse("default"), "CPU:0", size="small", dtype="bfloat16"))
    repeats = worker.build().digest == worker.repeat(1)[0]
    assert repeats == (built_in()[name].family != "models"), "only models carry state"
    worker.close()
