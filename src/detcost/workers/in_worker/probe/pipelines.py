"""The probe in ``tf.data``: the elements that each transformation of a pipeline gives.

A second pass over a pipeline, after the program's own, changes nothing in the program. But it looks
at something else: another pass. A race that differs in one of twenty passes may be quiet in the
pass that looks at the parallel ``map`` and loud in the one that looks at the ``batch`` behind it,
which is then blamed for passing on. A second pass also finds generators at their end, caches full
and random states moved on.

So taps (:mod:`~detcost.workers.in_worker.probe.taps`) stand in the pipelines that the program
itself iterates. In one pass they see what each transformation took and what it made of it. An
iterator's elements are numbered as they pass, so that several iterators of one data set are told
apart, also those that run at once.

What the taps change: TensorFlow does not fuse neighbours such as ``map`` and ``batch``. For each
transformation, an element takes about 30 µs more, and the start of an iterator about 20 ms. The
rate of the program without a probe shows whether it matters.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import tensorflow as tf

from detcost.evidence.recording import Graph, Operation, Pass
from detcost.workers.contract import Watched
from detcost.workers.in_worker.probe import taps
from detcost.workers.in_worker.probe.datasets import (
    MadeDataset,
    described,
    digest_of_arguments,
    number_of,
    replays,
)
from detcost.workers.in_worker.probe.passes import Messages, Passes, passes_of

#: Data sets whose elements a tap cannot take: they are in the memory of a GPU, or read by index.
_WITHOUT_TAP = ("CopyToDevice", "MapOnGpu", "GlobalShuffle")
#: The names of pipelines begin with it.
NAME = "pipeline"
#: What is equal for pipelines that the same lines made in the same way.
Shape = tuple[tuple[Any, ...], ...]


#: Operations that take elements from a pipeline, and name it by a resource only.
_TAKING = ("IteratorGetNext", "OptionalGetValue", "ReduceDataset", "DatasetToSingleElement")


class PipelineProbe:
    """The pipelines made from :meth:`watch` on.

    Parameters
    ----------
    watched
        Which operations get digests. All transformations do if one of them is among these.
    name_of
        Returns the name of the graph that a function of TensorFlow's runs.
    """

    def __init__(self, watched: Watched, name_of: Callable[[str], str]):
        among = watched.operations
        self._watches = among is None or any(graph.startswith(NAME) for graph, _ in among)
        self._name_of = name_of
        self._made: list[MadeDataset] = []
        self._messages: list[tuple[int, Messages]] = []
        self._lock = threading.RLock()
        self._tapping = False

    def watch(self) -> None:
        """Tap every data set that is made from now on."""
        from tensorflow.python.data.ops.dataset_ops import DatasetV2

        if not self._watches:
            return
        taps.prepare()
        make, iterate = DatasetV2.__init__, DatasetV2._apply_debug_options

        def made(dataset: Any, variant_tensor: Any) -> None:
            make(dataset, variant_tensor)
            with self._lock:
                if not self._tapping and _is_own(dataset) and _runs(variant_tensor):
                    self._tapping = True
                    try:
                        self._add(dataset)
                    finally:
                        self._tapping = False

        def iterated(dataset: Any) -> Any:
            self._note_options(dataset)
            return iterate(dataset)

        DatasetV2.__init__, DatasetV2._apply_debug_options = made, iterated

    def drain(self, call: int) -> None:
        """Keep what the taps saw since the last time, as a part of this call of the step."""
        if self._watches and len(messages := taps.drain()):
            self._messages.append((call, messages))

    def record(self, first: int = 0) -> tuple[list[Graph], list[Pass]]:
        """Return the pipelines that gave elements, and the passes over their transformations.

        Parameters
        ----------
        first
            The number of the first pipeline among the graphs of the recording.
        """
        passes = passes_of(self._messages)
        pipelines: dict[Shape, list[tuple[int, ...]]] = {}
        for numbers in self._chains():
            if any(number in passes for number in numbers):
                pipelines.setdefault(self._shape(numbers), []).append(numbers)
        names = _named(shape[-1][0] for shape in pipelines)
        inside = self._inside(pipelines.values(), names)
        graphs: list[Graph] = []
        taken: list[Pass] = []
        for index, (name, alike) in enumerate(zip(names, pipelines.values(), strict=True), first):
            graphs.append(self._graph(name, alike[0], inside))
            taken += _joined(index, alike, passes)
        return graphs, taken

    def unwatched(self) -> list[str]:
        """Return what has no digests, and why, in a sentence each."""
        if sum(len(messages) for _, messages in self._messages) < taps.LIMIT:
            return []
        return [f"elements of pipelines after the first {taps.LIMIT} digests"]

    def _add(self, dataset: Any) -> None:
        """Note a data set, and put a tap after it."""
        number, made = len(self._made), described(dataset)
        self._made.append(made)
        spec, untapped = dataset.element_spec, dataset._variant_tensor
        dataset._detcost_number, dataset._detcost_replays = number, replays(dataset)
        dataset._detcost_untapped = untapped  # others may watch for the end of its life
        untapped._detcost_number = number
        if taps.has_digest(spec, replays(dataset)) and not made.type.startswith(_WITHOUT_TAP):
            tapped = taps.tap(untapped, spec, number, digest_of_arguments(dataset))
            tapped._detcost_number = number
            dataset._variant_tensor_attr = tapped
            made.tapped = True

    def _note_options(self, dataset: Any) -> None:
        """Note of an iterated pipeline that its options let parallel transformations race."""
        number = number_of(dataset)
        if number is None or dataset._options_attr.deterministic is not False:
            return
        ancestors = [self._made[each] for each in self._ancestors(number)]
        options = [each for each in ancestors if each.type == "OptionsDataset"]
        place = next((each.place[0] for each in reversed(options) if each.place), "")
        for made in ancestors:
            if made.may_race:
                made.note = "options.deterministic=False" + (f" at {place}" if place else "")

    def _ancestors(self, number: int) -> list[int]:
        """Return the numbers of a data set and of all that it reads, in the order of making."""
        found, waiting = set(), [number]
        while waiting:
            each = waiting.pop()
            if each not in found:
                found.add(each)
                waiting += self._made[each].inputs
        return sorted(found)

    def _chains(self) -> Iterator[tuple[int, ...]]:
        """Give the data sets of each pipeline, its root last."""
        read = {number for made in self._made for number in made.inputs}
        for number in range(len(self._made)):
            if number not in read:
                yield tuple(self._ancestors(number))

    def _shape(self, numbers: tuple[int, ...]) -> Shape:
        """Return what is equal for pipelines that the same lines made in the same way."""
        index = {number: position for position, number in enumerate(numbers)}
        made = [self._made[number] for number in numbers]
        return tuple(
            (each.place, each.type, each.method, each.outputs, *map(index.get, each.inputs))
            for each in made
        )

    def _inside(
        self, pipelines: Iterable[list[tuple[int, ...]]], names: list[str]
    ) -> list[tuple[str, set[int]]]:
        """Return each pipeline's name, and the graphs of functions in which it is made."""
        return [
            (name, {id(graph) for numbers in alike for graph in self._made[numbers[-1]].made_in})
            for name, alike in zip(names, pipelines, strict=True)
        ]

    def _graph(
        self, name: str, numbers: tuple[int, ...], inside: list[tuple[str, set[int]]]
    ) -> Graph:
        """Describe a pipeline. Columns: the elements of each data set, then the arguments."""
        index = {number: position for position, number in enumerate(numbers)}
        count = len(numbers)
        words = _numbered(
            f"{self._made[number].method}/{self._made[number].type}" for number in numbers
        )
        operations = []
        for position, (number, word) in enumerate(zip(numbers, words, strict=True)):
            made = self._made[number]
            inputs = [index[each] for each in made.inputs]
            tapped = [each for each in inputs if self._made[numbers[each]].tapped]
            runs = {id(graph) for graph in made.runs}
            pipelines = [inner for inner, graphs in inside if graphs & runs]
            operations.append(
                Operation(
                    word,
                    made.type,
                    reads=(*tapped, count + position),
                    gives=(position,) if made.tapped else (),
                    after=tuple(each for each in inputs if each not in tapped),
                    calls=(*map(self._name_of, made.functions), *pipelines),
                    stateful=True,
                    outputs=made.outputs,
                    place=made.place,
                    note=made.note,
                )
            )
        root = count - 1 if self._made[numbers[-1]].tapped else -1
        arguments = tuple(range(count, 2 * count))
        return Graph(name, "pipeline", 2 * count, tuple(operations), arguments, (root,))


def taking(graphs: Iterable[Graph], pipelines: Iterable[Graph]) -> list[Graph]:
    """Let the operations that take elements from some pipeline say so.

    Which pipeline they take from is unknown: it hangs on a resource. So they call all of them.
    """
    names = tuple(graph.name for graph in pipelines)
    replace = msgspec.structs.replace
    return [
        replace(
            graph,
            operations=tuple(
                replace(each, calls=(*each.calls, *names))
                if each.type.startswith(_TAKING)
                else each
                for each in graph.operations
            ),
        )
        for graph in graphs
    ]


def _joined(graph: int, alike: list[tuple[int, ...]], passes: Passes) -> Iterator[Pass]:
    """Give the passes over pipelines of one shape as those over one pipeline."""
    for operation, numbers in enumerate(zip(*alike, strict=True)):
        of_all = [each for number in dict.fromkeys(numbers) for each in passes.get(number, [])]
        for each in sorted(of_all, key=lambda one: one.began):
            yield Pass(
                graph, operation, each.call, each.arguments, each.digests.tobytes(), each.ended
            )


def _is_own(dataset: Any) -> bool:
    """Return whether a data set is more than a wrapper around another one."""
    from tensorflow.python.data.ops.dataset_ops import DatasetV1Adapter

    return not isinstance(dataset, DatasetV1Adapter)


def _runs(variant: Any) -> bool:
    """Return whether a data set is made in eager code or in a function, not in a session."""
    return tf.executing_eagerly() or hasattr(variant.graph, "outer_graph")


def _named(places: Iterable[tuple[str, ...]]) -> list[str]:
    return list(_numbered(f"{NAME} at {place[0]}" if place else NAME for place in places))


def _numbered(names: Iterable[str]) -> Iterator[str]:
    """Make names unique, in their order."""
    counts: Counter[str] = Counter()
    for name in names:
        counts[name] += 1
        yield name if counts[name] == 1 else f"{name}#{counts[name]}"
