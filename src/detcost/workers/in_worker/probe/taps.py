"""A tap in a ``tf.data`` pipeline: it digests the elements that flow by, and gives them on.

A tap is a ``ScanDataset`` after a data set. It runs in C++ and takes one element after another, so
that it keeps their order, and the transformation before it races as without it. Its state numbers
the elements of each iterator. Behind it stands an empty data set that reports the end, and that
TensorFlow knows to be empty. So the number of elements stays known where it was known.

The digests leave through a queue. What is in the queue is whole: the elements that a transformation
took are in it before the elements that it made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from detcost.workers.in_worker.probe import digesting
from detcost.workers.in_worker.probe.passes import END, Messages

#: Messages that a process may have: 40 bytes each. What comes after is not digested.
LIMIT = 1 << 21
#: Where taps are in the user's graphs, that is, behind data sets that functions make.
SCOPE = "detcost_tap"
#: Numbers in a message; see :data:`~detcost.workers.in_worker.probe.passes.Messages`.
_WIDTH = 5
_SCALAR = tf.TensorSpec([], tf.int64)
_ONE_NUMBER = {"output_types": [tf.int64], "output_shapes": [[]]}
_functions: dict[str, Any] = {}


def prepare() -> None:
    """Make the counter of iterators. Call it once, before the first tap.

    A program may still save its pipelines and iterators. Without what is done here, TensorFlow
    refuses to save the state of the taps.
    """
    from tensorflow.python.ops import gen_dataset_ops

    with unseen():
        tf.raw_ops.AssignVariableOp(resource=_counter(), value=_int64(0))
    ignoring = {"external_state_policy": tf.data.experimental.ExternalStatePolicy.IGNORE.value}
    for name in ("serialize_iterator", "dataset_to_graph_v2"):
        save = getattr(gen_dataset_ops, name)
        setattr(gen_dataset_ops, name, _with_arguments(save, ignoring))


def tap(variant: Any, spec: Any, number: int, arguments: Any) -> Any:
    """Return a data set of the same elements, which are digested.

    Parameters
    ----------
    variant, spec
        The data set, and the structure of its elements.
    number
        The number of the tap in its messages.
    arguments
        The digest of what else the data set depends on: a scalar of type int64.
    """
    from tensorflow.python.data.util import structure

    types = structure.get_flat_tensor_types(spec)
    shapes = structure.get_flat_tensor_shapes(spec)
    flat = [tf.TensorSpec(shape, dtype) for shape, dtype in zip(shapes, types, strict=True)]
    of_elements = {"output_types": types, "output_shapes": shapes}
    passing = _function(
        f"pass {spec}",
        lambda *values: _passed(spec, *values),
        [_SCALAR, _SCALAR, *flat, _SCALAR, _SCALAR],
    )
    ending = _function(
        f"end {spec}", lambda *values: _ended(flat, *values), [_SCALAR, _SCALAR, _SCALAR]
    )
    with _beside(variant):
        told = [_int64(number), arguments]
        passed = tf.raw_ops.ScanDataset(
            input_dataset=variant,
            initial_state=[_int64(0), _int64(0)],
            other_arguments=told,
            f=passing,
            preserve_cardinality=True,
            use_default_device=False,
            **of_elements,
        )
        once = tf.raw_ops.RangeDataset(
            start=_int64(0), stop=_int64(1), step=_int64(1), **_ONE_NUMBER
        )
        never = tf.raw_ops.FlatMapDataset(
            input_dataset=once, other_arguments=told, f=ending, **of_elements
        )
        empty = tf.raw_ops.AssertCardinalityDataset(
            input_dataset=never, cardinality=_int64(0), **of_elements
        )
        return tf.raw_ops.ConcatenateDataset(
            input_dataset=passed, another_dataset=empty, **of_elements
        )


def digest(tensors: Sequence[Any]) -> Any:
    """Return one digest of the bytes and shapes of tensors: a scalar of type int64."""
    shapes = [tf.shape(each) for each in tensors if not each.shape.is_fully_defined()]
    parts = [digesting.fingerprint(each) for each in (*tensors, *shapes)]
    if not parts:
        return _int64(0)
    whole = digesting.fingerprint(tf.concat(parts, axis=0)) if len(parts) > 1 else parts[0]
    return tf.bitcast(tf.reshape(whole, [8]), tf.int64)


def has_digest(spec: Any, replays: bool) -> bool:
    """Return whether a whole element has a digest.

    Parameters
    ----------
    spec
        The structure of the element.
    replays
        Whether data sets in it give the same elements whenever they are read.
    """
    from tensorflow.python.data.ops.dataset_ops import DatasetSpec

    leaves = tf.nest.flatten(spec)
    return bool(leaves) and all(
        replays and has_digest(leaf.element_spec, replays)
        if isinstance(leaf, DatasetSpec)
        else all(map(digesting.has_digest, _tensors(leaf)))
        for leaf in leaves
    )


def drain() -> Messages:
    """Take the messages that have come so far, shape (messages, 5)."""
    with unseen():
        queue = _queue()
        size = tf.raw_ops.QueueSizeV2(handle=queue)
        taken = tf.raw_ops.QueueDequeueManyV2(handle=queue, n=size, component_types=[tf.int64])
        return np.asarray(taken[0])


@contextmanager
def unseen() -> Iterator[None]:
    """Run operations that no probe of eager code and no gradient sees."""
    from tensorflow.python.eager import context, record

    callbacks = context.context().op_callbacks
    kept = callbacks[:]
    callbacks.clear()
    try:
        with record.stop_recording(), tf.device("/device:CPU:0"):
            yield
    finally:
        callbacks.extend(kept)


def _with_arguments(function: Callable[..., Any], fixed: dict[str, Any]) -> Callable[..., Any]:
    def called(first: Any, *_: Any, **arguments: Any) -> Any:
        return function(first, **{**arguments, **fixed})

    return called


@contextmanager
def _beside(variant: Any) -> Iterator[None]:
    """Add operations to the graph of a data set, or run them in eager code."""
    with unseen():
        if tf.executing_eagerly():
            yield
        else:
            with variant.graph.as_default(), tf.name_scope(f"{SCOPE}/"):
                yield


def _passed(spec: Any, iterator: Any, ordinal: Any, *values: Any) -> list[Any]:
    *components, number, arguments = values
    count = tf.raw_ops.ResourceCountUpTo(resource=_counter(), limit=1 << 62, T=tf.int64)
    iterator = tf.where(ordinal == 0, count, iterator)
    _send([number, iterator, ordinal, _of_element(spec, components), arguments], count)
    return [iterator, ordinal + 1, *map(tf.identity, components)]


def _ended(flat: Sequence[Any], _: Any, number: Any, arguments: Any) -> Any:
    """Report an end, and return a data set without elements."""
    _send([number, _int64(END), _int64(END), _int64(0), arguments], _int64(0))
    some = tf.raw_ops.TensorDataset(
        components=[_any_value(each) for each in flat],
        output_shapes=[each.shape for each in flat],
    )
    return tf.raw_ops.TakeDataset(
        input_dataset=some,
        count=_int64(0),
        output_types=[each.dtype for each in flat],
        output_shapes=[each.shape for each in flat],
    )


def _send(message: Sequence[Any], count: Any) -> None:
    """Put a message, or nothing once there were too many."""
    rows = tf.stack(message)[tf.newaxis]
    within = tf.cast(count < LIMIT, tf.int32)
    tf.raw_ops.QueueEnqueueManyV2(handle=_queue(), components=[rows[:within]])


def _of_element(spec: Any, components: Sequence[Any]) -> Any:
    """Return the digest of an element, which may be ragged, sparse, or have data sets in it."""
    from tensorflow.python.data.ops.dataset_ops import DatasetV2
    from tensorflow.python.data.util import structure

    element = structure.from_compatible_tensor_list(spec, list(components))
    digested = []
    for value in tf.nest.flatten(element):
        if isinstance(value, DatasetV2):
            digested.append(_of_dataset(value))
        else:
            digested += _tensors(value)
    return digest(digested)


def _of_dataset(dataset: Any) -> Any:
    """Return the digest of all elements of a data set."""
    from tensorflow.python.data.util import structure

    spec = dataset.element_spec

    def extended(so_far: Any, *components: Any) -> Any:
        return [digest([so_far, _of_element(spec, components)])]

    reduced = _function(
        f"reduce {spec}",
        extended,
        [_SCALAR, *structure.get_flat_tensor_specs(spec)],
    )
    return tf.raw_ops.ReduceDataset(
        input_dataset=dataset._variant_tensor,
        initial_state=[_int64(0)],
        other_arguments=[],
        f=reduced,
        **_ONE_NUMBER,
    )[0]


def _tensors(value: Any) -> list[Any]:
    """Return the tensors, or the specifications of tensors, of a part of an element."""
    leaves = tf.nest.flatten(value, expand_composites=True)
    return [leaf for leaf in leaves if hasattr(leaf, "dtype")]  # not those of None


def _any_value(spec: Any) -> Any:
    """Return some tensor of this type and shape; none is ever read."""
    if spec.dtype == tf.variant:
        make = tf.raw_ops.EmptyTensorList
        return make(element_shape=-1, max_num_elements=-1, element_dtype=tf.int32)
    sizes = spec.shape.as_list() if spec.shape.rank else []
    return tf.zeros([size or 0 for size in sizes], spec.dtype)


def _function(key: str, python: Callable[..., Any], signature: Sequence[Any]) -> Any:
    """Return a function for the graph at hand; functions are alike if their keys are.

    It is no ``tf.function``, so that no lever compiles it and no count of functions has it.
    """
    if key not in _functions:
        with tf.init_scope(), unseen():
            _functions[key] = _traced(python, signature)
    if not tf.executing_eagerly():
        _functions[key].add_to_graph(tf.compat.v1.get_default_graph())
    return _functions[key]


def _traced(python: Callable[..., Any], signature: Sequence[Any]) -> Any:
    from tensorflow.core.function.polymorphism import function_type
    from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction
    from tensorflow.python.framework.func_graph import func_graph_from_py_func

    def scoped(*values: Any) -> Any:
        with tf.name_scope(digesting.PREFIX):
            return python(*values)

    graph = func_graph_from_py_func(digesting.PREFIX, scoped, signature, {}, signature=signature)
    kind = function_type.from_structured_signature(
        graph.structured_input_signature,
        graph.structured_outputs,
        graph.function_captures.capture_types,
    )
    return ConcreteFunction.from_func_graph(graph, kind, {"_tf_data_function": True})


def _counter() -> Any:
    return tf.raw_ops.VarHandleOp(dtype=tf.int64, shape=[], shared_name="detcost_iterators")


def _queue() -> Any:
    return tf.raw_ops.FIFOQueueV2(
        component_types=[tf.int64], shapes=[[_WIDTH]], capacity=-1, shared_name="detcost_elements"
    )


def _int64(value: int) -> Any:
    return tf.constant(value, tf.int64)
