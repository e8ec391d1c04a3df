"""The probe in real programs: what it digests, and that the program gives the same bits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from detcost.evidence import recording
from detcost.evidence.recording import Frame, Graph, Operation, Recording
from detcost.settings.grammar import DEFAULT, parse
from detcost.workers.contract import Cell, Watched
from detcost.workers.launch import ForkWorkerFactory
from paths import PROGRAMS

pytestmark = pytest.mark.tensorflow
CALLS = 2


@pytest.fixture(scope="module")
def record(factory: ForkWorkerFactory, tmp_path_factory):
    """Record a program of ``watched.py``, once for each set of watched operations."""
    known: dict[tuple[str, Watched], Recording] = {}

    def record(name: str, watched: Watched | None = None) -> Recording:
        key = name, watched or Watched()
        if key not in known:
            path = tmp_path_factory.mktemp("probe") / f"run{recording.SUFFIX}"
            worker = factory.start(cell(name))
            try:
                worker.record(str(path), CALLS, key[1])
            finally:
                worker.close()
            known[key] = recording.read(Path(path))
        return known[key]

    return record


def cell(name: str) -> Cell:
    setting = parse("xla") if name == "compiled" else DEFAULT
    return Cell(f"{PROGRAMS / 'watched.py'}:{name}", setting, "CPU:0")


def without_probe(factory: ForkWorkerFactory, name: str) -> list[str]:
    worker = factory.start(cell(name))
    try:
        return [worker.build().digest, *worker.repeat(CALLS - 1)]
    finally:
        worker.close()


def operations(recorded: Recording, kind: str) -> list[tuple[Graph, Operation]]:
    return [(g, o) for g in recorded.graphs for o in g.operations if o.type == kind]


def executions(recorded: Recording, graph: Graph, call: int) -> list[Frame]:
    number = recorded.graphs.index(graph)
    return [frame for frame in recorded.frames if (frame.graph, frame.call) == (number, call)]


@pytest.mark.parametrize("name", ["loops", "compiled", "fit", "eager"])
def test_the_program_gives_the_bits_that_it_gives_without_the_probe(factory, record, name):
    assert list(record(name).outputs) == without_probe(factory, name)


@pytest.mark.parametrize(
    ("kind", "times"),
    [("Tanh", 3), ("TanhGrad", 3), ("ResourceScatterAdd", 3), ("Pow", 4), ("Mean", 1)],
)
def test_each_execution_in_a_call_has_a_frame(record, kind, times):
    recorded = record("loops")
    graphs = {graph.name: graph for graph, _ in operations(recorded, kind)}
    assert {len(executions(recorded, graph, 2)) for graph in graphs.values()} == {times}


def test_only_the_branch_taken_has_a_frame(record):
    recorded = record("loops")
    ran = {recorded.graphs[frame.graph].name for frame in recorded.frames}
    assert {"cond_true", "cond_true_grad"} <= ran
    assert not {"cond_false", "cond_false_grad"} & ran


def test_what_a_scatter_takes_is_what_the_turn_before_has_left(record):
    recorded = record("loops")
    [(graph, scatter)] = operations(recorded, "ResourceScatterAdd")
    before, after = scatter.reads[-1], scatter.gives[-1]
    frames = [frame.columns() for call in (1, 2) for frame in executions(recorded, graph, call)]
    assert [f[before] for f in frames[1:]] == [f[after] for f in frames[:-1]]
    assert len({frame[after] for frame in frames}) == len(frames)


def test_an_operation_reads_what_another_gives(record):
    recorded = record("loops")
    [(graph, tanh)] = operations(recorded, "Tanh")
    [product] = [o for o in graph.operations if o.type == "MatMul"]
    assert tanh.reads == product.gives


def test_a_value_of_the_call_is_that_of_the_function(record):
    recorded = record("loops")
    [step] = [graph for graph in recorded.graphs if graph.name == "step"]
    [call] = [graph for graph, o in operations(recorded, "PartitionedCall") if o.calls == ("step",)]
    [inside], [outside] = executions(recorded, step, 2), executions(recorded, call, 2)
    assert inside.columns()[step.returns[0]] == outside.columns()[call.returns[0]]


def test_operations_know_the_users_line_and_gradients_that_of_what_they_differentiate(record):
    source = (PROGRAMS / "watched.py").read_text().splitlines()
    line = 1 + next(n for n, text in enumerate(source) if "tf.tanh(values @ weights)" in text)
    recorded = record("loops")
    for kind in ("Tanh", "TanhGrad", "MatMul"):
        for _, operation in operations(recorded, kind):
            assert any(f"watched.py:{line} in step" in place for place in operation.place)


def test_nothing_inside_of_a_compiled_function_is_watched(record):
    recorded = record("compiled")
    inner = {graph.name for graph in recorded.graphs if graph.compiled}
    assert "inner" in inner
    assert not operations(recorded, "Sin")
    assert [graph.kind for graph, _ in operations(recorded, "Cos")] == ["eager"]
    ran = {recorded.graphs[frame.graph].name for frame in recorded.frames}
    assert not ran & inner


def test_every_batch_of_keras_fit_is_a_frame(record):
    recorded = record("fit")
    graphs = {graph.name: graph for graph, o in operations(recorded, "MatMul")}
    counts = [[len(executions(recorded, g, call)) for call in (1, 2)] for g in graphs.values()]
    assert [count for count in counts if any(count)] == [[2, 2]]


def test_eager_values_of_python_are_told_from_those_of_operations(record):
    recorded = record("eager")
    [(graph, _)] = operations(recorded, "AddV2")
    assert [o.type for o in graph.operations] == ["Python", "Python", "AddV2"]  # rows, noise
    [(product, _)] = [(g, o) for g, o in operations(recorded, "MatMul") if "@" in line_of(g)]
    assert [o.type for o in product.operations[:2]] == ["Argument", "Argument"]
    first, second = (executions(recorded, graph, call)[0].columns() for call in (1, 2))
    assert [a == b for a, b in zip(first[:2], second[:2], strict=True)] == [True, False]


def test_what_python_reads_is_noted_before_what_it_makes_of_it(record):
    recorded = record("looked_at")
    [(read, _)] = operations(recorded, "Read")
    [(largest, own)] = operations(recorded, "Max")
    [(product, _)] = [(g, o) for g, o in operations(recorded, "Mul") if "float" in line_of(g)]
    seen, given = (executions(recorded, graph, 2)[0] for graph in (read, largest))
    assert seen.columns()[0] == given.columns()[own.gives[0]]
    after = executions(recorded, product, 2)[0]
    assert recorded.frames.index(seen) < recorded.frames.index(after)
    assert "Python" in [o.type for o in product.operations]


def test_eager_operations_of_one_line_are_told_apart_by_their_attributes(record):
    recorded = record("looked_at")
    graphs = [graph for graph, _ in operations(recorded, "Sum")]
    assert [len(executions(recorded, graph, 2)) for graph in graphs] == [1, 1]


def line_of(graph: Graph) -> str:
    place = graph.operations[-1].place[0]
    return (
        (PROGRAMS / "watched.py").read_text().splitlines()[int(place.split(":")[1].split()[0]) - 1]
    )


def test_an_unwatched_operation_has_no_digest_and_is_what_others_come_after(record):
    full = record("loops")
    [(graph, tanh)] = operations(full, "Tanh")
    few = record("loops", Watched(frozenset({(graph.name, tanh.name)})))
    [(graph, tanh)] = operations(few, "Tanh")
    assert tanh.reads == ()
    assert [graph.operations[number].type for number in tanh.after] == ["MatMul"]
    digests = Counter(len(frame.digests) for frame in executions(few, graph, 1))
    assert digests == {8: 3}
