"""Every built-in scenario, for real: it builds, is traced once, and keeps to one shape."""

from __future__ import annotations

import pytest

from detcost.scenarios.registry import built_in
from detcost.settings import parse
from detcost.workers.contract import Cell

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("name", built_in())
def test_it_runs_and_is_traced_once_however_often_it_is_called(pool, name):
    """Under ``default``, where every one runs; op determinism may refuse, which is a result."""
    worker = pool.start(Cell(name, parse("default"), "CPU:0", size="small"))
    worker.build()
    worker.warm_up(3)
    worker.repeat(3)
    assert worker.usage().traces <= 1
    worker.close()


@pytest.mark.parametrize("name", [n for n, s in built_in().items() if "bfloat16" in s.dtypes])
def test_it_runs_in_bfloat16_too(pool, name):
    worker = pool.start(Cell(name, parse("default"), "CPU:0", size="small", dtype="bfloat16"))
    assert worker.build().digest == worker.repeat(1)[0]
    worker.close()
