"""A data set of ``tf.data`` in words: what it is, what it reads, and who made it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import msgspec
import tensorflow as tf

from detcost.workers.in_worker import functions
from detcost.workers.in_worker.probe import digesting, taps
from detcost.workers.in_worker.probe.describing import shapes
from detcost.workers.in_worker.probe.places import place, place_here

#: What a transformation is told, which by contract has no influence on its elements.
_WITHOUT_INFLUENCE = ("_num_parallel_calls",)
#: Where the frames between the user's line and a data set are.
_LIBRARIES = tuple(str(Path(str(each.__file__)).parent) for each in (tf, keras, functions))
#: What TensorFlow makes of a Python generator, and of a data set that a function gets.
_TYPES = {"GeneratorDataset": "Python", "VariantDataset": "Argument"}


class MadeDataset(msgspec.Struct):
    """A data set that the program made.

    Attributes
    ----------
    method
        The method of ``tf.data.Dataset`` that the user called.
    inputs
        The numbers of the data sets that it reads.
    made_in, runs
        The graphs of functions around it, innermost first, and those that it runs.
    functions
        The names of the functions that it runs.
    may_race
        Whether its argument ``deterministic`` leaves the order to the options.
    note
        See :class:`~detcost.evidence.recording.Operation`.
    tapped
        Whether its elements are digested.
    """

    type: str
    method: str
    place: tuple[str, ...]
    outputs: tuple[str, ...]
    inputs: tuple[int, ...]
    made_in: tuple[Any, ...] = ()
    runs: tuple[Any, ...] = ()
    functions: tuple[str, ...] = ()
    may_race: bool = False
    tapped: bool = False
    note: str = ""


def described(dataset: Any) -> MadeDataset:
    """Describe a new data set."""
    runs, order = _functions(dataset), _order(dataset)
    variant = dataset._variant_tensor
    name = type(dataset).__name__.lstrip("_")
    return MadeDataset(
        _TYPES.get(name, name),
        _method(),
        place_here() if tf.executing_eagerly() else place(variant.op.traceback),
        tuple(_words(each) for each in tf.nest.flatten(dataset.element_spec)),
        tuple(dict.fromkeys(_numbers(dataset))),
        made_in=tuple(_graphs_around(dataset._graph)),
        runs=tuple(each.function.graph for each in runs),
        functions=tuple(tf.compat.as_str(each.function.name) for each in runs),
        may_race=order is None,
        note=_note(dataset, order),
    )


def number_of(dataset: Any) -> int | None:
    """Return the number that the probe gave a data set, or a data set inside a wrapper."""
    dataset = getattr(dataset, "_dataset", dataset)  # a wrapper of TensorFlow 1
    number: int | None = getattr(dataset, "_detcost_number", None)
    return number


def _numbers(dataset: Any) -> Iterator[int]:
    """Give the numbers of the data sets that another one reads, also in its functions."""
    for each in dataset._inputs():
        if (number := number_of(each)) is not None:
            yield number
    captured = (each.function.captured_inputs for each in _functions(dataset))
    for tensor in (dataset._variant_tensor, *itertools.chain.from_iterable(captured)):
        if (number := getattr(tensor, "_detcost_number", None)) is not None:
            yield number


def _functions(dataset: Any) -> list[Any]:
    return [each for each in dataset._functions() if hasattr(each.function, "graph")]


def replays(dataset: Any) -> bool:
    """Return whether data sets among the elements are windows, which are in memory."""
    inputs = dataset._inputs()
    if type(dataset).__name__ == "_WindowDataset":
        return True
    if len(inputs) != 1 or inputs[0].element_spec != dataset.element_spec:
        return False
    return bool(getattr(inputs[0], "_detcost_replays", False)) and not _functions(dataset)


def digest_of_arguments(dataset: Any) -> Any:
    """Return the digest of what a data set depends on besides other data sets."""
    if not tf.executing_eagerly():
        inputs = dataset._variant_tensor.op.inputs
        with tf.name_scope(f"{taps.SCOPE}/"), taps.unseen():
            return taps.digest([each for each in inputs if digesting.has_digest(each)])
    values = [
        value for name, value in sorted(vars(dataset).items()) if name not in _WITHOUT_INFLUENCE
    ]
    captured = [each.function.captured_inputs for each in _functions(dataset)]
    tensors = [
        each
        for value in (*values, *captured)
        for each in (value if isinstance(value, list | tuple) else [value])
        if tf.is_tensor(each) and hasattr(each, "numpy") and digesting.has_digest(each)
    ]
    with taps.unseen():
        return taps.digest(tensors)


def _graphs_around(graph: Any) -> Iterator[Any]:
    while hasattr(graph, "outer_graph"):
        yield graph
        graph = graph.outer_graph


def _method() -> str:
    """Return the method of ``tf.data.Dataset`` that the user called, such as ``list_files``."""
    found = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        name = frame.f_code.co_name
        found = name if not name.startswith("_") and hasattr(tf.data.Dataset, name) else found
        frame = frame.f_back
    return found


def _words(spec: Any) -> str:
    if isinstance(spec, tf.TensorSpec):
        return shapes([spec])[0]
    return type(spec).__name__.removesuffix("Spec")


def _order(dataset: Any) -> Any:
    """Return the argument ``deterministic`` with which a data set was made; true without one."""
    frame: FrameType | None = sys._getframe(1)
    found: Any = True  # not every data set keeps it, so it comes from the call
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        if frame.f_locals.get("self") is dataset:
            found = frame.f_locals.get("deterministic", found)
        frame = frame.f_back
    return found


def _note(dataset: Any, order: Any) -> str:
    """Return what the program says that lets a data set give other elements."""
    if order is not None and not order:
        return "deterministic=False"
    if tf.executing_eagerly() and hasattr(dataset, "_seed2"):  # a shuffle, or random numbers
        return "" if int(dataset._seed) or int(dataset._seed2) else "no seed"
    return ""
