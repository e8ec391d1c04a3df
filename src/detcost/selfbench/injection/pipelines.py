"""``tf.data`` pipelines of programs: a chain of transformations, and a step that consumes it."""

from __future__ import annotations

from collections.abc import Callable

from detcost.selfbench.injection.source import INDENT, Body, Text

#: Each makes one data set of matrices from another.
TRANSFORMATIONS = (
    "{ds} = {ds}.map(lambda x: 0.5 * tf.tanh(x))",
    "{ds} = {ds}.map(lambda x: x - tf.reduce_mean(x), num_parallel_calls=2)",
    "{ds} = {ds}.map(lambda x: x + tf.random.normal([{rows}, {width}], seed={seed}))",
    "{ds} = {ds}.shuffle(8, seed={seed})",
    "{ds} = {ds}.shuffle(8, seed={seed}, reshuffle_each_iteration=False)",
    "{ds} = {ds}.batch(2, drop_remainder=True)\n"
    "{ds} = {ds}.map(lambda pair: tf.reduce_mean(pair, axis=0))",
    "{ds} = {ds}.batch(3).unbatch()",
    "{ds} = {ds}.prefetch(2)",
    "{ds} = {ds}.cache()",
    "{ds} = tf.data.Dataset.zip(({ds}, {ds}.skip(1)))\n{ds} = {ds}.map(lambda x, y: x - y)",
    "{ds} = {ds}.enumerate()\n{ds} = {ds}.map(lambda i, x: x * tf.cast(i + 1, tf.float32) / 8.0)",
    "{ds} = {ds}.interleave(\n"
    "    lambda x: tf.data.Dataset.from_tensors(x).repeat(2), cycle_length=2, "
    "num_parallel_calls=2\n)",
    "{ds} = {ds}.filter(lambda x: tf.reduce_sum(x) > -1000.0)",
    "{ds} = {ds}.flat_map(lambda x: tf.data.Dataset.from_tensors(x))",
    "{ds} = {ds}.repeat(2)",
)

#: Each gives a matrix that depends on the order of elements. ``{it}`` goes on from call to call.
_LOOP = (
    "{total} = tf.zeros([{rows}, {width}])\n"
    "for {element} in {ds}:\n"
    "    {total} = 0.6 * {total} + {element}\n"
    "{out} = {total} + 0.1 * {x}"
)
_REDUCE = "{out} = {x} + {ds}.reduce(tf.zeros([{rows}, {width}]), lambda sum, x: 0.6 * sum + x)"
_NEXT = "{out} = {x} + next({it})"


def pipeline(body: Body, culprit: Callable[[str], list[str]] | None = None) -> Text:
    """Make a pipeline, and consume it in the step.

    ``culprit`` returns its lines for a data set's name. Then nothing else in the pipeline or
    around it depends on a culprit.
    """
    source, chance = body.source, body.chance
    ds = source.made("ds", _elements(chance.choice((8, 12))))
    lines = [_transformation(body, ds) for _ in range(chance.randint(1, 4))]
    if culprit:
        lines.insert(chance.randint(0, len(lines)), culprit(ds))
    source.setup += [INDENT + line for some in lines for line in some]
    ways = [_LOOP, _REDUCE, _NEXT]
    way = chance.choice(ways if not body.nested else [_NEXT])
    iterator = source.made("batches", f"iter({ds}.repeat())") if way is _NEXT else ""
    x = body.pick(clean=bool(culprit))
    return body.let(way, x, x=x.name, ds=ds, it=iterator)


def _elements(count: int) -> str:
    return (
        f"tf.data.Dataset.from_tensor_slices(rng.normal(size=({count}, {{rows}}, {{width}}))"
        ".astype('float32'))"
    )


def _transformation(body: Body, ds: str) -> list[str]:
    source = body.source
    text = body.chance.choice(TRANSFORMATIONS)
    source.operations += 4
    filled = text.format(ds=ds, rows=source.rows, width=source.width, seed=source.seed())
    return filled.splitlines()
