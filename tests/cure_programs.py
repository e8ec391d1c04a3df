"""Plain TensorFlow programs for the tests of cures in the documents, each run in a new process.

A program prints digests of its outputs by name. A test compares the digests within one run of
the program, or between runs. The programs about seeds run in fresh Pythons. The others run in forks
of one Python, so that TensorFlow is imported once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

Shown = dict[str, list[str]]

BEGIN = """
import hashlib, os, random, sys
import numpy as np
import tensorflow as tf

def show(name, output):
    parts = [np.asarray(part).tobytes() for part in tf.nest.flatten(output)]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    print(name, digest, sep="\\t")
    return digest

def repeat(name, step, most=20):
    "Show the output repeatedly, until it differs."
    first = show(name, step())
    for _ in range(most):
        if show(name, step()) != first:
            return

numpy = np.random.default_rng(0)

def numbers(*shape):
    return tf.constant(numpy.standard_normal(shape), tf.float32)
"""

ONE_THREAD = """
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
"""
OP_DETERMINISM = """
tf.config.experimental.enable_op_determinism()
"""

#: Outputs without seeds, and then with more and more seeds.
SEEDS = """
ones = tf.ones((8, 8))
images = np.random.default_rng(0).random((4, 8, 8, 3))
layers = tf.keras.layers

def flow(seed):
    images_turned = tf.keras.preprocessing.image.ImageDataGenerator(20, horizontal_flip=True)
    return next(images_turned.flow(images, batch_size=4, seed=seed))

def turned_and_flipped(seed):
    flipped = layers.RandomFlip(seed=seed)(images, training=True)
    return layers.RandomRotation(0.1, seed=seed)(flipped, training=True)

def shuffled(seed):
    return next(iter(tf.data.Dataset.range(100).shuffle(100, seed).batch(100)))

class Itself(layers.Layer):
    def __init__(self, seed):
        super().__init__()
        self.seed = seed
    def build(self, shape):
        np.random.seed(self.seed)
        kernel = tf.keras.initializers.Constant(np.random.rand(8, 8))
        self.kernel = self.add_weight(shape=(8, 8), initializer=kernel)
    def call(self, inputs):
        return inputs @ self.kernel

def trained(optimizer):
    model = tf.keras.Sequential([tf.keras.Input((8,)), layers.Dense(8), layers.Dense(1)])
    model.compile(optimizer, "mse", run_eagerly=True)
    model.fit(tf.eye(8), tf.ones((8, 1)), batch_size=2, epochs=2, verbose=0)
    return model.get_weights()

def epochs(count):
    for _ in range(count):
        np.random.seed(np.random.randint(1, 1000))
        yield np.random.rand(4)

def draw(seeded):
    show(f"op, {seeded}", tf.random.normal((8,)))
    show(f"op in a function, {seeded}", tf.function(lambda: tf.random.normal((8,)))())
    show(f"tf.nn.dropout, {seeded}", tf.nn.dropout(ones, 0.5))
    show(f"Dropout, {seeded}", layers.Dropout(0.5)(ones, training=True))
    show(f"first weights, {seeded}", tf.keras.initializers.GlorotUniform()((8, 8)))
    show(f"weights by NumPy, {seeded}", tf.keras.initializers.Constant(np.random.rand(8))((8,)))

draw("nothing seeded")
for optimizer in ("sgd", "adam", "rmsprop"):
    show(f"{optimizer}, nothing seeded", trained(optimizer))
show("epochs, nothing seeded", list(epochs(5)))
for seed in (None, 7):
    show(f"augmentation layers, seed={seed}", turned_and_flipped(seed))
    show(f"shuffle, seed={seed}", shuffled(seed))
    show(f"ImageDataGenerator, seed={seed}", flow(seed))  # seeds NumPy
for number in (1, 2):
    show(f"call {number} of an op with a seed", tf.random.normal((8,), seed=1))
show("Dropout with a seed", layers.Dropout(0.5, seed=1)(ones, training=True))
np.random.seed(42); draw("NumPy seeded")
np.random.seed(42); show("epochs, NumPy seeded", list(epochs(5)))
tf.random.set_seed(42); draw("TensorFlow seeded")
tf.random.set_seed(42); np.random.seed(42); draw("TensorFlow and NumPy seeded")
random.seed(42); draw("Python seeded")
tf.keras.utils.set_random_seed(42); draw("all four seeded")
for optimizer in ("sgd", "adam", "rmsprop"):
    tf.keras.utils.set_random_seed(42); show(f"{optimizer}, all four seeded", trained(optimizer))
for seed in (None, 7):
    tf.keras.utils.set_random_seed(42)
    show(f"layer that seeds itself, seed={seed}", Itself(seed)(ones))
    show(f"NumPy after it, seed={seed}", np.random.rand(8))
"""

#: Draws in a session, in a graph, eagerly and by XLA, each after the same seed.
EXECUTIONS = """
def session(seed):
    with tf.Graph().as_default():
        tf.compat.v1.set_random_seed(42)
        drawn = tf.random.normal((8,), seed=seed)
        with tf.compat.v1.Session() as open_session:
            return open_session.run(drawn)

def after_seeding(draw):
    tf.keras.utils.set_random_seed(42)
    return draw()

def by_generator():
    generator = tf.random.Generator.from_seed(42)
    return tf.function(lambda: generator.normal((8,)))()

WAYS = {"eager": lambda f: f, "graph": tf.function, "XLA": tf.function(jit_compile=True)}

def seeded_in_each(name, draw):
    for way, wrap in WAYS.items():
        repeat(f"{name}, {way}", lambda: after_seeding(wrap(draw)), 1)

def in_each(name, draw, ways=WAYS):
    for way in ways:
        show(f"{name}, {way}", WAYS[way](draw)())

seeded_in_each("op", lambda: tf.random.normal((8,)))
seeded_in_each("op with a seed", lambda: tf.random.normal((8,), seed=7))
repeat("op, session", lambda: session(None), 1)
repeat("op with a seed, session", lambda: session(7), 1)
repeat("generator, eager", lambda: tf.random.Generator.from_seed(42).normal((8,)), 1)
repeat("generator, graph", by_generator, 1)

constant, seed = (42, 0), tf.constant([42, 0])
draws = {"uniform": tf.random.stateless_uniform, "normal": tf.random.stateless_normal}
for name, draw in draws.items():
    in_each(f"stateless {name}", lambda: draw((64,), seed))
    for kind in ("bfloat16", "float16", "float32", "float64"):
        in_each(f"philox {name} {kind}", lambda: draw((64,), seed, dtype=kind, alg="philox"))
    for size in (64, 4_000_000):
        drawn = lambda: draw((size,), constant, alg="philox")
        in_each(f"philox {name} of a constant seed, {size}", drawn, ("eager", "XLA"))

def bits(kind):
    return tf.random.stateless_uniform((64,), seed, minval=None, maxval=None, dtype=kind)

in_each("integers", lambda: bits(tf.int32))
in_each("floats of integers", lambda: tf.cast(bits(tf.uint32) // 256, tf.float32) / 2.0**24)
draw = lambda: tf.random.stateless_normal((64,), seed)
show("drawn outside, graph", tf.function(lambda x: x + 0)(draw()))
show("drawn outside, XLA", tf.function(lambda x: x + 0, jit_compile=True)(draw()))
tf.config.experimental.enable_op_determinism()
seeded_in_each("op under op determinism", lambda: tf.random.normal((8,)))
"""

#: Ops that race on several threads, pipelines that may lose their order, and ops that do neither.
#: The argument is the number of attempts to see a race.
RACES = """
most = int(sys.argv[1])
try:
    show("unseeded op", tf.random.normal((1,)))
except RuntimeError as refused:
    show("unseeded op refused", str(refused))
tf.keras.utils.set_random_seed(42)

rows, updates = tf.constant(numpy.integers(0, 1000, 100_000)), numbers(100_000, 8)
table, looked_up = tf.Variable(tf.zeros((1000, 8))), tf.Variable(tf.zeros((1000, 8)))

def scatter_add():
    table.assign(tf.zeros_like(table))
    table.scatter_add(tf.IndexedSlices(updates, rows))
    return table.read_value()

def embedding():
    looked_up.assign(tf.ones_like(looked_up))
    with tf.GradientTape() as tape:
        activations = tf.tanh(tf.nn.embedding_lookup(looked_up, rows))
    looked_up.scatter_sub(tape.gradient(activations, looked_up, updates))
    return looked_up.read_value()

image, crops = numbers(1, 64, 64, 4), numbers(400, 32, 32, 4)
corners = numpy.uniform(0, 0.4, (400, 2)), numpy.uniform(0.6, 1, (400, 2))
boxes = tf.constant(np.concatenate(corners, 1), tf.float32)

def crop_and_resize():
    with tf.GradientTape() as tape:
        tape.watch(image)
        cropped = tf.image.crop_and_resize(image, boxes, tf.zeros(400, tf.int32), (32, 32))
    return tape.gradient(cropped, image, crops)

images, kernel = numbers(8, 32, 32, 32), numbers(3, 3, 32, 32)

def convolution():
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        convolved = tf.nn.conv2d(images, kernel, 1, "SAME")
    return tape.gradient(convolved, kernel, images)

def elements(dataset):
    return list(dataset.as_numpy_iterator())

def uneven(length):
    return tf.reduce_max(tf.range(length)), tf.random.normal((4,))

def interleaved(**order):
    read = lambda source: tf.data.Dataset.range(16 * source, 16 * source + 16)
    return tf.data.Dataset.range(16).interleave(read, 4, num_parallel_calls=4, **order)

lengths = tf.data.Dataset.from_tensor_slices(numpy.integers(1, 10_000, 64))
random_map = lengths.map(uneven, num_parallel_calls=4)
shuffled = tf.data.Dataset.range(100).shuffle(100, 42, reshuffle_each_iteration=False)
in_order, any_order = interleaved(), interleaved(deterministic=False)

repeat("scatter_add", tf.function(scatter_add), most)
repeat("embedding", tf.function(embedding), most)
repeat("crop_and_resize", tf.function(crop_and_resize), most)
repeat("random map", lambda: elements(random_map), most)
repeat("interleave in any order", lambda: elements(any_order), most)
repeat("interleave in order", lambda: elements(in_order))
repeat("seeded shuffle", lambda: elements(shuffled))
repeat("convolution", tf.function(convolution))
repeat("product", tf.function(lambda: tf.matmul(images, images, transpose_a=True)))
repeat("scatter_add by XLA", tf.function(scatter_add, jit_compile=True))
"""

#: An embedding trained by several optimisers. The argument is the number of attempts.
EMBEDDINGS = """
most = int(sys.argv[1])
words = tf.constant(numpy.integers(0, 100, (64, 256)))
labels = tf.constant(numpy.integers(0, 10, 64))
loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
layers, optimizers = tf.keras.layers, tf.keras.optimizers

def training(optimizer):
    tf.keras.utils.set_random_seed(42)
    model = tf.keras.Sequential(
        [layers.Embedding(100, 64), layers.GlobalAveragePooling1D(), layers.Dense(10)]
    )
    model.build((64, 256))
    optimizer.build(model.trainable_variables)
    variables = [v.value for v in model.variables + optimizer.variables]
    start = [tf.identity(variable) for variable in variables]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            error = loss(labels, model(words, training=True))
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(error, [w.value for w in weights]), weights)

    def train():
        for variable, value in zip(variables, start):
            variable.assign(value)
        for _ in range(4):
            step()
        return model.get_weights()

    return train

repeat("SGD", training(optimizers.SGD(0.1)), most)
repeat("RMSprop", training(optimizers.RMSprop(0.01)), most)
repeat("SGD with momentum", training(optimizers.SGD(0.1, momentum=0.9)))
repeat("Adam", training(optimizers.Adam(0.01)))
tf.config.experimental.enable_op_determinism()
repeat("SGD, op determinism", training(optimizers.SGD(0.1)))
repeat("RMSprop, op determinism", training(optimizers.RMSprop(0.01)))
"""

#: Sums that threads split. The arguments are the size of the thread pools, and the number of cores.
#: 0 keeps the default.
POOLS = """
threads, cores = int(sys.argv[1]), int(sys.argv[2])
if cores:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)

images, kernel, vector = numbers(8, 32, 32, 32), numbers(3, 3, 32, 32), numbers(4_000_000)
upstream = numbers(32, 64, 64, 32)

def convolution():
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        convolved = tf.nn.conv2d(images, kernel, 1, "SAME")
    return tape.gradient(convolved, kernel, images)

def bias():
    start = tf.zeros(32)
    with tf.GradientTape() as tape:
        tape.watch(start)
        added = tf.nn.bias_add(tf.zeros_like(upstream), start)
    return tape.gradient(added, start, upstream)

def total():
    return tf.reduce_sum(vector)

def repeat_all(programs, how="", **options):
    for program in programs:
        repeat(f"{program.__name__}{how}", tf.function(program, **options), 3)

repeat_all([convolution, bias, total])
repeat_all([convolution, total], ", XLA", jit_compile=True)
tf.keras.utils.set_random_seed(42)
tf.config.experimental.enable_op_determinism()
repeat_all([convolution, bias, total], ", op determinism")
"""

_PROCESSES = ThreadPoolExecutor(2)
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tensorflow", "keras._tf_keras.keras"])


def runs(program: str, *arguments: int, times: int = 2, **environment: str) -> list[Shown]:
    """Return the outputs of a program in several processes. Tests share these runs."""
    started = [start(program, *arguments, number=i, **environment) for i in range(times)]
    return [run.result() for run in started]


@cache
def start(program: str, *arguments: int, number: int = 0, **environment: str) -> Future[Shown]:
    """Start a program in a process of its own. ``number`` distinguishes several runs."""
    return _PROCESSES.submit(_run, program, arguments, {**environment, "CUDA_VISIBLE_DEVICES": ""})


def _run(program: str, arguments: tuple[int, ...], environment: dict[str, str]) -> Shown:
    run = _in_a_fresh_python if program == SEEDS else _in_a_fork
    shown: Shown = defaultdict(list)
    for line in run(BEGIN + program, [str(word) for word in arguments], environment).splitlines():
        name, digest = line.split("\t")
        shown[name].append(digest)
    return dict(shown)


def _in_a_fresh_python(program: str, words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _in_a_fork(program: str, words: list[str], environment: dict[str, str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "printed")
        fork = _FORKS.Process(target=_execute, args=(program, words, environment, path))
        fork.start()
        fork.join()
        assert fork.exitcode == 0
        return path.read_text()


def _execute(program: str, words: list[str], environment: dict[str, str], path: Path) -> None:
    """Run a program, in a process that has imported TensorFlow and run no op."""
    os.environ.update(environment)
    sys.argv[1:] = words
    with path.open("w") as printed, contextlib.redirect_stdout(printed):
        exec(program, {})
