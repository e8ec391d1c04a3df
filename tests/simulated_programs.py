"""A tiny TensorFlow: random programs with loops, calls, lists and variables, and their recordings.

Values are numbers, and an operation gives a hash of what it reads. A planted operation is flaky:
it gives something else at some of its executions, in any run. What is true of a program is known
from how it was made, and not from its recording.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from detcost.evidence.recording import Frame, Graph, Operation, Recording
from factories import recorded

Value = object


def hashed(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "little")


@dataclass
class Node:
    """An operation. Values are numbered: first the graph's arguments, then one for each node."""

    type: str
    reads: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    name: str = ""
    stateful: bool = False


@dataclass
class Function:
    name: str
    arguments: list[str]  # "value", "list" or "variable"
    nodes: list[Node]
    returns: list[int]
    compiled: bool = False

    def kind(self, value: int) -> str:
        count = len(self.arguments)
        if value < count:
            return self.arguments[value]
        return "list" if self.nodes[value - count].type in LISTS else "value"


LISTS = ("EmptyList", "SetItem")
#: What a difference cannot pass: it gives one of two values.
COARSE = "Sign"


@dataclass
class Program:
    functions: dict[str, Function]
    main: list[Node]  # eager code; node n gives value n. A Python node is a value from Python
    returns: list[int]
    variables: int = 1


class Run:
    """One process that runs a program."""

    def __init__(self, program: Program, number: int, plants: dict[tuple[str, str], float]):
        self.program = program
        self.plants = plants
        self.chance = random.Random(hashed("run", number))
        self.variables = [hashed("variable", n) for n in range(program.variables)]
        self.drawn: Counter[tuple[str, str]] = Counter()
        self.frames: list[tuple[str, int, list[int]]] = []
        self.eager: list[tuple[str, int, list[int]]] = []
        self.call = 0
        self.flaked: Counter[tuple[str, str]] = Counter()

    def recording(self, calls: int) -> Recording:
        graphs = [described(function) for function in self.program.functions.values()]
        graphs += [
            line for n, node in enumerate(self.program.main) if (line := self._line(n, node))
        ]
        index = {graph.name: number for number, graph in enumerate(graphs)}
        outputs, frames = [], []
        for self.call in range(1, calls + 1):
            outputs.append(f"{self._step():x}")
            for name, call, digests in (*self.frames, *self.eager):
                data = b"".join(each.to_bytes(8, "little") for each in digests)
                frames.append(Frame(index[name], call, data))
            self.frames, self.eager = [], []
        return recorded(graphs, frames, outputs)

    def _step(self) -> int:
        values: list[int] = []
        for number, node in enumerate(self.program.main):
            if node.type == "Python":
                read = [values[each] for each in node.reads]
                self.eager += [(f"read {number}", self.call, read)] if read else []
                made = hashed("batch", number, self.call, *read)
                values.append(self._noisy(("main", node.name), made))
                continue
            taken = [values[each] for each in node.reads]
            if node.calls:
                function = self.program.functions[node.calls[0]]
                spare = [n for n, kind in enumerate(function.arguments) if kind == "variable"]
                arguments = taken + [Handle(self, n % self.program.variables) for n in spare]
                given = self.function(function, arguments)
            else:
                given = [self.operation("main", node, taken)]
            if function_compiled(self.program, node):
                given = [self._noisy(("main", node.name), given[0])]
            values.append(given[0])
            self.eager.append((line_name(number, node), self.call, [*taken, given[0]]))
        return hashed([values[each] for each in self.program.returns])

    def _line(self, number: int, node: Node) -> Graph | None:
        """Return the graph of a line of eager code."""
        if node.type == "Python":
            return reading(number) if node.reads else None
        main = self.program.main
        inputs = [
            Operation(
                f"input {n}",
                "Python" if main[each].type == "Python" else "Argument",
                gives=(n,),
                place=(f"model.py:{number + 1} in step",),
            )
            for n, each in enumerate(node.reads)
        ]
        reads = tuple(range(len(inputs)))
        after: tuple[int, ...] = ()
        if node.calls and "variable" in self.program.functions[node.calls[0]].arguments:
            after = (len(inputs),)
            inputs.append(Operation("resources", "Argument"))
        given = (len(reads),)
        own = Operation(
            node.name,
            node.type,
            reads,
            given,
            after,
            tuple(node.calls),
            bool(node.calls) or node.stateful,
            ("float32[2]",),
            place=(f"model.py:{number + 1} in step",),
        )
        name = line_name(number, node)
        return Graph(name, "eager", len(reads) + 1, (*inputs, own), reads, given)

    def function(self, function: Function, arguments: list[Value]) -> list[int]:
        values = list(arguments)
        contents: list[int] = []
        for node in function.nodes:
            taken = [values[each] for each in node.reads]
            if node.type == "Apply":
                handle = taken[0]
                contents.append(handle.content)
                given = self._noisy(
                    (function.name, node.name), hashed("apply", handle.content, taken[1])
                )
                handle.content = given
            else:
                given = self.operation(function.name, node, taken)
            values.append(given)
        if not function.compiled:
            digests = [each for each in values if isinstance(each, int)]
            self.frames.append((function.name, self.call, [*digests, *contents]))
        return [values[each] for each in function.returns]

    def operation(self, where: str, node: Node, taken: list[Value]) -> Value:
        key = where, node.name
        if node.calls:
            return self._call(node, taken)
        if node.type in LISTS:
            return (*taken[0], taken[1]) if taken else ()
        if node.type == "ReadVariableOp":
            return taken[0].content
        self.drawn[key] += 1
        made = {
            "GetItem": lambda: taken[0][-1],
            "Const": lambda: hashed("const", node.name),
            "Random": lambda: hashed(key, self.drawn[key]),
            COARSE: lambda: int(taken[0]) % 2,
        }.get(node.type, lambda: hashed(node.type, node.name, *taken))
        return self._noisy(key, made())

    def _call(self, node: Node, taken: list[Value]) -> int:
        functions = [self.program.functions[name] for name in node.calls]
        if node.type == "If":
            return self.function(functions[int(taken[0]) % 2], taken)[0]
        if node.type == "PartitionedCall":
            return self.function(functions[0], taken)[0]
        state = list(taken)
        for _ in range(5):
            if self.function(functions[0], state)[0] % 4 == 0:
                break
            state = self.function(functions[1], state)
        return state[1]

    def _noisy(self, key: tuple[str, str], value: int) -> int:
        if self.chance.random() < self.plants.get(key, 0.0):
            self.flaked[key] += 1
            return hashed(value, self.chance.random())
        return value


@dataclass
class Handle:
    """A variable, as functions get it."""

    run: Run
    number: int

    @property
    def content(self) -> int:
        return self.run.variables[self.number]

    @content.setter
    def content(self, value: int) -> None:
        self.run.variables[self.number] = value


def function_compiled(program: Program, node: Node) -> bool:
    return bool(node.calls) and program.functions[node.calls[0]].compiled


def line_name(number: int, node: Node) -> str:
    return f"model.py:{number + 1} {node.type}"


def reading(number: int) -> Graph:
    """Describe that Python reads a value, from which it makes another one."""
    operations = (
        Operation("input 0", "Argument", gives=(0,)),
        Operation("Read", "Read", (0,), place=(f"model.py:{number + 1} in step",)),
    )
    return Graph(f"read {number}", "eager", 1, operations, (0,))


def described(function: Function) -> Graph:
    """Describe a function as the probe does: columns for digested values, then for contents."""
    if function.compiled:
        return Graph(function.name, "function", 0, (), compiled=True)
    count = len(function.arguments)
    kinds = [function.kind(value) for value in range(count + len(function.nodes))]
    digested = [value for value, kind in enumerate(kinds) if kind == "value"]
    column = {value: number for number, value in enumerate(digested)}
    operations = []
    for number, kind in enumerate(function.arguments):
        gives = (column[number],) if number in column else ()
        outputs = {"value": "float32[2]", "list": "variant[]", "variable": "resource[]"}[kind]
        operations.append(Operation(f"x{number}", "Argument", gives=gives, outputs=(outputs,)))
    contents = len(digested)
    known = tuple(column[number] for number in range(count) if number in column)
    for number, node in enumerate(function.nodes):
        reads = [column[each] for each in node.reads if each in column]
        own = number + count
        gives = (column[own],) if own in column else ()
        stateful = node.stateful or bool(node.calls)
        if node.type == "Apply":
            reads.append(contents)
            contents += 1
        if node.type == "ReadVariableOp":
            reads = list(gives)
        if stateful:
            reads = list(dict.fromkeys((*reads, *known)))
        operations.append(
            Operation(
                node.name,
                "Python" if node.type == "Const" else node.type,
                tuple(reads),
                gives,
                tuple(each for each in node.reads if each not in column),
                tuple(node.calls),
                stateful,
                ("variant[]" if kinds[own] == "list" else "float32[2]",),
                place=(f"model.py:{100 + number} in {function.name}",),
            )
        )
    return Graph(
        function.name,
        "function",
        contents,
        tuple(operations),
        tuple(column.get(number, -1) for number in range(count)),
        tuple(column.get(value, -1) for value in function.returns),
    )


class Maker:
    """Makes random programs."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.functions: dict[str, Function] = {}
        self._names: defaultdict[str, int] = defaultdict(int)

    def program(self) -> Program:
        main: list[Node] = [Node("Python", name="batch")]
        for number in range(self.random.randrange(3, 9)):
            kinds = ["Add", "Mul", "call", "call", "Python", "float", "Random", COARSE]
            kind = self.random.choice(kinds)
            reads = self._some(range(number + 1))
            if kind == "call":
                compiled = self.random.random() < 0.2
                name = self.function(len(reads), depth=2, variable=not compiled)
                if compiled:
                    self._compile(name)
                main.append(Node("PartitionedCall", reads, [name], f"call {name}"))
            elif kind == "float":
                made = [each for each in reads if main[each].type != "Python"]
                main.append(Node("Python", made[:1], name=f"float {number}"))
            elif kind == "Random":
                main.append(Node("Random", [], name=f"Random {number}", stateful=True))
            else:
                reads = [] if kind == "Python" else reads
                main.append(Node(kind, reads, name=f"{kind} {number}"))
        last = len(main)
        main.append(Node("Add", self._some(range(last)), name=f"Add {last}"))
        made = [number for number, node in enumerate(main) if node.type != "Python"]
        returns = [last, self.random.choice(made)]
        return Program(self.functions, main, returns, variables=2)

    def function(self, arguments: int, depth: int, variable: bool = False) -> str:
        name = self._named("f")
        kinds = ["value"] * arguments + ["variable"] * variable
        function = Function(name, kinds, [], [])
        usable = list(range(arguments))
        for _ in range(self.random.randrange(2, 9)):
            usable.append(self._node(function, usable, depth))
        if variable and self.random.random() < 0.6:
            handle = arguments
            self._append(function, Node("ReadVariableOp", [handle], stateful=False))
            self._append(function, Node("Apply", [handle, usable[-1]]))
            usable.append(len(kinds) + len(function.nodes) - 2)
        function.returns = [usable[-1]]
        self.functions[name] = function
        return name

    def _compile(self, name: str) -> None:
        """Let XLA compile a function, and all that it calls. It has no state then."""
        self.functions[name].compiled = True
        for node in self.functions[name].nodes:
            node.type = "Const" if node.type == "Random" else node.type
            for called in node.calls:
                self._compile(called)

    def _append(self, function: Function, node: Node) -> int:
        node.name = f"{node.type}_{len(function.nodes)}"
        function.nodes.append(node)
        return len(function.arguments) + len(function.nodes) - 1

    def _node(self, function: Function, usable: list[int], depth: int) -> int:
        kinds = ["MatMul", "Add", "Mul", "Const", "Random", COARSE, "list"]
        kinds += ["While", "If", "call"] if depth else []
        kind, reads = self.random.choice(kinds), self._some(usable)
        if kind in ("Const", "Random"):
            return self._append(function, Node(kind, stateful=kind == "Random"))
        if kind == "list":
            empty = self._append(function, Node("EmptyList"))
            full = self._append(function, Node("SetItem", [empty, reads[0]]))
            return self._append(function, Node("GetItem", [full]))
        if kind == "call":
            called = self.function(len(reads), depth - 1)
            return self._append(function, Node("PartitionedCall", reads, [called]))
        if kind == "If":
            branches = [self.function(len(reads), depth - 1) for _ in range(2)]
            return self._append(function, Node("If", reads, branches))
        if kind == "While":
            return self._while(function, reads, depth)
        return self._append(function, Node(kind, reads[:1] if kind == COARSE else reads))

    def _while(self, function: Function, reads: list[int], depth: int) -> int:
        """Add a loop over a counter, a value and a list."""
        empty = self._append(function, Node("EmptyList"))
        start = self._append(function, Node("Const"))
        body = Function(self._named("body"), ["value", "value", "list"], [], [])
        counter = self._append(body, Node("Add", [0]))
        usable = [1]
        for _ in range(self.random.randrange(1, 4)):
            usable.append(self._node(body, usable, depth - 1))
        full = self._append(body, Node("SetItem", [2, usable[-1]]))
        last = self._append(body, Node("GetItem", [full]))
        mixed = self._append(body, Node("Mul", [last, usable[-1]]))
        body.returns = [counter, mixed, full]
        depends = self.random.random() < 0.3
        cond = Function(self._named("cond"), ["value", "value", "list"], [], [])
        cond.returns = [self._append(cond, Node("Less", [0, 1] if depends else [0]))]
        self.functions[body.name], self.functions[cond.name] = body, cond
        return self._append(
            function, Node("While", [start, reads[0], empty], [cond.name, body.name])
        )

    def _some(self, values) -> list[int]:
        """Choose one to three values, the latest rather than others."""
        values = list(values)
        chosen = {values[-1]} if self.random.random() < 0.7 else set()
        chosen |= set(self.random.choices(values, k=self.random.randrange(1, 3)))
        return sorted(chosen)

    def _named(self, base: str) -> str:
        self._names[base] += 1
        return f"{base}{self._names[base]}"


def places(program: Program) -> list[tuple[str, str]]:
    """Return what can be flaky: the graph and the name of each operation that gives a digest."""
    steady = (*LISTS, "Const", "ReadVariableOp", "While", "If", "PartitionedCall", "GetItem")
    found = [
        (function.name, node.name)
        for function in program.functions.values()
        if not function.compiled
        for node in function.nodes
        if node.type not in steady
    ]
    found += [
        ("main", node.name)
        for node in program.main
        if not node.calls or program.functions[node.calls[0]].compiled
    ]
    return found
