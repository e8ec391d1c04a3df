"""Real pipelines under the probe: which transformation is the first that differs."""

from __future__ import annotations

import pytest

from detcost.evidence import recording
from detcost.evidence.recording import Recording
from detcost.locating import elements
from detcost.settings.grammar import parse
from detcost.workers.contract import Cell, Watched
from detcost.workers.launch import ForkWorkerFactory

pytestmark = pytest.mark.tensorflow

#: As its author would write it. The comments say what is true of each line.
PROGRAM = """
import os
import random
import time

import numpy as np
import tensorflow as tf

import detcost

WAIT = random.SystemRandom()
RACING = {"num_parallel_calls": 4, "deterministic": False}


def waited(x):
    time.sleep(0.004 * WAIT.random())
    return x


def slow(x):
    return tf.ensure_shape(tf.numpy_function(waited, [x], tf.int64), [])


def numbers(n=48):  # so many that two racing runs have not one order by chance
    return tf.data.Dataset.range(n)


def pipelines(folder):
    yield numbers().map(slow, **RACING).map(lambda x: x + 1).batch(3).repeat(2).prefetch(2)  # race

    quiet = numbers().map(lambda x: x * 2)
    racing = numbers().map(slow, **RACING)  # race
    yield tf.data.Dataset.zip((quiet, racing)).map(lambda a, b: a + 100 * b).batch(4)

    racing = numbers().map(slow, **RACING)  # race
    yield numbers(3).concatenate(racing).cache().repeat(2).batch(4)

    options = tf.data.Options()
    options.deterministic = False
    loose = numbers().map(slow, num_parallel_calls=4)  # race by option
    yield loose.batch(3).with_options(options)

    def some(x):
        return numbers().map(slow).take(12)

    yield numbers(6).interleave(some, cycle_length=4, **RACING).batch(3)  # race

    def raced(x):
        return numbers(24).map(slow, **RACING)  # race inside

    yield numbers(3).flat_map(raced)

    racing = numbers().map(slow, **RACING)  # race
    yield racing.window(5).shuffle(3, seed=1).flat_map(lambda w: w.batch(5))

    yield numbers().shuffle(16, seed=3).batch(4).repeat(2)
    yield numbers().shuffle(16).batch(4)  # no seed
    listed = tf.data.Dataset.list_files(f"{folder}/*.txt")  # no seed
    yield listed.interleave(tf.data.TextLineDataset)

    signature = tf.TensorSpec([], tf.string)
    drawn = lambda: (os.urandom(4) for _ in range(9))
    drawn = tf.data.Dataset.from_generator(drawn, output_signature=signature)  # Python
    yield drawn.map(tf.strings.length).batch(3)
    yield drawn.batch(3)

    values = np.random.default_rng().random(9)
    yield tf.data.Dataset.from_tensor_slices(values).shuffle(9, seed=1).batch(2)
    yield numbers().shuffle(16, seed=WAIT.randrange(999)).batch(4)

    strange = numbers().map(lambda x: (tf.RaggedTensor.from_tensor([[x]]), None, {"a": str(x)}))
    yield strange.map(lambda r, n, d: (tf.sparse.from_dense([1, 0]), d, r)).prefetch(1)
    yield tf.data.Dataset.range(60).map(slow, **RACING).map(refuses)  # race


def refuses(x):
    tf.debugging.assert_less(x, tf.constant(58, tf.int64))
    return x


@detcost.scenario
def program(bench):
    made = list(pipelines(os.path.dirname(__file__)))
    endless = iter(numbers().shuffle(16, seed=1).repeat().batch(4).prefetch(8))

    @tf.function
    def total():
        result = tf.constant(0, tf.int64)
        for x in numbers(4).map(lambda x: x + 1):
            result += x
        return result

    def step():
        for each in made:
            try:
                list(each)
            except tf.errors.InvalidArgumentError:
                pass
        return total(), next(endless)

    return step
"""


@pytest.fixture(scope="module")
def runs(factory: ForkWorkerFactory, tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """Return recordings of two processes."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.py").write_text(PROGRAM)
    for number in range(9):
        (folder / f"{number}.txt").write_text(f"{number}\n")
    recorded = []
    for number in range(2):
        cell = Cell(f"{folder}/program.py:program", parse("unseeded"), "CPU:0", size="small")
        worker = factory.start(cell)
        worker.record(f"{folder}/{number}", 1, Watched())
        worker.close()
        recorded.append(recording.read(folder / str(number)))
    return recorded


def blamed(runs: list[Recording]) -> dict[str, set[str]]:
    """Return the lines of transformations with equal inputs and other elements, and their types.

    A transformation that runs another one of these in its function is not to blame itself.
    """
    aligned = elements.aligned(runs)
    found = []
    for graph in (graph for graph in aligned[0].graphs if graph.kind == "pipeline"):
        frames = [
            [
                frame.columns()
                for frame in each.frames
                if each.graphs[frame.graph].name == graph.name
            ]
            for each in aligned
        ]
        for operation in graph.operations:
            for one, other in zip(*frames, strict=True):
                reads, gives = list(operation.reads), list(operation.gives)
                if (one[reads] == other[reads]).all() and (one[gives] != other[gives]).any():
                    found.append((graph.name, operation))
    graphs = {name for name, operation in found if operation.type != "Argument"}
    lines: dict[str, set[str]] = {}
    for _, operation in found:
        if operation.type != "Argument" and not graphs & set(operation.calls):
            place = operation.place[0].partition(":")[2].partition(" ")[0]
            lines.setdefault(place, set()).add(operation.type)
    return lines


def lines_with(comment: str) -> list[str]:
    numbered = enumerate(PROGRAM.splitlines(), start=1)
    return [str(number) for number, line in numbered if line.endswith(f"# {comment}")]


def test_what_races_is_blamed_and_nothing_that_passes_it_on(runs):
    lines = blamed(runs)
    for comment, kinds in {
        "race": {"ParallelMapDataset", "ParallelInterleaveDataset"},
        "race by option": {"ParallelMapDataset"},
        "race inside": {"ParallelMapDataset"},
        "no seed": {"ShuffleDataset"},
        "Python": {"Python"},
    }.items():
        for line in lines_with(comment):
            types = lines.pop(line, set())
            assert types, f"line {line} is not blamed"
            assert types <= kinds
    assert lines == {}


def test_a_race_is_the_same_elements_in_another_order_and_has_its_reason(runs):
    operations = {
        operation.place[0].partition(":")[2].partition(" ")[0]: (graph.name, operation)
        for graph in runs[0].graphs
        if graph.kind == "pipeline"
        for operation in graph.operations
        if operation.type == "ParallelMapDataset"
    }
    graph, operation = operations[lines_with("race by option")[0]]
    assert elements.how(runs, graph, operation.name).startswith("the same elements in another")
    assert operation.note.startswith("options.deterministic=False at program.py:")
    assert operations[lines_with("race inside")[0]][1].note == "deterministic=False"


def test_an_endless_pipeline_and_one_in_a_function_have_passes(runs):
    graphs = [graph for graph in runs[0].graphs if graph.kind == "pipeline"]
    assert any(graph.name.endswith("in total") for graph in graphs)
    assert any(operation.type == "RepeatDataset" for g in graphs for operation in g.operations)
