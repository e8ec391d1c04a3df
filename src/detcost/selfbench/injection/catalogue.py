"""The kinds of culprits, and the right answer for each.

The line of a culprit ends with a comment, such as ``# culprit 0``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: ``graph``: where lines are traced. ``eager``: where each runs by itself. ``pipeline``: in
#: ``tf.data``.
Where = Literal["graph", "eager", "pipeline"]
ENTROPY = "ENTROPY = random.SystemRandom()"
WORDS = "WORDS = ['ada', 'bob', 'cy', 'dan', 'eve', 'fay', 'gil', 'hal', 'ida', 'jo', 'kim', 'lea']"

FLIP = '''def {f}(x):
    """Change one element in a share of {p} of the calls, as a race does."""
    x = np.array(x)
    if ENTROPY.random() < {p}:
        x.flat[0] = ENTROPY.random()
    return x'''
_NAP = '''def nap(x):
    """Take a time that nobody knows."""
    time.sleep(0.004 * ENTROPY.random())
    return x'''
_NUMBERED = '''NUMBERS = itertools.count(1)


def numbered(x):
    """Multiply by the next number, whichever thread comes first."""
    time.sleep(0.004 * ENTROPY.random())
    return x * np.float32(next(NUMBERS) / 10.0)'''
_SLOW = "tf.ensure_shape(tf.numpy_function(nap, [x], tf.float32), [{rows}, {width}])"


@dataclass(frozen=True)
class CulpritKind:
    """One way in which programs differ from run to run.

    Attributes
    ----------
    lines
        They make ``{out}`` from ``{x}``; or, in a pipeline, ``{ds}`` from itself.
    types
        The types of operations that are a right answer.
    answer
        The kinds of culprits that are a right answer.
    top, setup
        Definitions at the top of the file, and lines of ``build``.
    where
        Where it can stand.
    nested
        Whether it can stand in a loop, a branch, or a called function.
    rows
        Whether it takes rows too, in ``map_fn``.
    gated
        Whether ``{p}`` decides how often it differs.
    scope, setting
        Where it shows.
    """

    name: str
    lines: str
    types: tuple[str, ...]
    answer: tuple[str, ...] = ("operation",)
    top: tuple[str, ...] = ()
    setup: str = ""
    where: tuple[Where, ...] = ("graph", "eager")
    nested: bool = True
    rows: bool = False
    gated: bool = False
    scope: str = "repeat"
    setting: str = "default"


def _drawn(name: str, expression: str, *types: str, rows: bool = False) -> CulpritKind:
    """Return a random operation without a seed."""
    lines = "{out} = " + expression + "  {mark}"
    return CulpritKind(name, lines, types, rows=rows, setting="unseeded")


def _python(name: str, expression: str, *, top: tuple[str, ...] = (), **more: str) -> CulpritKind:
    """Return a value that Python makes, at a step or where a function is traced."""
    return CulpritKind(
        name,
        "{out} = " + expression + "  {mark}",
        ("Python",),
        ("python",),
        top=top,
        nested=False,
        **more,  # type: ignore[arg-type]
    )


def _in_pipeline(
    name: str,
    lines: str,
    *types: str,
    answers: tuple[str, ...] = ("transformation",),
    top: tuple[str, ...] = (),
    **more: object,
) -> CulpritKind:
    """Return a part of a pipeline: an operation in a function, or the transformation."""
    return CulpritKind(name, lines, types, answers, top, where=("pipeline",), **more)  # type: ignore[arg-type]


#: The right answers where an operation gives the next of a fixed sequence, and the order of threads
#: decides who gets it. Alone, the operation never differs. So the transformation that runs it in
#: threads is to blame as well.
_ORDER_OF_THREADS = ("operation", "transformation")

KINDS = (
    CulpritKind(
        "numpy_function",
        "{out} = tf.ensure_shape(tf.numpy_function({f}, [{x}], tf.float32), {x}.shape)  {mark}",
        ("PyFunc",),
        top=(ENTROPY, FLIP),
        where=("graph",),
        rows=True,
        gated=True,
    ),
    CulpritKind(
        "py_function",
        "{out} = tf.ensure_shape(tf.py_function({f}, [{x}], tf.float32), {x}.shape)  {mark}",
        ("EagerPyFunc",),
        top=(ENTROPY, FLIP),
        where=("graph",),
        rows=True,
        gated=True,
    ),
    CulpritKind(
        "variable_scatter_add",
        "{sums}.assign(tf.zeros([{rows}, {width}]))\n"
        "{sums}.scatter_add(tf.IndexedSlices({updates}, {bins}))  {mark}\n"
        "{out} = {sums} / 100.0 + tf.zeros_like({x})",
        ("ResourceScatterAdd",),
        setup="{sums} = tf.Variable(tf.zeros([{rows}, {width}]))\n"
        "{updates} = tf.constant(rng.normal(size=(1 << 16, {width})).astype('float32'))\n"
        "{bins} = tf.constant(rng.integers(0, {rows}, 1 << 16))",
        nested=False,
    ),
    CulpritKind(
        "weighted_bincount",
        "{sums} = tf.math.bincount({bins}, weights={loads}, minlength={rows})  {mark}\n"
        "{out} = {sums}[:{rows}, tf.newaxis] / 100.0 + tf.zeros_like({x})",
        ("DenseBincount", "Bincount"),
        setup="{loads} = tf.constant(rng.normal(size=1 << 18).astype('float32'))\n"
        "{bins} = tf.constant(rng.integers(0, {rows}, 1 << 18).astype('int32'))",
    ),
    CulpritKind(
        "crop_gradient",
        "with tf.GradientTape() as {tape}:\n"
        "    {tape}.watch({image})\n"
        "    {crops} = tf.image.crop_and_resize({image}, {boxes}, [0] * 128, [24, 24])\n"
        "    {loss} = tf.reduce_sum({crops} ** 2)\n"
        "{g} = {tape}.gradient({loss}, {image})  {mark}\n"
        "{out} = {g}[0, :{rows}, :{width}, 0] / 100.0 + tf.zeros_like({x})",
        ("CropAndResizeGradImage",),
        setup="{image} = tf.constant(rng.normal(size=(1, 32, 32, 4)).astype('float32'))\n"
        "{boxes} = tf.constant(rng.uniform(0.0, 0.2, (128, 4)) + [0.0, 0.0, 0.8, 0.8], tf.float32)",
        nested=False,
    ),
    _drawn("normal", "{x} + tf.random.normal(tf.shape({x}))", "RandomStandardNormal", rows=True),
    _drawn("uniform", "{x} * tf.random.uniform(tf.shape({x}))", "RandomUniform", rows=True),
    _drawn("truncated", "{x} + tf.random.truncated_normal([{width}])", "TruncatedNormal"),
    _drawn("shuffle", "tf.random.shuffle({x})", "RandomShuffle"),
    _drawn("dropout", "tf.nn.dropout({x} + 5.0, 0.4)", "RandomUniform"),
    _drawn(
        "categorical",
        "{x} + tf.cast(tf.random.categorical(tf.zeros([1, 90]), {width}), tf.float32)",
        "Multinomial",
    ),
    CulpritKind(
        "generator_from_entropy",
        "{out} = {x} + {free}.normal([{rows}, {width}])",
        ("NonDeterministicInts",),
        setup="{free} = tf.random.Generator.from_non_deterministic_state()  {mark}",
    ),
    CulpritKind(
        "layer_without_seed",
        "{out} = {layer}({x})",
        ("Python",),
        ("python",),
        setup="{layer} = layers.Dense({width}, activation='tanh')  {mark}\n"
        "{layer}.build(({rows}, {width}))  {mark}",
        setting="unseeded",
    ),
    CulpritKind(
        "draw_in_map_fn",
        "def {of_row}(row):\n"
        "    return row + tf.random.uniform([], seed={seed})  {mark}\n"
        "{out} = tf.map_fn({of_row}, {x}, parallel_iterations=8)",
        ("RandomUniform",),
        where=("graph",),
        nested=False,
    ),
    CulpritKind(
        "timestamp",
        "{out} = {x} + tf.cast(tf.timestamp() % 1.0, tf.float32)  {mark}",
        ("Timestamp",),
        rows=True,
    ),
    _python(
        "seed_from_time",
        "{x} + tf.random.stateless_normal([{rows}, {width}], seed=[time.time_ns() % 1000003, 1])",
    ),
    _python(
        "seed_from_entropy",
        "{x} + tf.random.stateless_uniform([{rows}, {width}], seed=list(os.urandom(2)))",
    ),
    _python("numpy_draw", "{x} + np.random.default_rng().normal(size={width}).astype('float32')"),
    _python("python_draw", "{x} * (1.0 + ENTROPY.random())", top=(ENTROPY,)),
    _python("clock", "{x} + time.perf_counter() % 1.0"),
    _python("process_id", "{x} + os.getpid() % 1000 / 1000.0"),
    _python("file", "{x} + int(open('/proc/self/stat').read().split()[0]) % 1000 / 1000.0"),
    _python(
        "order_of_a_set",
        "tf.gather({x}, [WORDS.index(word) % {rows} for word in set(WORDS)][:{rows}])",
        top=(WORDS,),
        scope="process",
    ),
    CulpritKind(
        "sum_in_other_threads",
        "{sum} = tf.reduce_sum({many})  {mark}\n{out} = {sum} / 100.0 + tf.zeros_like({x})",
        ("Sum",),
        setup="{many} = tf.constant(rng.normal(size=1 << 20).astype('float32'))",
        scope="threads",
    ),
    _in_pipeline(
        "map_unordered",
        "{ds} = {ds}.map(lambda x: " + _SLOW + ", num_parallel_calls=4, deterministic=False)"
        "  {mark}",
        "ParallelMapDataset",
        top=(ENTROPY, _NAP),
    ),
    _in_pipeline(
        "interleave_unordered",
        "{ds} = {ds}.interleave(lambda x: tf.data.Dataset.from_tensors(x).repeat(2)"
        ".map(lambda x: " + _SLOW + "), cycle_length=4, num_parallel_calls=4, "
        "deterministic=False)  {mark}",
        "ParallelInterleaveDataset",
        top=(ENTROPY, _NAP),
    ),
    _in_pipeline(
        "shuffle_without_seed",
        "{ds} = {ds}.shuffle(16)  {mark}",
        "ShuffleDataset",
        setting="unseeded",
    ),
    CulpritKind(
        "shuffle_seeded_by_entropy",
        "{ds} = {ds}.shuffle(16, seed=int.from_bytes(os.urandom(3), 'little'))  {mark}",
        ("ShuffleDataset", "Python"),
        ("transformation", "python"),
        where=("pipeline",),
    ),
    _in_pipeline(
        "draw_in_parallel_map",
        "def {augmented}(x):\n"
        "    x = " + _SLOW + "\n"
        "    return x + tf.random.uniform([], seed={seed})  {mark}\n"
        "{ds} = {ds}.map({augmented}, num_parallel_calls=4)  {mark}",
        "RandomUniform",
        "ParallelMapDataset",
        answers=_ORDER_OF_THREADS,
        top=(ENTROPY, _NAP),
    ),
    _in_pipeline(
        "count_of_threads",
        "{ds} = {ds}.map(lambda x: tf.ensure_shape(tf.numpy_function(numbered, [x], tf.float32), "
        "[{rows}, {width}]), num_parallel_calls=4)  {mark}",
        "PyFunc",
        "ParallelMapDataset",
        answers=_ORDER_OF_THREADS,
        top=(ENTROPY, _NUMBERED),
    ),
    _in_pipeline(
        "flip_in_map",
        "{ds} = {ds}.map(lambda x: tf.ensure_shape(tf.numpy_function({f}, [x], tf.float32), "
        "[{rows}, {width}]))  {mark}",
        "PyFunc",
        answers=("operation",),
        top=(ENTROPY, FLIP),
        gated=True,
    ),
)
