"""Every built-in scenario, for real: it builds, is traced once, and keeps to one shape."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from detcost.scenarios.registry import built_in
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, Usage

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def used(factory) -> Iterator[dict[str, Future[Usage]]]:
    """What every scenario's worker used, two of them at a time."""

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
def test_it_runs_and_is_traced_once_however_often_it_is_called(used, name):
    """Under ``default``, where every one runs; op determinism may refuse, which is a result."""
    assert used[name].result().traces <= 1


@pytest.mark.parametrize("name", [n for n, s in built_in().items() if "bfloat16" in s.dtypes])
def test_it_runs_in_bfloat16_too(factory, name):
    worker = factory.start(Cell(name, parse("default"), "CPU:0", size="small", dtype="bfloat16"))
    assert worker.build().digest == worker.repeat(1)[0]
    worker.close()
