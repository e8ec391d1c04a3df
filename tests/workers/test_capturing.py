"""What one operation takes is kept in one run, and gives the same in a replay."""

from __future__ import annotations

import numpy as np
import pytest

from detcost.evidence import captured
from detcost.outputs import digests
from detcost.settings.grammar import DEFAULT, parse
from detcost.workers.contract import Cell, Watched
from detcost.workers.launch import ForkWorkerFactory
from paths import PROGRAMS

pytestmark = pytest.mark.tensorflow

CELL = Cell(f"{PROGRAMS / 'captured.py'}:scatters", DEFAULT, "CPU:0")


def capture(factory: ForkWorkerFactory, folder, graph: str, name: str, at=None):
    worker = factory.start(CELL)
    try:
        key = (graph, name)
        watched = Watched(frozenset([key]), (key, str(folder)), at)
        worker.record(str(folder.with_suffix(".recording")), 2, watched)
    finally:
        worker.close()
    return captured.read(folder)


def replayed(factory: ForkWorkerFactory, folder, setting: str, calls: int = 10):
    worker = factory.start(Cell(f"{folder}/replay.py:operation", parse(setting), "CPU:0"))
    try:
        outputs = {worker.build().digest, *worker.repeat(calls - 1)}
        worker.save_outputs(str(folder / "outputs"))
        return outputs, digests.load(folder / "outputs")
    finally:
        worker.close()


def test_a_variable_s_content_before_is_kept_and_its_content_after_compared(factory, tmp_path):
    operation = capture(factory, tmp_path / "a", "train", "ResourceScatterAdd", (2, 1))
    assert [given.kind for given in operation.inputs] == ["variable", "value", "value"]
    assert (operation.call, operation.iteration) == (2, 1)
    before = digests.load(tmp_path / "a" / captured.INPUTS)[0]
    assert (before.array == 1).all()
    steady, [after] = replayed(factory, tmp_path / "a", "op_determinism")
    assert len(steady) == 1
    expected = np.ones((50, 8))
    indices, rows = (leaf.array for leaf in digests.load(tmp_path / "a" / captured.INPUTS)[1:])
    np.add.at(expected, indices, rows)
    np.testing.assert_allclose(after.array, expected, atol=1e-3)


def test_an_iteration_of_a_loop_is_kept_in_bfloat16_and_replayed_under_xla(factory, tmp_path):
    operation = capture(factory, tmp_path / "b", "while_body", "while/total", (1, 3))
    assert (operation.call, operation.iteration) == (1, 3)
    assert {given.dtype for given in operation.inputs} == {"bfloat16"}
    outputs, [total] = replayed(factory, tmp_path / "b", "xla", calls=2)
    assert len(outputs) == 1
    assert total.dtype == "bfloat16"


def test_a_call_from_eager_code_is_kept_with_all_that_it_calls(factory, tmp_path):
    graph = next(
        name for name in eager_graphs(factory, tmp_path) if name.endswith("ResourceScatterAdd")
    )
    operation = capture(factory, tmp_path / "c", graph, "ResourceScatterAdd")
    assert [given.kind for given in operation.inputs] == ["variable", "value", "value"]
    assert (digests.load(tmp_path / "c" / captured.INPUTS)[0].array == 1).all()


def eager_graphs(factory: ForkWorkerFactory, folder) -> list[str]:
    from detcost.evidence import recording

    worker = factory.start(CELL)
    try:
        worker.record(str(folder / "run"), 1, Watched(frozenset()))
    finally:
        worker.close()
    return [graph.name for graph in recording.read(folder / "run").graphs if graph.kind == "eager"]


def test_strings_are_kept_and_python_is_not(factory, tmp_path):
    operation = capture(factory, tmp_path / "d", "train", "StringJoin")
    assert [given.dtype for given in operation.inputs] == ["string", "string"]
    _, [words] = replayed(factory, tmp_path / "d", "default", calls=1)
    assert next(words.strings()).startswith(b"a")
    python = capture(factory, tmp_path / "e", "train", "PyFunc")
    assert python.reason == "PyFunc calls Python, which a file cannot hold"
