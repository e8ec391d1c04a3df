"""Another way to compute an operation gives about the same, wherever the operation stands."""

from __future__ import annotations

import pytest

from detcost.locating.rewritings import OTHER_WAYS, fitting
from detcost.outputs import digests
from detcost.settings.grammar import DEFAULT
from detcost.workers.contract import Cell, CellError, Rewriting
from detcost.workers.launch import ForkWorkerFactory
from paths import PROGRAMS

pytestmark = pytest.mark.tensorflow

FILE = PROGRAMS / "captured.py"
#: Drawn numbers differ, by purpose. The others are tested below.
DRAWS = {"a seed for this operation", "a stateless draw"}
OTHERS = {
    "an XLA island",
    "deterministic=True",
    "without num_parallel_calls",
    "a seed for this transformation",
}


def run(factory: ForkWorkerFactory, program: str, rewriting: Rewriting | None, tmp_path, calls=1):
    worker = factory.start(Cell(f"{FILE}:{program}", DEFAULT, "CPU:0", rewriting=rewriting))
    try:
        outputs = [worker.build().digest, *worker.repeat(calls - 1)]
        worker.save_outputs(str(tmp_path / "outputs"))
        return outputs, digests.load(tmp_path / "outputs")
    finally:
        worker.close()


def test_every_way_gives_about_what_the_operation_gives(factory, tmp_path):
    _, leaves = run(factory, "every_way", None, tmp_path)
    assert {leaf.path: float(leaf.array) for leaf in leaves if float(leaf.array) > 1e-4} == {}
    tried = {leaf.path.split("'")[1].partition(": ")[::2] for leaf in leaves}
    assert {name for name, _ in tried} | DRAWS | OTHERS == {way.name for way in OTHER_WAYS}
    for name, kind in tried:
        assert name in {way.name for way in fitting(kind)}


def test_an_operation_is_replaced_for_all_that_follows_in_graphs_and_in_eager_code(
    factory, tmp_path
):
    """An XLA island shows in the log, and nowhere else: without one this would be refused."""
    _, [_, _, table, other] = run(factory, "scatters", None, tmp_path)
    for graph, way in (("train", "an XLA island"), (_eager(), "add a dense sum")):
        rewriting = Rewriting(graph, "ResourceScatterAdd", way)
        _, [_, _, *changed] = run(factory, "scatters", rewriting, tmp_path, calls=3)
        for before, after in zip((table, other), changed, strict=True):
            assert abs(after.array - before.array).max() < 1e-2
            assert (after.array != 1).all()


def _eager() -> str:
    lines = FILE.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "other.scatter_add" in line)
    return f"{_shown()}:{number} ResourceScatterAdd"


def _shown() -> str:
    from detcost.workers.in_worker.probe import places

    return places._shown(str(FILE))


def test_what_is_not_found_does_not_count_as_rewritten(factory, tmp_path):
    with pytest.raises(CellError, match="nothing cannot be rewritten"):
        run(factory, "ordered", Rewriting("train", "nothing", "in float64"), tmp_path)


def test_a_transformation_gets_other_arguments_where_its_line_calls_it(factory, tmp_path):
    lines = FILE.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "data.map" in line)
    place = f"{_shown()}:{number} in pipeline"
    for name in ("deterministic=True", "without num_parallel_calls"):
        rewriting = Rewriting("pipeline", "map/ParallelMapDataset", name, place)
        _, leaves = run(factory, "ordered", rewriting, tmp_path)
        assert [int(leaf.array) for leaf in leaves] == list(range(1, 9))
    seeded = Rewriting("pipeline", "map/X", "a seed for this transformation", place)
    with pytest.raises(CellError, match="map has no seed"):
        run(factory, "ordered", seeded, tmp_path)
