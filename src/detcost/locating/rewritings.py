"""Other ways to compute an operation: the name of each, what it fits, and what to write.

:mod:`detcost.workers.in_worker.rewriting` builds them into a program, by these names. Which of them
cures what is not written here, since it depends on the machine: ``locate`` tries them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class OtherWay:
    """Another way to compute an operation.

    Attributes
    ----------
    name
        What is done, in a few words.
    fits
        A regular expression of the operation's whole type.
    code
        What to write in the program in its place.
    """

    name: str
    fits: str
    code: str


_SCATTERS = "ResourceScatter(Add|Sub)|TensorScatter(Add|Sub)|ScatterNd"
_COUNTS = "Bincount|DenseBincount"

#: In the order in which they are tried.
OTHER_WAYS = (
    OtherWay(
        "sum duplicate rows first",
        "ResourceScatter(Add|Sub)",
        "rows, place = tf.unique(indices)\n"
        "updates = tf.math.unsorted_segment_sum(updates, place, tf.size(rows))\n"
        "variable.scatter_add(tf.IndexedSlices(updates, rows))",
    ),
    OtherWay(
        "add a dense sum",
        _SCATTERS,
        "added = tf.math.unsorted_segment_sum(updates, indices, rows)  # of the whole tensor\n"
        "variable.assign_add(added)  # or: tensor + added",
    ),
    OtherWay(
        "sort the indices first",
        f"{_SCATTERS}|UnsortedSegmentSum",
        "order = tf.argsort(indices, stable=True)\n"
        "indices, updates = tf.gather(indices, order), tf.gather(updates, order)",
    ),
    OtherWay(
        "sort by segment, segment_sum",
        "UnsortedSegmentSum",
        "order = tf.argsort(ids, stable=True)\n"
        "sums = tf.math.segment_sum(tf.gather(data, order), tf.gather(ids, order))\n"
        "sums = tf.pad(sums, [[0, segments - tf.shape(sums)[0]], [0, 0]])",
    ),
    OtherWay(
        "unsorted_segment_sum of the weights",
        _COUNTS,
        "counts = tf.math.unsorted_segment_sum(weights, values, bins)",
    ),
    OtherWay(
        "product with a one-hot matrix",
        f"{_COUNTS}|UnsortedSegmentSum",
        "sums = tf.matmul(tf.one_hot(ids, segments, axis=0), rows)",
    ),
    OtherWay(
        "crops as products of matrices",
        "CropAndResizeGradImage",
        "crops = tf.einsum('byY,bxX,bYXc->byxc', down, across, tf.gather(images, owners))\n"
        "# down, across: the bilinear weights of the image's lines in each line of a crop",
    ),
    OtherWay(
        "one box at a time",
        "CropAndResizeGradImage",
        "crops = tf.concat([tf.image.crop_and_resize(images, boxes[i : i + 1], owners[i : i + 1], "
        "size) for i in range(count)], 0)",
    ),
    OtherWay(
        "sum in blocks",
        "Sum|Mean",
        "blocks = tf.reshape(values, [64, -1])  # padded to a multiple of 64\n"
        "total = tf.reduce_sum(tf.reduce_sum(blocks, 1))",
    ),
    OtherWay(
        "reduce_sum",
        "BiasAddGrad",
        "outputs = outputs + bias  # in the place of tf.nn.bias_add, whose gradient is BiasAddGrad",
    ),
    OtherWay(
        "deterministic=True",
        "Parallel\\w+Dataset(V\\d)?",
        "dataset.map(function, num_parallel_calls=n, deterministic=True)  # or interleave, batch",
    ),
    OtherWay(
        "without num_parallel_calls",
        "Parallel\\w+Dataset(V\\d)?",
        "dataset.map(function)  # or interleave, batch: one element at a time",
    ),
    OtherWay(
        "a seed for this transformation",
        "Shuffle\\w*Dataset|RandomDataset|\\w*Sample\\w*Dataset",
        "dataset.shuffle(buffer_size, seed=42)",
    ),
    OtherWay(
        "a seed for this operation",
        "Random\\w+|TruncatedNormal|Multinomial|ParameterizedTruncatedNormal",
        "tf.random.normal(shape, seed=42)  # or the seed= of the layer",
    ),
    OtherWay(
        "a stateless draw",
        "RandomStandardNormal|RandomUniform(Int)?|TruncatedNormal|RandomShuffle|"
        "StatefulStandardNormalV2|StatefulUniform(Int)?|StatefulTruncatedNormal",
        "tf.random.stateless_normal(shape, seed=(42, i))  # i: the step, or the turn of a loop",
    ),
    OtherWay(
        "in float64",
        "Sum|Mean|Prod|BiasAddGrad|MatMul|BatchMatMul(V[23])?|Einsum|L2Loss|"
        "Conv2D(Backprop(Filter|Input))?|Conv3D(Backprop(Filter|Input)V2)?|"
        "DepthwiseConv2dNative(Backprop(Filter|Input))?|Bincount|DenseBincount|"
        "TensorScatter(Add|Sub)|UnsortedSegmentSum",
        "result = tf.cast(operation(tf.cast(values, tf.float64)), tf.float32)\n"
        "# rounds once: another order of sums rarely shows",
    ),
    OtherWay(
        "an XLA island",
        "(?!Random|Stateful|Iterator|Resource(?!Scatter)|.*Call$|If$|While$|Case$|PyFunc|"
        "EagerPyFunc|.*Dataset|String|Print|Assert|TensorList)\\w+",
        "@tf.function(jit_compile=True)\n"
        "def alone(inputs): ...  # this operation, and nothing else",
    ),
)


def fitting(type: str) -> tuple[OtherWay, ...]:
    """Return the other ways to compute an operation of a type."""
    return tuple(way for way in OTHER_WAYS if re.fullmatch(way.fits, type))


def named(name: str) -> OtherWay:
    """Return the other way with a name."""
    return next(way for way in OTHER_WAYS if way.name == name)
