"""The other ways to compute an operation; :mod:`detcost.locating.rewritings` says which fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from detcost.workers.in_worker.probe import variables
from detcost.workers.in_worker.rewriting.original import Original

Way = Callable[[Original], Any]

#: Numbers of an input that XLA may have to know, such as axes and sizes.
_SMALL = 64
#: Rows of a sum in blocks: enough to keep many cores busy.
BLOCKS = 64


def sort_indices(original: Original) -> Any:
    """Sort the indices of a scatter, and its rows with them."""
    first, indices, updates = _scattered(original)
    keys = indices if indices.shape.rank == 1 else indices[:, 0]
    order = tf.argsort(keys, stable=True)
    sorted_ = (tf.gather(indices, order), tf.gather(updates, order))
    if original.kind == "ScatterNd":
        return original.again([*sorted_, first])
    if original.kind == "UnsortedSegmentSum":
        return original.again([sorted_[1], sorted_[0], first])
    return original.again([first, *sorted_])


def sum_duplicates(original: Original) -> Any:
    """Sum the rows of equal indices first, so that each row of the variable is added to once."""
    handle, indices, updates = _scattered(original)
    rows, place = tf.unique(indices)
    return original.again(
        [handle, rows, tf.math.unsorted_segment_sum(updates, place, tf.size(rows))]
    )


def dense_sum(original: Original) -> Any:
    """Scatter into zeros by ``unsorted_segment_sum``, and add the result as a whole."""
    first, indices, updates = _scattered(original)
    if original.kind.startswith("Resource"):
        rows = tf.cast(tf.raw_ops.VariableShape(input=first)[0], tf.int32)
        assign = (
            tf.raw_ops.AssignSubVariableOp
            if original.kind.endswith("Sub")
            else tf.raw_ops.AssignAddVariableOp
        )
        return assign(resource=first, value=tf.math.unsorted_segment_sum(updates, indices, rows))
    shape = tf.cast(first if original.kind == "ScatterNd" else tf.shape(first), tf.int32)
    flat, depth = _flat_indices(original, indices, shape)
    summed = tf.math.unsorted_segment_sum(updates, flat, tf.reduce_prod(shape[:depth]))
    dense = tf.reshape(summed, shape)
    if original.kind == "ScatterNd":
        return dense
    return first - dense if original.kind.endswith("Sub") else first + dense


def sorted_segments(original: Original) -> Any:
    """Sort by segment and use ``segment_sum``, which takes the rows of a segment in order."""
    data, ids, count = original.inputs
    flat, rows = _flat_segments(data, ids)
    kept = tf.where(flat >= 0)[:, 0]
    order = tf.gather(kept, tf.argsort(tf.gather(flat, kept), stable=True))
    summed = tf.math.segment_sum(tf.gather(rows, order), tf.gather(flat, order))
    missing = tf.cast(count, tf.int32) - tf.shape(summed)[0]
    return tf.pad(summed, [[0, missing], *[[0, 0]] * (summed.shape.rank - 1)])


def one_hot_product(original: Original) -> Any:
    """Multiply by a matrix that has a one where a row belongs to a segment."""
    if original.kind == "UnsortedSegmentSum":
        data, ids, count = original.inputs
    else:
        ids, count, data = _weighted(original)
    flat, rows = _flat_segments(data, ids)
    wide = tf.reshape(rows, [tf.shape(rows)[0], -1])
    summed = tf.matmul(tf.one_hot(flat, tf.cast(count, tf.int32), axis=0, dtype=wide.dtype), wide)
    return tf.reshape(summed, tf.concat([tf.shape(summed)[:1], tf.shape(rows)[1:]], 0))


def segments_of_weights(original: Original) -> Any:
    """Count by ``unsorted_segment_sum`` of the weights."""
    values, size, weights = _weighted(original)
    inside = tf.where(values < tf.cast(size, values.dtype), values, -1)  # it leaves out negatives
    return tf.math.unsorted_segment_sum(weights, inside, size)


def crops_as_products(original: Original) -> Any:
    """Take the gradient of bilinear crops as products with two matrices for each box."""
    if original.attribute("method") not in (b"bilinear", "bilinear"):
        raise original.refuse("is not bilinear")
    gradients, boxes, owners, size = original.inputs
    height, width = size[1], size[2]
    given = tf.cast(gradients, tf.float32)
    down = _bilinear(boxes[:, 0], boxes[:, 2], tf.shape(given)[1], height)
    across = _bilinear(boxes[:, 1], boxes[:, 3], tf.shape(given)[2], width)
    of_boxes = tf.einsum("byY,bxX,byxc->bYXc", down, across, given)
    image = tf.math.unsorted_segment_sum(of_boxes, owners, size[0])
    return tf.cast(image, original.attribute("T"))


def one_box_at_a_time(original: Original) -> Any:
    """Take the gradient of each crop alone, and add the gradients one after another."""
    gradients, boxes, owners, size = original.inputs
    dtype = original.attribute("T")

    def add(box: Any, sums: Any) -> Any:
        of_box = [part[box : box + 1] for part in (gradients, boxes, owners)]
        return box + 1, sums + original.again([*of_box, size])

    start = (tf.constant(0), tf.zeros(size, dtype))
    shapes = (tf.TensorShape([]), tf.TensorShape([None] * 4))
    count = tf.shape(owners)[0]
    return tf.while_loop(lambda box, sums: box < count, add, start, shapes, parallel_iterations=1)[
        1
    ]


def seeded(original: Original) -> Any:
    """Give a random operation a seed of its own."""
    return original.again(seed=42, seed2=42)


def stateless(original: Original) -> Any:
    """Draw without a state, from a seed alone."""
    numbers = original.inputs[2:] if original.kind.startswith("Stateful") else original.inputs
    dtype = numbers[1].dtype if len(numbers) > 1 else None
    if dtype is None and original.kind != "RandomShuffle":
        dtype = tf.as_dtype(original.attribute("dtype"))
    return _STATELESS[original.kind](numbers, dtype)


def in_blocks(original: Original) -> Any:
    """Sum blocks of a fixed number first, and then their sums."""
    values, axes = original.inputs
    if (rank := values.shape.rank) is None or (over := tf.get_static_value(axes)) is None:
        raise original.refuse("has an unknown shape")
    if len({int(axis) % max(rank, 1) for axis in over.ravel()}) < rank:
        raise original.refuse("does not sum over all axes")
    flat = tf.reshape(values, [-1])
    size = tf.size(flat)
    padded = tf.pad(flat, [[0, -size % BLOCKS]])
    total = tf.reduce_sum(tf.reduce_sum(tf.reshape(padded, [BLOCKS, -1]), 1))
    if original.kind == "Mean":
        total /= tf.cast(size, total.dtype)
    return tf.reshape(total, [1] * rank) if original.attribute("keep_dims") else total


def reduced(original: Original) -> Any:
    """Take the gradient of a bias by ``reduce_sum``."""
    (gradients,) = original.inputs
    rank = gradients.shape.rank
    channels = 1 if original.attribute("data_format") in (b"NCHW", "NCHW") else rank - 1
    return tf.reduce_sum(gradients, [axis for axis in range(rank) if axis != channels])


def in_float64(original: Original) -> Any:
    """Compute in float64, and round once."""
    changed = [
        tf.cast(value, tf.float64) if value.dtype == tf.float32 else value
        for value in original.inputs
    ]
    if all(new is old for new, old in zip(changed, original.inputs, strict=True)):
        raise original.refuse("has no inputs in float32")
    outputs = original.again(changed)
    return tf.nest.map_structure(
        lambda out: tf.cast(out, tf.float32) if out.dtype == tf.float64 else out, outputs
    )


def island(original: Original) -> Any:
    """Let XLA compile this operation alone."""
    static = [_static(value) for value in original.inputs]
    passed = [value for value, known in zip(original.inputs, static, strict=True) if known is None]

    def alone(*values: Any) -> Any:
        rest = iter(values)
        outputs = original.again([next(rest) if known is None else known for known in static])
        return None if isinstance(outputs, tf.Operation) else outputs

    key = tuple(None if known is None else known.tobytes() for known in static)
    compiled = tf.function(alone, jit_compile=True, autograph=False)
    return original.memory.setdefault(key, compiled)(*passed)


def _static(value: Any) -> Any:
    """Return a value that is known while the graph is made, which XLA may need."""
    if isinstance(value, list) or value.dtype in (tf.resource, tf.variant):
        return None
    known = tf.get_static_value(value)
    return None if known is None or known.size > _SMALL else known


def _scattered(original: Original) -> tuple[Any, Any, Any]:
    """Return what is scattered into, the indices and the rows; all rows have one shape."""
    if original.kind == "ScatterNd":
        indices, updates, first = original.inputs
    elif original.kind == "UnsortedSegmentSum":
        updates, indices, first = original.inputs
    else:
        first, indices, updates = original.inputs
    if not original.kind.startswith("Resource"):
        return first, indices, updates
    if variables.variable_type(first) is None:
        raise original.refuse("adds to a resource that is no variable")
    row = tf.cast(tf.raw_ops.VariableShape(input=first)[1:], tf.int32)
    count = tf.size(indices)
    rows = tf.broadcast_to(updates, tf.concat([tf.shape(indices), row], 0))
    return first, tf.reshape(indices, [-1]), tf.reshape(rows, tf.concat([[count], row], 0))


def _flat_indices(original: Original, indices: Any, shape: Any) -> tuple[Any, int]:
    """Return indices into the leading axes as one number each, and how many axes these are."""
    depth = indices.shape[-1]
    if depth is None:
        raise original.refuse("has indices of unknown depth")
    strides = tf.math.cumprod(shape[:depth], exclusive=True, reverse=True)
    return tf.reduce_sum(tf.cast(indices, tf.int32) * strides, -1), depth


def _flat_segments(data: Any, ids: Any) -> tuple[Any, Any]:
    rest = tf.shape(data)[ids.shape.rank :]
    return tf.reshape(ids, [-1]), tf.reshape(data, tf.concat([[-1], rest], 0))


def _weighted(original: Original) -> tuple[Any, Any, Any]:
    """Return values, number of bins and weights of a weighted count of one row."""
    values, size, weights = original.inputs
    if weights.shape.num_elements() == 0:
        raise original.refuse("has no weights")
    if original.kind == "DenseBincount" and (
        values.shape.rank != 1 or original.attribute("binary_output")
    ):
        raise original.refuse("counts rows, or only whether a value occurs")
    return tf.reshape(values, [-1]), size, tf.reshape(weights, [-1])


def _bilinear(low: Any, high: Any, count: Any, size: Any) -> Any:
    """Return an image line's weight in each line of a crop, shape (boxes, count, size)."""
    last = tf.cast(size - 1, tf.float32)
    steps = tf.cast(tf.maximum(count - 1, 1), tf.float32)
    number = tf.cast(tf.range(count), tf.float32)
    apart = low[:, None] * last + number * ((high - low) * last / steps)[:, None]
    middle = 0.5 * (low + high)[:, None] * last + 0.0 * number
    place = tf.where(count > 1, apart, middle)
    below = tf.floor(place)
    weight = (place - below)[..., None]
    lines = tf.cast(below, tf.int32), tf.cast(tf.math.ceil(place), tf.int32)
    lower, upper = (tf.one_hot(line, size) for line in lines)
    inside = tf.cast((place >= 0) & (place <= last), tf.float32)[..., None]
    return inside * (lower * (1 - weight) + upper * weight)


def _range(draw: Any) -> Any:
    return lambda numbers, dtype: draw(
        numbers[0], (42, 0), minval=numbers[1], maxval=numbers[2], dtype=dtype
    )


def _plain(draw: Any) -> Any:
    return lambda numbers, dtype: draw(numbers[0], (42, 0), dtype=dtype)


_STATELESS: dict[str, Any] = {
    "RandomStandardNormal": _plain(tf.random.stateless_normal),
    "StatefulStandardNormalV2": _plain(tf.random.stateless_normal),
    "RandomUniform": _plain(tf.random.stateless_uniform),
    "StatefulUniform": _plain(tf.random.stateless_uniform),
    "TruncatedNormal": _plain(tf.random.stateless_truncated_normal),
    "StatefulTruncatedNormal": _plain(tf.random.stateless_truncated_normal),
    "RandomUniformInt": _range(tf.random.stateless_uniform),
    "StatefulUniformInt": _range(tf.random.stateless_uniform),
    "RandomShuffle": lambda numbers, dtype: tf.random.experimental.stateless_shuffle(
        numbers[0], (42, 0)
    ),
}

#: The builders by the names of :mod:`detcost.locating.rewritings`.
WAYS: dict[str, Way] = {
    "sort the indices first": sort_indices,
    "sum duplicate rows first": sum_duplicates,
    "add a dense sum": dense_sum,
    "sort by segment, segment_sum": sorted_segments,
    "product with a one-hot matrix": one_hot_product,
    "unsorted_segment_sum of the weights": segments_of_weights,
    "crops as products of matrices": crops_as_products,
    "one box at a time": one_box_at_a_time,
    "a seed for this operation": seeded,
    "a stateless draw": stateless,
    "sum in blocks": in_blocks,
    "reduce_sum": reduced,
    "in float64": in_float64,
    "an XLA island": island,
}
