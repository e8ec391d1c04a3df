"""How a difference can spread: from operation to operation, graph to graph, and line to line.

Inside a graph, and between a graph and its caller, the program says what feeds what. Between lines
of eager code, and through variables, a value is followed by its digest. What has no digest, such
as a list of tensors or a table, is followed by who hands it to whom. Where that is unknown, a
difference is taken to spread.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from detcost.evidence.recording import Digests
from detcost.locating.deviations import Flags, differing
from detcost.locating.executions import ARGUMENT, OUTPUT, PSEUDO, READ, Executions
from detcost.locating.matching import Matched

_DATASET = re.compile(r"Dataset(V\d+)?$")
_READS_PIPELINE = re.compile(r"^(Iterator|ReduceDataset|DatasetTo|OptionalGet)")
_FIRST_WORD = re.compile(r"^_?[A-Z]+[a-z]*")


class Dataflow:
    """What feeds what, and which columns differ between runs.

    Parameters
    ----------
    program
        The runs, with their operations matched.
    presence
        Whether what ran in a call of one run only differs. Otherwise its values decide: a branch is
        taken because of its condition, and not because of what is computed in it.

    Attributes
    ----------
    differs
        For each run and column, whether it differs from the first run, shape (runs, columns).
    unknown
        The columns that could not be compared.
    """

    def __init__(self, program: Matched, presence: bool = False):
        self.program = program
        self.differs: Flags = np.zeros((program.runs, program.columns), bool)
        self.unknown: Flags = np.ones(program.columns, bool)
        self._executions: dict[int, int] = {}
        for number, each in enumerate(program.executions):
            self.unknown[each.columns] = False
            self._executions.update(dict.fromkeys(each.operations, number))
            for run in range(1, program.runs):
                self.differs[run, each.columns] |= differing(each, run, presence)
        self._differs_at_all: Flags = self.differs.any(axis=0) | self.unknown
        self._readers: dict[int, list[int]] = defaultdict(list)
        self._consumers: dict[int, list[int]] = defaultdict(list)
        self._families: dict[str, list[int]] = defaultdict(list)
        self._pipeline_readers: list[int] = []
        for operation in range(len(program.operations)):
            self._note(operation)
        self._values = _Values(self)
        self.from_python: list[int] = []  # what Python may have made of what it read

    def _note(self, operation: int) -> None:
        described = self.program.operations[operation]
        for column in self.program.reads[operation]:
            self._readers[column].append(operation)
        for other in self.program.after[operation]:
            self._consumers[other].append(operation)
        if described.type not in PSEUDO and described.after:
            self._families[_family(described.type)].append(operation)
        if _READS_PIPELINE.match(described.type):
            self._pipeline_readers.append(operation)

    def executions(self, operation: int) -> Executions | None:
        """Return the executions of an operation, if they can be compared."""
        number = self._executions.get(operation)
        return None if number is None else self.program.executions[number]

    def kind(self, operation: int) -> str:
        """Return the kind of an operation's graph."""
        return self.program.graphs[self.program.graph_of[operation]].kind

    def changes(self, operation: int) -> bool:
        """Return whether what an operation gives differs between runs, or may differ."""
        return bool(self._differs_at_all[list(self.program.gives[operation])].any())

    def is_opaque(self, operation: int) -> bool:
        """Return whether an operation gives something that has no digest."""
        described = self.program.operations[operation]
        return bool(self._consumers.get(operation)) or any(
            output.startswith(("variant", "resource")) for output in described.outputs
        )

    def readers(self, column: int) -> list[int]:
        """Return the operations of a graph that read a column."""
        return self._readers.get(column, [])

    def differing_columns(self, columns: Iterable[int]) -> list[int]:
        """Return those that differ between runs, or may differ."""
        return [column for column in columns if self._differs_at_all[column]]

    def after(self, node: int) -> Iterator[int]:
        """Give where a difference goes next from an operation, or from a value of ``_Values``."""
        if node >= len(self.program.operations):
            yield from self._values.readers(node)
            return
        program = self.program
        yield from self.handed_on(node, self.differing_columns(program.gives[node]))
        if not program.gives[node]:  # such as what writes a variable
            for column in self.differing_columns(program.reads[node]):
                yield from self._values.of(column)
        yield from self._unseen(node)
        yield from self._into_calls(node)
        if program.operations[node].type == READ:
            yield from self.from_python

    def handed_on(self, operation: int, columns: Iterable[int]) -> Iterator[int]:
        """Give where some columns go that an operation gives."""
        graph = self.program.graph_of[operation]
        for column in columns:
            yield from self.readers(column)
            yield from self._values.of(column)
            if column in self.program.returns[graph]:
                yield from self.program.callers.get(graph, ())

    def _unseen(self, node: int) -> Iterator[int]:
        """Give where something without a digest goes."""
        described, graph = self.program.operations[node], self.program.graph_of[node]
        yield from self._consumers.get(node, ())
        if self.is_opaque(node):
            yield from self.program.callers.get(graph, ())
        if described.stateful and described.after:
            yield from self._families[_family(described.type)]
        if _DATASET.search(described.type) or self.kind(node) == "pipeline":
            yield from self._pipeline_readers

    def _into_calls(self, node: int) -> Iterator[int]:
        """Give the arguments of the graphs that an operation runs."""
        for graph in self.program.calls[node]:
            for inner in self.program.inside(graph):
                if self.program.operations[inner].type == ARGUMENT and (
                    not self.program.gives[inner] or self.changes(inner)
                ):
                    yield inner

    def calls(self, operation: int) -> set[int]:
        """Return the graphs that an operation runs, also those that it waits for.

        What reads a pipeline's elements waits for all pipelines and for their functions.
        """
        found = self.program.called_by(operation)
        if operation in self._pipeline_readers and self.kind(operation) != "pipeline":
            for other in self._datasets():
                found |= self.program.called_by(other)
                if self.kind(other) == "pipeline":
                    found.add(self.program.graph_of[other])
        return found

    def _datasets(self) -> Iterator[int]:
        for other, described in enumerate(self.program.operations):
            if self.kind(other) == "pipeline" or _DATASET.search(described.type):
                yield other

    def unseen_inputs(self, operation: int) -> dict[int, tuple[int, ...]]:
        """Return what an operation depends on through what has no digest.

        Returns
        -------
        dict
            For each operation, the columns that have to be equal.
        """
        program = self.program
        found: dict[int, tuple[int, ...]] = {}
        waiting = list(program.after[operation])
        if _READS_PIPELINE.match(program.operations[operation].type):
            for other in self._datasets():
                found[other] = program.reads[other]
        if program.operations[operation].stateful and not program.calls[operation]:
            waiting_for = self._relatives(operation)
            found.update({other: program.reads[other] for other in waiting_for})
        while waiting:
            other = waiting.pop()
            if other in found or other == operation:
                continue
            found[other] = program.reads[other] + program.gives[other]
            waiting += program.after[other]
            waiting += [i for g in program.calls[other] for i in self._opaque_in(g)]
            if program.operations[other].type == ARGUMENT:
                found[other] = ()
                waiting += self._handed_in(other, operation, found)
        return found

    def _handed_in(
        self, argument: int, operation: int, found: dict[int, tuple[int, ...]]
    ) -> Iterator[int]:
        """Give what a graph's callers, or earlier rounds of a loop, hand it without a digest."""
        callers = self.program.callers.get(self.program.graph_of[argument], [])
        if not callers:
            for other in self._relatives(operation):
                found.setdefault(other, self.program.reads[other])
        for caller in callers:
            found.setdefault(caller, self.program.reads[caller])
            yield from self.program.after[caller]
            if self.program.operations[caller].type.endswith("While"):
                for graph in self.program.calls[caller]:
                    yield from self._opaque_in(graph)

    def _relatives(self, operation: int) -> list[int]:
        """Return the operations on the same kind of resource: their types begin with one word."""
        described = self.program.operations[operation]
        if not described.after:
            return []
        family = self._families[_family(described.type)]
        return [other for other in family if other != operation]

    def _opaque_in(self, graph: int) -> list[int]:
        return [each for each in self.program.inside(graph) if self.is_opaque(each)]

    def is_visible(self, operation: int) -> bool:
        """Return whether Python, or the step's caller, can see what an operation gives."""
        graph = self.program.graph_of[operation]
        if self.kind(operation) == "eager":
            return True
        is_outermost = self.kind(operation) == "function" and not self.program.callers.get(graph)
        gives = self.program.gives[operation]
        return is_outermost and not self.program.returns[graph].isdisjoint(gives)

    def outputs(self) -> list[int]:
        """Return what takes the step's outputs. Empty if the recordings do not tell."""
        return [n for n, each in enumerate(self.program.operations) if each.type == OUTPUT]


class _Values:
    """Values that differ, followed by their digests to where they come in again.

    Each digest is a node after those of the operations.
    """

    def __init__(self, flow: Dataflow):
        self._flow = flow
        self._nodes: dict[int, int] = {}
        self._entering: dict[int, list[int]] = defaultdict(list)
        self._first = len(flow.program.operations)
        self._places: dict[int, tuple[int, int]] = {}
        for number, each in enumerate(flow.program.executions):
            for place, column in enumerate(each.columns.tolist()):
                self._places.setdefault(column, (number, place))
        for column in self._sources():
            for digest in self._changed(column):
                node = self._nodes.setdefault(digest, self._first + len(self._nodes))
                self._entering[node].append(column)

    def _sources(self) -> Iterator[int]:
        """Give the columns that come from elsewhere: arguments, and contents of variables."""
        program = self._flow.program
        made = {
            column
            for operation, gives in enumerate(program.gives)
            if program.operations[operation].type != ARGUMENT and program.reads[operation] != gives
            for column in gives
        }
        read = {column for reads in program.reads for column in reads}
        yield from self._flow.differing_columns(sorted(read - made))

    def _changed(self, column: int) -> list[int]:
        """Return the digests that a column has in one run only, or all of them."""
        if column not in self._places:
            return []
        number, place = self._places[column]
        executions = self._flow.program.executions[number]
        values: Digests = executions.digests[:, place]
        own = np.unique(values[executions.run == 0])
        others = np.unique(values[executions.run != 0])
        changed = np.setxor1d(own, others, assume_unique=True)
        found: list[int] = (changed if len(changed) else np.union1d(own, others)).tolist()
        return found

    def of(self, column: int) -> Iterator[int]:
        """Give the nodes of the values of a column that come in again."""
        if self._nodes:
            for digest in self._changed(column):
                if digest in self._nodes:
                    yield self._nodes[digest]

    def readers(self, node: int) -> Iterator[int]:
        """Give the operations that read a value where it comes in again."""
        for column in self._entering[node]:
            yield from self._flow.readers(column)


def _family(kind: str) -> str:
    found = _FIRST_WORD.match(kind)
    return found[0] if found else kind
