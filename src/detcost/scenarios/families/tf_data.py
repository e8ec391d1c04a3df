"""Input pipelines: the order in which several threads shuffle, draw and deliver elements.

A step runs a small pipeline from its start and returns all elements. No step is traced, so XLA
has no meaning here. The number of parallel calls is fixed, because ``AUTOTUNE`` depends on
timings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario

PARALLEL = 4


@scenario(family="tf_data", ignores=("xla",))
def shuffle_seeded(bench: Bench) -> Callable[[], Any]:
    """Shuffle with its own seed and one order for all epochs; the order depends on that seed."""
    n = bench.sized(100, 1_000, 10_000)

    def step() -> Any:
        numbers = tf.data.Dataset.range(n)
        return gather(numbers.shuffle(n, bench.seed, reshuffle_each_iteration=False), n)

    return step


@scenario(family="tf_data", ignores=("xla",))
def shuffle_reshuffled(bench: Bench) -> Callable[[], Any]:
    """Two epochs of a seeded shuffle that reshuffles; the second depends on draws of the first."""
    n = bench.sized(100, 1_000, 10_000)

    def step() -> Any:
        numbers = tf.data.Dataset.range(n)
        dataset = numbers.shuffle(n, bench.seed, reshuffle_each_iteration=True)
        return gather(dataset, n), gather(dataset, n)

    return step


@scenario(family="tf_data", ignores=("xla",))
def shuffle_same_each_epoch(bench: Bench) -> Callable[[], Any]:
    """Two epochs of a seeded shuffle without reshuffling; both depend only on the seed."""
    n = bench.sized(100, 1_000, 10_000)

    def step() -> Any:
        numbers = tf.data.Dataset.range(n)
        dataset = numbers.shuffle(n, bench.seed, reshuffle_each_iteration=False)
        return gather(dataset, n), gather(dataset, n)

    return step


@scenario(family="tf_data", ignores=("xla",), draws=True)
def shuffle_unseeded(bench: Bench) -> Callable[[], Any]:
    """Shuffle without its own seed; the order depends on the program's seed, if it sets one."""
    n, seed = bench.sized(100, 1_000, 10_000), bench.draw.op_seed("Dataset.shuffle")

    def step() -> Any:
        bench.reseed()
        return gather(tf.data.Dataset.range(n).shuffle(n, seed), n)

    return step


@scenario(family="tf_data", ignores=("xla",))
def map_pure_parallel(bench: Bench) -> Callable[[], Any]:
    """Parallel map of a pure function, in order; calls overlap, but results are put in order."""
    return _map(bench, _work)


@scenario(family="tf_data", ignores=("xla",), draws=True)
def map_random_parallel(bench: Bench) -> Callable[[], Any]:
    """Parallel map with stateful random ops; parallel calls race for the random numbers."""
    seed = bench.draw.op_seed("tf.random.normal")

    def augment(index: Any, length: Any) -> Any:
        return _work(index, length), tf.random.normal((16,), seed=seed)

    return _map(bench, augment)


@scenario(family="tf_data", ignores=("xla",))
def map_stateless_parallel(bench: Bench) -> Callable[[], Any]:
    """Parallel map with stateless random ops; each element has its own seed, so nothing races."""

    def augment(index: Any, length: Any) -> Any:
        return _work(index, length), tf.random.stateless_normal((16,), seed=(bench.seed, index))

    return _map(bench, augment)


@scenario(family="tf_data", core=True, ignores=("xla",))
def map_unordered(bench: Bench) -> Callable[[], Any]:
    """Parallel map of a pure function, any order; elements come in the order of completion."""
    return _map(bench, _work, deterministic=False)


@scenario(family="tf_data", ignores=("xla",))
def interleave_sequential(bench: Bench) -> Callable[[], Any]:
    """Interleave of several sources by one thread, in order; no other thread can race."""
    return _interleave(bench, parallel=None)


@scenario(family="tf_data", ignores=("xla",))
def interleave_parallel(bench: Bench) -> Callable[[], Any]:
    """Interleave of several sources by several threads, in order; results are put in order."""
    return _interleave(bench, parallel=PARALLEL)


@scenario(family="tf_data", ignores=("xla",))
def interleave_cycle_1(bench: Bench) -> Callable[[], Any]:
    """Interleave of one source at a time, each to its end; no other source can come first."""
    return _interleave(bench, parallel=1, cycle=1)


@scenario(family="tf_data", ignores=("xla",))
def interleave_cycle_4(bench: Bench) -> Callable[[], Any]:
    """Interleave of four sources at a time, a thread each; results are put in order."""
    return _interleave(bench, parallel=4, cycle=4)


@scenario(family="tf_data", ignores=("xla",))
def interleave_unordered(bench: Bench) -> Callable[[], Any]:
    """Interleave of several sources, any order; the source that is ready first comes first."""
    return _interleave(bench, parallel=PARALLEL, deterministic=False)


@scenario(family="tf_data", ignores=("xla",))
def batch_parallel(bench: Bench) -> Callable[[], Any]:
    """Batches that several threads copy, in order; finished batches are put in order."""
    return _batch(bench)


@scenario(family="tf_data", ignores=("xla",))
def batch_unordered(bench: Bench) -> Callable[[], Any]:
    """Batches that several threads copy, any order; batches come in the order of completion."""
    return _batch(bench, deterministic=False)


def gather(dataset: Any, count: int) -> Any:
    """Return all ``count`` elements of a new pass, stacked in their order.

    Autotuning is off: stopping its thread after such a short pass takes up to 20 ms, which is
    longer than the pass itself.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return next(iter(dataset.batch(count).with_options(options)))


def _work(index: Any, length: Any) -> Any:
    """Return the element after work of the given length. A maximum itself cannot vary."""
    return index, tf.reduce_max(tf.range(length))


def _map(
    bench: Bench, function: Callable[[Any, Any], Any], deterministic: bool | None = None
) -> Callable[[], Any]:
    n = bench.sized(16, 64, 1_024)
    lengths = 1 + bench.integers((n,), high=10_000)  # uneven, so that calls overtake each other
    elements = tf.data.Dataset.from_tensor_slices((tf.range(n), lengths))
    mapped = elements.map(function, num_parallel_calls=PARALLEL)
    dataset = bench.dataset(mapped, deterministic)

    # No reseeding: every pass over a data set restarts its random ops.
    def step() -> Any:
        return gather(dataset, n)

    return step


def _interleave(
    bench: Bench,
    parallel: int | None,
    deterministic: bool | None = None,
    cycle: int = 2 * PARALLEL,
) -> Callable[[], Any]:
    sources, length = bench.sized((8, 4), (16, 16), (64, 256))

    def read(source: Any) -> Any:
        return tf.data.Dataset.range(source * length, (source + 1) * length)

    numbers = tf.data.Dataset.range(sources)
    merged = numbers.interleave(read, cycle_length=cycle, num_parallel_calls=parallel)
    dataset = bench.dataset(merged, deterministic)

    def step() -> Any:
        return gather(dataset, sources * length)

    return step


def _batch(bench: Bench, deterministic: bool | None = None) -> Callable[[], Any]:
    n, size = bench.sized(64, 256, 4_096), 8
    rows = tf.data.Dataset.from_tensor_slices(bench.normal((n, 256)))
    batches = rows.batch(size, drop_remainder=True, num_parallel_calls=PARALLEL)
    dataset = bench.dataset(batches, deterministic)

    def step() -> Any:
        return gather(dataset, n // size)

    return step
