"""Who is to blame, in recordings made by hand."""

from __future__ import annotations

import msgspec
import pytest

from detcost.errors import UsageError
from detcost.evidence import recording
from detcost.evidence.recording import Frame, Graph, Operation, Pass
from detcost.locating import origins
from factories import recorded


class Sketch:
    """A graph whose columns have names, and its frames."""

    def __init__(self, name, kind="function", arguments="", returns="", compiled=False):
        self.name, self.kind, self.compiled = name, kind, compiled
        self.columns: dict[str, int] = {}
        self.operations: list[Operation] = []
        self.arguments, self.returns = arguments.split(), returns.split()
        for argument in self.arguments:
            self.op("Argument", gives=argument)

    def op(self, kind, reads="", gives="", after="", name="", place="model.py:1 in step", **more):
        names = [each.name for each in self.operations]
        self.operations.append(
            Operation(
                name or gives or kind,
                kind,
                self._of(reads),
                self._of(gives),
                tuple(names.index(each) for each in after.split()),
                place=(place,) if place else (),
                **more,
            )
        )
        return self

    def _of(self, names):
        return tuple(self.columns.setdefault(each, len(self.columns)) for each in names.split())

    def graph(self):
        return Graph(
            self.name,
            self.kind,
            len(self.columns),
            tuple(self.operations),
            self._of(" ".join(self.arguments)),
            self._of(" ".join(self.returns)),
            self.compiled,
        )

    def frame(self, call, values):
        """Return a frame, whose columns have numbers, in their order."""
        digests = [int(each) for each in values.split()]
        assert len(digests) == len(self.columns)
        return self.name, call, b"".join(each.to_bytes(8, "little") for each in digests)


def run(sketches, frames, outputs, **changes):
    graphs = [sketch.graph() for sketch in sketches]
    index = {graph.name: number for number, graph in enumerate(graphs)}
    found = [Frame(index[name], call, data) for name, call, data in frames]
    return recorded(graphs, found, outputs.split(), **changes)


def named(*recordings):
    return [(each.kind, each.name) for each in origins.find(recordings).culprits]


def line(name, values="x y", kind="Square", **more):
    """A line of eager code with one operation, which takes the first column."""
    taken, given = values.split()
    sketch = Sketch(name, "eager", returns=given)
    return sketch.op("Argument", gives=taken).op(kind, taken, given, name=name, **more)


CHAIN = Sketch("step", arguments="x", returns="z").op("Sum", "x", "y").op("Tanh", "y", "z")


def chain(*frames, outputs):
    return run([CHAIN], [CHAIN.frame(call, values) for call, values in frames], outputs)


def test_what_differs_for_equal_inputs_is_blamed_and_what_follows_is_a_consequence():
    [culprit] = origins.find(
        [
            chain((1, "1 2 3"), (2, "1 2 3"), outputs="a a"),
            chain((1, "1 2 3"), (2, "1 5 6"), outputs="a b"),
        ]
    ).culprits
    assert (culprit.kind, culprit.name, culprit.call, culprit.iteration) == ("operation", "y", 2, 1)
    assert (culprit.rate.divergent, culprit.rate.trials) == (1, 3)
    assert [hop.type for hop in culprit.path] == ["Sum", "Tanh"]
    assert culprit.consequences == 1


def test_a_difference_within_one_run_counts_although_calls_agree_elsewhere():
    assert named(
        chain((1, "1 2 3"), (2, "1 5 6"), (3, "1 2 3"), outputs="a b a"),
        chain((1, "1 2 3"), (2, "1 2 3"), (3, "1 2 3"), outputs="a a a"),
    ) == [("operation", "y")]


def test_equal_outputs_have_no_culprit_whatever_differs_before_them():
    found = origins.find(
        [chain((1, "1 2 3"), outputs="a"), chain((1, "1 5 3"), outputs="a")],
    )
    assert found == origins.Origins()


def test_state_that_every_run_carries_alike_is_no_difference():
    moving = chain((1, "1 2 3"), (2, "2 3 4"), outputs="a b")
    assert named(moving, moving) == []


def test_a_random_operation_is_compared_with_the_same_call_only():
    sketch = Sketch("step", returns="y").op("RandomNormal", "", "y", stateful=True)
    runs = [
        run([sketch], [sketch.frame(n, str(v)) for n, v in enumerate(draws, 1)], outputs)
        for draws, outputs in (((1, 2, 3), "a b c"), ((1, 2, 9), "a b d"))
    ]
    [culprit] = origins.find(runs).culprits
    assert (culprit.name, culprit.call, culprit.rate.divergent, culprit.rate.trials) == (
        "y",
        3,
        1,
        3,
    )


def test_draws_in_another_order_of_threads_are_the_same_draws():
    """What differs is the sum: a loop's turns may end in any order."""
    body = Sketch("body", returns="y").op("RandomNormal", "", "y", stateful=True)
    total = line("total", kind="Sum")
    runs = [
        run(
            [body, total],
            [*(body.frame(1, draw) for draw in draws.split()), total.frame(1, values)],
            output,
        )
        for draws, values, output in (("1 2 3", "7 8", "a"), ("2 1 3", "7 9", "b"))
    ]
    assert named(*runs) == [("operation", "total")]


def test_an_operation_whose_difference_goes_nowhere_is_not_blamed_for_another_one():
    sketch = Sketch("step", arguments="x", returns="z")
    sketch.op("Unused", "x", "u").op("Sum", "x", "y").op("Sign", "u", "s").op("Mul", "y s", "z")
    runs = [
        run([sketch], [sketch.frame(1, values)], output)
        for values, output in (("1 20 30 4 50", "a"), ("1 21 31 4 51", "b"))
    ]
    assert named(*runs) == [("operation", "y")]


def test_two_independent_origins_are_both_named_the_earlier_first():
    """The second has a conflict of its own, in a call in which its input is equal."""
    assert named(
        chain((1, "1 2 3"), (2, "1 2 3"), outputs="a a"),
        chain((1, "1 5 6"), (2, "1 2 4"), outputs="b c"),
    ) == [("operation", "y"), ("operation", "z")]


def loop(item, given, output):
    """A body that sets an item of a list, and stacks the list."""
    body = Sketch("body", arguments="i", returns="s")
    body.op("Argument", name="list", outputs=("variant[]",)).op("Tanh", "i", "t")
    body.op("TensorListSetItem", "t", name="set", after="list", outputs=("variant[]",))
    body.op("TensorListStack", "", "s", after="set")
    return run([body], [body.frame(1, values) for values in (f"1 {given} {item}",)], output)


def test_a_list_is_not_to_blame_for_an_item_that_differs():
    one, other = (loop(*values) for values in ((3, 9, "a"), (4, 8, "b")))
    assert named(one, other) == [("operation", "t")]


def test_a_list_whose_items_are_equal_is_to_blame_itself():
    body = Sketch("step", arguments="i", returns="s")
    body.op("TensorListSetItem", "i", name="set", outputs=("variant[]",))
    body.op("TensorListStack", "", "s", after="set")
    runs = [run([body], [body.frame(1, v)], o) for v, o in (("1 2", "a"), ("1 3", "b"))]
    assert named(*runs) == [("operation", "s")]


def calling(inner, values, output, compiled=False):
    """A line that runs a graph in which a difference begins, or may begin."""
    graph = Sketch("f", arguments="x", returns="y", compiled=compiled)
    if not compiled:
        graph.op("MatMul", "x", "y")
    call = line("call", kind="PartitionedCall", calls=("f",), stateful=True)
    frames = [graph.frame(1, inner)] if inner else []
    return run([graph, call], [*frames, call.frame(1, values)], output)


def test_a_call_is_not_to_blame_for_an_operation_that_it_runs():
    one, other = calling("1 2", "1 2", "a"), calling("1 3", "1 3", "b")
    [culprit] = origins.find([one, other]).culprits
    assert (culprit.graph, culprit.type) == ("f", "MatMul")
    assert [hop.type for hop in culprit.path] == ["MatMul", "PartitionedCall"]


def test_a_compiled_function_is_to_blame_as_a_whole():
    one, other = (calling("", v, o, True) for v, o in (("1 2", "a"), ("1 3", "b")))
    assert named(one, other) == [("function", "call")]


@pytest.mark.parametrize("swapped", [False, True])
def test_a_function_compiled_in_one_run_only_is_to_blame_as_a_whole(swapped):
    """As in scope ``execution``: nothing inside of it can be compared."""
    graph = calling("1 2", "1 2", "a")
    compiled = Sketch("f", compiled=True)
    call = line("call", kind="PartitionedCall", calls=("f",), stateful=True)
    xla = run([compiled, call], [call.frame(1, "1 3")], "b")
    runs = (xla, graph) if swapped else (graph, xla)
    assert named(*runs) == [("function", "call")]


def python_line(name, number, **more):
    sketch = Sketch(name, "eager", returns="y")
    place = f"model.py:{number} in step"
    return sketch.op("Python", "", "x", place=place).op("Cast", "x", "y", place=place, **more)


def test_values_of_python_are_named_by_their_lines_the_first_in_time_first():
    first, second = python_line("one", 4), python_line("two", 9)
    runs = [
        run([first, second], [first.frame(1, v), second.frame(1, v)], o)
        for v, o in (("1 2", "a"), ("3 4", "b"))
    ]
    found = origins.find(runs).culprits
    assert [(c.kind, c.place[0]) for c in found] == [
        ("python", "model.py:4 in step"),
        ("python", "model.py:9 in step"),
    ]


def test_batches_that_differ_from_call_to_call_alike_in_all_runs_are_no_difference():
    batch, total = python_line("batch", 4), line("total", "y z")
    runs = [
        run(
            [batch, total],
            [f for n in (1, 2) for f in (batch.frame(n, f"{n} 1{n}"), total.frame(n, f"1{n} {z}"))],
            outputs,
        )
        for z, outputs in ((7, "a b"), (8, "c d"))
    ]
    assert named(*runs) == [("operation", "total")]


def read(values="x"):
    return Sketch("read", "eager").op("Argument", gives=values).op("Read", values)


def test_what_python_makes_of_what_it_read_is_a_consequence():
    draw = line("draw", kind="Sum")
    look, made = read(), python_line("made", 7)
    runs = [
        run([draw, look, made], [draw.frame(1, f"1 {y}"), look.frame(1, y), made.frame(1, v)], o)
        for y, v, o in (("2", "5 6", "a"), ("3", "7 8", "b"))
    ]
    found = origins.find(runs)
    assert [each.name for each in found.culprits] == ["draw"]
    assert "model.py:7" in found.unmatched[0]


def test_what_python_makes_without_reading_anything_is_an_origin_beside_an_operation():
    draw, made = line("draw", kind="Sum"), python_line("made", 7)
    both = Sketch("both", "eager").op("Argument", gives="a").op("Argument", gives="b")
    both.op("Add", "a b", "c", name="both")
    runs = [
        run(
            [draw, made, both],
            [draw.frame(1, f"1 {y}"), made.frame(1, v), both.frame(1, f"{y} {v[2]} {c}")],
            o,
        )
        for y, v, c, o in (("2", "5 6", 1, "a"), ("3", "7 8", 2, "b"))
    ]
    assert [kind for kind, _ in named(*runs)] == ["operation", "python"]


def test_a_line_that_ran_in_one_run_only_is_the_finding_if_nothing_else_differs():
    always, sometimes = line("always"), line("sometimes", place="model.py:6 in step")
    one = run([always], [always.frame(1, "1 2")], "a")
    other = run([always, sometimes], [always.frame(1, "1 2"), sometimes.frame(1, "2 3")], "b")
    for pair in ((one, other), (other, one)):
        [culprit] = origins.find(pair).culprits
        assert culprit.kind == "decision"
        assert culprit.place == ("model.py:6 in step",)


def test_a_line_that_runs_because_of_what_python_read_is_a_consequence():
    race, read = line("race", kind="Sum"), Sketch("read", "eager").op("Argument", gives="a")
    read.op("Read", "a", name="Read")
    sometimes, end = line("sometimes"), line("end")
    output = Sketch("output", "eager").op("Argument", gives="a").op("Output", "a", name="Output")
    sketches = [race, read, sometimes, end, output]

    def call(number, value, branch, last):
        taken = [sometimes.frame(number, "8 9")] if branch else []
        return [
            *(race.frame(number, f"1 {value}"), read.frame(number, f"{value}"), *taken),
            *(end.frame(number, f"{9 if branch else 8} {last}"), output.frame(number, f"{last}")),
        ]

    one = run(sketches, [*call(1, 2, False, 5), *call(2, 2, False, 5)], "a a")
    other = run(sketches, [*call(1, 2, False, 5), *call(2, 3, True, 6)], "a b")
    assert named(one, other) == [("operation", "race")]
    assert named(other, one) == [("operation", "race")]


def test_what_differs_in_a_branch_of_python_is_not_to_blame_if_its_values_go_nowhere():
    draw, clock, zero = python_line("draw", 7), line("clock", kind="Timestamp"), line("zero")
    use = Sketch("use", "eager").op("Argument", gives="a").op("Argument", gives="b")
    use.op("Add", "a b", "c", name="use")
    end = line("end")
    output = Sketch("output", "eager").op("Argument", gives="a").op("Output", "a", name="Output")
    sketches = [draw, clock, zero, use, end, output]

    def call(number, value, time, last):
        drawn, used = f"{value}0", f"{value}1"
        branch = [
            *(clock.frame(number, f"20 {time}"), zero.frame(number, f"{time} 99")),
            use.frame(number, f"{drawn} 99 {used}"),
        ]
        return [
            *(draw.frame(number, f"{value} {drawn}"), *(branch if time else [])),
            *(end.frame(number, f"{used if time else drawn} {last}"),),
            output.frame(number, f"{last}"),
        ]

    one = run(sketches, [*call(1, 2, 501, 5), *call(2, 2, 0, 6)], "a b")
    other = run(sketches, [*call(1, 3, 502, 7), *call(2, 4, 503, 8)], "c d")
    assert [kind for kind, _ in named(one, other)] == ["python"]


def test_a_loop_that_ran_longer_is_a_consequence_of_what_made_its_condition_differ():
    cond = Sketch("cond", arguments="i", returns="go").op("Flaky", "i", "go")
    body = Sketch("body", arguments="i", returns="j").op("Add", "i", "j")
    loops = line("loop", kind="While", calls=("cond", "body"), stateful=True)
    short = [cond.frame(1, "1 1"), body.frame(1, "1 2"), cond.frame(1, "2 0")]
    longer = [*short[:2], cond.frame(1, "2 1"), body.frame(1, "2 3"), cond.frame(1, "3 0")]
    runs = [
        run([cond, body, loops], [*frames, loops.frame(1, f"1 {end}")], o)
        for frames, end, o in ((short, 2, "a"), (longer, 3, "b"))
    ]
    assert named(*runs) == [("operation", "go")]


def test_a_pipelines_transformation_is_to_blame_for_what_it_makes_of_equal_elements():
    sketch = Sketch("pipeline at model.py:3", "pipeline", returns="mapped")
    sketch._of("slices mapped told_slices told_map")
    sketch.op("TensorSliceDataset", "told_slices", "slices", stateful=True)
    sketch.op("ParallelMapDataset", "slices told_map", "mapped", stateful=True)
    taken = line("next", kind="IteratorGetNext", stateful=True, calls=(sketch.name,))
    runs = []
    for elements, given, output in (((4, 5), 6, "a"), ((5, 4), 7, "b")):
        data = b"".join(each.to_bytes(8, "little") for each in elements)
        passes = (Pass(0, 0, 1, 0, bytes(8), True), Pass(0, 1, 1, 0, data, True))
        frames = [taken.frame(1, f"5 {given}")]
        runs.append(run([sketch, taken], frames, output, passes=passes))
    assert named(*runs) == [("transformation", "mapped")]


def test_eager_lines_stand_for_the_operations_of_a_graph_by_their_place():
    """As between eager and graph execution."""
    graph = Sketch("step", arguments="x", returns="z")
    graph.op("Sum", "x", "y", place="model.py:4 in step").op(
        "Tanh", "y", "z", place="model.py:5 in step"
    )
    first = line("model.py:4 Sum", kind="Sum", place="model.py:4 in step")
    second = line("model.py:5 Tanh", kind="Tanh", place="model.py:5 in step")
    compiled = run([graph], [graph.frame(1, "1 2 9")], "a")
    eager = run([first, second], [first.frame(1, "1 3"), second.frame(1, "3 8")], "b")
    for pair in ((compiled, eager), (eager, compiled)):
        [culprit] = origins.find(pair).culprits
        assert (culprit.type, culprit.place) == ("Sum", ("model.py:4 in step",))


def test_an_operation_without_a_counterpart_is_said_and_the_others_are_compared():
    """As between two versions of TensorFlow."""
    old = Sketch("step", arguments="x", returns="z").op("Sum", "x", "y").op("Tanh", "y", "z")
    new = Sketch("step", arguments="x", returns="z").op("Sum", "x", "y")
    new.op("Check", "y", "c", place="").op("Tanh", "y", "z")
    one = run([old], [old.frame(1, "1 2 3")], "a")
    other = run([new], [new.frame(1, "1 5 7 8")], "b")
    assert named(one, other) == [("operation", "y")]
    assert named(other, one) == [("operation", "y")]
    assert "Check" in origins.find([other, one]).unmatched[0]


def test_runs_of_unequal_length_are_compared_over_the_calls_of_both():
    one = chain((1, "1 2 3"), (2, "1 9 9"), outputs="a b")
    other = chain((1, "1 4 5"), outputs="c")
    found = origins.find([one, other])
    assert [(each.name, each.call) for each in found.culprits] == [("y", 1)]
    assert "the first 1 are compared" in found.unmatched[-1]


def test_graphs_of_one_name_are_told_apart_by_their_order():
    twins = [line("same"), line("same", kind="Tanh")]
    graphs = [sketch.graph() for sketch in twins]

    def of(values, output):
        frames = [Frame(n, 1, twins[n].frame(1, v)[2]) for n, v in enumerate(values)]
        return recorded(graphs, frames, [output])

    [culprit] = origins.find([of(["1 2", "2 3"], "a"), of(["1 2", "2 4"], "b")]).culprits
    assert culprit.type == "Tanh"


def test_one_recording_is_refused():
    with pytest.raises(UsageError, match="record a second run"):
        origins.find([chain((1, "1 2 3"), outputs="a")])


@pytest.mark.parametrize(
    "change",
    [
        {"columns": -1},
        {"columns": 1 << 60},
        {"arguments": (1 << 40,)},
        {"returns": (99,)},
    ],
)
def test_a_recording_that_contradicts_itself_is_refused_when_it_is_read(tmp_path, change):
    broken = msgspec.structs.replace(CHAIN.graph(), **change)
    path = tmp_path / "mine.recording"
    recording.write(recorded([broken], [], ["a"]), path)
    with pytest.raises(UsageError, match="damaged"):
        recording.read(path)


@pytest.mark.parametrize("call", [-1, 1 << 60])
def test_a_call_that_no_run_can_have_is_refused_when_it_is_read(tmp_path, call):
    path = tmp_path / "mine.recording"
    data = CHAIN.frame(1, "1 2 3")[2]
    recording.write(recorded([CHAIN.graph()], [Frame(0, call, data)], ["a"]), path)
    with pytest.raises(UsageError, match="damaged"):
        recording.read(path)


def test_operations_that_come_after_each_other_or_call_themselves_end():
    operations = (
        Operation("x", "Argument", gives=(0,)),
        Operation("a", "A", (0,), (1,), (2,), ("step",), True),
        Operation("b", "B", (1,), (), (1, 2), ("step", "step")),
    )
    graph = Graph("step", "function", 2, operations, (0,), (1,))
    frames = [Frame(0, 1, b"\1" + bytes(7) + bytes([n]) + bytes(7)) for n in (1, 2)]
    runs = [recorded([graph], [frame], [o]) for frame, o in zip(frames, "ab", strict=True)]
    assert named(*runs) == [("operation", "a")]


def turns(order, told="1", out="5"):
    """Return a loop whose turns draw from one generator, in an order that threads decide."""
    body = Sketch("body", arguments="i", returns="y")
    body.op("RandomUniform", "i", "d", stateful=True).op("Add", "i d", "y")
    loops = line("loop", kind="While", calls=("body",), stateful=True)
    frames = [body.frame(1, f"{i} {10 * n} {i}{10 * n}") for n, i in enumerate(order, start=1)]
    source = line("source", kind="Sum")
    return run(
        [source, body, loops],
        [source.frame(1, f"9 {told}"), *frames, loops.frame(1, f"{told} {out}")],
        f"output-{out}",
    )


def test_turns_that_draw_in_another_order_are_blamed_on_the_draw():
    assert named(turns("123"), turns("321", out="6")) == [("operation", "d")]


def test_but_not_where_what_runs_them_was_told_something_else():
    assert named(turns("123"), turns("321", told="2", out="6")) == [("operation", "source")]


def test_a_variable_whose_content_is_known_excuses_nothing():
    sketch = Sketch("step", arguments="before", returns="other later")
    sketch._of("before other later p")
    sketch.op("Python", gives="p")
    sketch.op("Argument", name="handle", outputs=("resource",))
    sketch.op("ResourceApply", "p", "other", after="handle", outputs=("float32[]",))
    sketch.op("ResourceScatterAdd", "before", "later", after="handle", outputs=("float32[]",))
    one = run([sketch], [sketch.frame(1, "5 10 6 1"), sketch.frame(2, "5 10 6 1")], "a a")
    other = run([sketch], [sketch.frame(1, "5 20 6 2"), sketch.frame(2, "5 20 7 2")], "b c")
    assert ("operation", "later") in named(one, other)
