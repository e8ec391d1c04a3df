"""Every cure in the documents works, and the problem exists without it.

Each test begins with the sentences of a document that it checks. If you change such a sentence,
change its test as well. Two kinds of cures are missing, because no TensorFlow program can show
them: those of noise in timings, and those of missing evidence, which `test_cli_choose.py` tests.
"""

from __future__ import annotations

import os

import pytest

from cure_programs import (
    EMBEDDINGS,
    EXECUTIONS,
    ONE_THREAD,
    OP_DETERMINISM,
    POOLS,
    RACES,
    SEEDS,
    Shown,
    runs,
    start,
)
from paths import ROOT

CAN_CHOOSE_CORES = hasattr(os, "sched_setaffinity")
CORES = len(os.sched_getaffinity(0)) if CAN_CHOOSE_CORES else os.cpu_count() or 1

pytestmark = pytest.mark.tensorflow
with_two_cores = pytest.mark.skipif(CORES < 2, reason="nothing races on one core")
with_chosen_cores = pytest.mark.skipif(
    not CAN_CHOOSE_CORES, reason="this system cannot choose the cores of a program"
)

ONCE, OFTEN = 20, 300  # attempts to see a race: with a cure, and without
DRAWN_BY_TENSORFLOW = ("op", "op in a function", "tf.nn.dropout")
DRAWN_BY_KERAS = ("Dropout", "first weights")
EVERYTHING = (*DRAWN_BY_TENSORFLOW, *DRAWN_BY_KERAS, "weights by NumPy")
OPTIMISERS = ("sgd", "adam", "rmsprop")
RACING = ("scatter_add", "embedding", "crop_and_resize", "random map", "interleave in any order")
SCATTERED = ("scatter_add", "embedding", "crop_and_resize")


def documented(document: str, *sentences: str) -> None:
    text = " ".join((ROOT / document).read_text().split())
    for sentence in sentences:
        assert sentence in text, f"{document} no longer has this sentence; adapt the test"


def same(shown: list[Shown], *names: str) -> bool:
    """Return whether all of these outputs are the same, in every run and every call."""
    return len({digest for run in shown for name in names for digest in run[name]}) == 1


def repeats(shown: list[Shown], name: str) -> bool:
    """Return whether every run shows the same sequence of outputs."""
    return all(run[name] == shown[0][name] for run in shown)


def races(shown: list[Shown], name: str) -> bool:
    """Return whether an output differs between calls within each run."""
    return all(len(set(run[name])) > 1 for run in shown)


# -- seeds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("drawn", EVERYTHING)
def test_set_random_seed_seeds_all_random_numbers(drawn):
    documented(
        "docs/folklore.md",
        "`tf.keras.utils.set_random_seed(42)` seeds all four, and the output stays.",
        "seeding Python, NumPy, TensorFlow and Keras gives the same numbers in every run | "
        "**holds**",
    )
    assert not repeats(runs(SEEDS), f"{drawn}, nothing seeded")
    assert repeats(runs(SEEDS), f"{drawn}, all four seeded")


@pytest.mark.parametrize("drawn", DRAWN_BY_TENSORFLOW)
def test_ops_follow_the_seed_of_tensorflow(drawn):
    documented(
        "docs/folklore.md",
        "ops follow the global seed, Keras's layers and initialisers do not.",
        "`tf.nn.dropout` follows TensorFlow's global seed; the Keras layer, for the reason above, "
        "does not.",
        "Inside `tf.function` the numbers are the same in every run",
    )
    assert not repeats(runs(SEEDS), f"{drawn}, nothing seeded")
    assert repeats(runs(SEEDS), f"{drawn}, TensorFlow seeded")


@pytest.mark.parametrize("seeded", ["TensorFlow", "NumPy", "TensorFlow and NumPy"])
@pytest.mark.parametrize("drawn", DRAWN_BY_KERAS)
def test_keras_ignores_the_seeds_of_tensorflow_and_numpy(drawn, seeded):
    documented("README.md", "Two seeds are enough for Keras (they are not).")
    documented(
        "docs/measurement.md", "**TensorFlow's seed does not reach Keras, nor NumPy's TensorFlow.**"
    )
    assert not repeats(runs(SEEDS), f"{drawn}, {seeded} seeded")


@pytest.mark.parametrize("drawn", DRAWN_BY_KERAS)
def test_keras_follows_the_seed_of_python(drawn):
    documented("docs/measurement.md", "an unseeded one takes its seed from Python's `random`")
    assert not repeats(runs(SEEDS), f"{drawn}, TensorFlow and NumPy seeded")
    assert repeats(runs(SEEDS), f"{drawn}, Python seeded")


def test_the_seed_of_numpy_reaches_numpy_alone():
    documented("docs/measurement.md", "TensorFlow's own draws are as free as without it.")
    documented(
        "docs/folklore.md",
        "numbers and weights made by a seeded NumPy are the same in every run | **holds**",
    )
    assert not repeats(runs(SEEDS), "weights by NumPy, nothing seeded")
    assert repeats(runs(SEEDS), "weights by NumPy, NumPy seeded")
    for drawn in DRAWN_BY_TENSORFLOW:
        assert not repeats(runs(SEEDS), f"{drawn}, NumPy seeded")


def test_a_seed_at_the_op_starts_over_with_the_process():
    documented(
        "docs/folklore.md",
        "Every run of the program draws the same, and a second call in the same run the next "
        "numbers.",
    )
    documented(
        "docs/measurement.md",
        "**A seed at the op starts over with the process, not with the call.**",
    )
    first, second = (f"call {number} of an op with a seed" for number in (1, 2))
    assert not repeats(runs(SEEDS), "op, nothing seeded")
    assert repeats(runs(SEEDS), first)
    assert repeats(runs(SEEDS), second)
    assert not same(runs(SEEDS), first, second)
    assert repeats(runs(SEEDS), "Dropout with a seed")


def test_a_layer_that_seeds_numpy_needs_a_seed():
    documented(
        "docs/folklore.md",
        "a layer that calls `np.random.seed(seed)` is as good as its seed.",
        "*unseeds* NumPy for the rest of the program",
    )
    documented("docs/measurement.md", "It undoes `set_random_seed` for the whole program")
    for output in ("layer that seeds itself", "NumPy after it"):
        assert not repeats(runs(SEEDS), f"{output}, seed=None")
        assert repeats(runs(SEEDS), f"{output}, seed=7")


def test_epoch_seeds_drawn_from_each_other_repeat_the_data():
    documented(
        "docs/folklore.md",
        "a seed for each epoch, derived from the previous one, repeats the data of every epoch | "
        "**holds**",
    )
    assert not repeats(runs(SEEDS), "epochs, nothing seeded")
    assert repeats(runs(SEEDS), "epochs, NumPy seeded")


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_seeded_training_ends_in_the_same_bits(optimiser):
    documented(
        "docs/folklore.md",
        "With the start and the batches seeded, each ends in the same bits.",
    )
    assert not repeats(runs(SEEDS), f"{optimiser}, nothing seeded")
    assert repeats(runs(SEEDS), f"{optimiser}, all four seeded")


@pytest.mark.parametrize("output", ["ImageDataGenerator", "augmentation layers", "shuffle"])
def test_a_seed_is_enough_to_augment_and_to_shuffle(output):
    documented(
        "docs/folklore.md",
        "**`augmentation_varies`: a seed is enough for it.**",
        "a seeded shuffle, and an interleave of four inputs at once, gave one order in every run",
    )
    assert not repeats(runs(SEEDS), f"{output}, seed=None")
    assert repeats(runs(SEEDS), f"{output}, seed=7")


# -- eager, graph, session and XLA ---------------------------------------------------------


@pytest.mark.parametrize("drawn", ["generator", "stateless uniform", "stateless normal"])
def test_stateless_ops_and_generators_draw_alike_in_a_graph(drawn):
    documented("docs/folklore.md", "Stateless ops and generators agree.")
    documented(
        "docs/measurement.md",
        "Stateless ops and a generator made again repeat, and draw the same eagerly and as a "
        "graph. After a global seed the two differ.",
    )
    assert not same(runs(EXECUTIONS), "op, eager", "op, graph")
    assert same(runs(EXECUTIONS), f"{drawn}, eager", f"{drawn}, graph")


def test_ops_with_seeds_draw_alike_in_session_graph_and_eager():
    documented(
        "docs/folklore.md",
        "Eager draws differ from both, and where ops carry seeds of their own all three agree.",
        "a session with fixed options and a graph's seed gives the same results again | **holds**",
    )
    ways = ("session", "graph", "eager")
    assert same(runs(EXECUTIONS), "op, session", "op, graph")
    assert not same(runs(EXECUTIONS), "op, session", "op, eager")
    assert same(runs(EXECUTIONS), *(f"op with a seed, {way}" for way in ways))


@pytest.mark.parametrize("drawn", ["uniform", "normal"])
def test_naming_philox_does_not_cure_floats_under_xla(drawn):
    documented(
        "docs/folklore.md",
        "Eager and graph draw the same numbers. XLA draws others, uniform and normal ones alike. "
        '`alg="philox"` does not change that: on a CPU all three use Philox anyway.',
        "Integers agree, and so do uniform numbers of float16.",
    )
    documented("docs/measurement.md", '`alg="philox"` does not change that.')
    shown = runs(EXECUTIONS)
    for way in ("eager", "graph", "XLA"):
        assert same(shown, f"stateless {drawn}, {way}", f"philox {drawn} float32, {way}")
    for kind in ("bfloat16", "float16", "float32", "float64"):
        philox = f"philox {drawn} {kind}"
        agrees = (drawn, kind) == ("uniform", "float16")
        assert same(shown, f"{philox}, eager", f"{philox}, graph")
        assert same(shown, f"{philox}, eager", f"{philox}, XLA") is agrees


@pytest.mark.parametrize("drawn", ["uniform", "normal"])
def test_naming_philox_cures_small_draws_of_a_constant_seed(drawn):
    documented(
        "docs/folklore.md",
        "TensorFlow then computes a small draw before XLA compiles the rest, and a large draw "
        "differs again.",
    )
    for size, agrees in ((64, True), (4_000_000, False)):
        draw = f"philox {drawn} of a constant seed, {size}"
        assert same(runs(EXECUTIONS), f"{draw}, eager", f"{draw}, XLA") is agrees


def test_integers_and_draws_outside_agree_under_xla():
    documented(
        "docs/folklore.md",
        "Two things help: draw outside of the compiled function and pass the numbers in, or draw "
        "integers and turn them into floats yourself.",
    )
    documented("docs/measurement.md", "The integers drawn are the same, the floats are others.")
    assert not same(runs(EXECUTIONS), "stateless normal, eager", "stateless normal, XLA")
    assert same(runs(EXECUTIONS), "drawn outside, XLA", "stateless normal, eager")
    for drawn in ("integers", "floats of integers"):
        assert same(runs(EXECUTIONS), *(f"{drawn}, {way}" for way in ("eager", "graph", "XLA")))


@pytest.mark.parametrize("drawn", ["op", "op with a seed", "op under op determinism"])
def test_stateful_ops_repeat_under_xla_only_in_a_new_process(drawn):
    documented(
        "docs/measurement.md",
        "Under `xla` every call of `graph_random_ops` draws other numbers, seeded or not, also "
        "with op determinism and one thread. The next process draws the same ones again.",
    )
    assert races(runs(EXECUTIONS), f"{drawn}, XLA")
    assert repeats(runs(EXECUTIONS), f"{drawn}, XLA")


# -- races ---------------------------------------------------------------------------------


@with_two_cores
@pytest.mark.parametrize("output", RACING)
def test_op_determinism_cures_races_between_threads(output):
    documented(
        "docs/folklore.md",
        "**`bits_never_repeat`: they do**, under `op_determinism` even where threads raced before.",
    )
    assert races(runs(RACES, OFTEN), output)
    assert same(runs(OP_DETERMINISM + RACES, ONCE), output)


@with_two_cores
@pytest.mark.parametrize("output", SCATTERED)
def test_one_thread_cures_scattered_additions(output):
    documented("docs/folklore.md", "Scattered additions do not, and one thread fixes those.")
    assert races(runs(RACES, OFTEN), output)
    assert same(runs(ONE_THREAD + RACES, ONCE, times=1), output)


@with_two_cores
def test_one_thread_does_not_cure_a_random_parallel_map():
    documented(
        "docs/folklore.md",
        "A parallel `map` with random ops races with one thread in each pool as well.",
    )
    assert races(runs(ONE_THREAD + RACES, ONCE, times=1), "random map")


@with_two_cores
@pytest.mark.parametrize("output", RACING)
def test_the_legacy_variable_equals_op_determinism(output):
    documented(
        "docs/folklore.md",
        "With `TF_DETERMINISTIC_OPS=1` and one thread, nothing that races by default raced. "
        "TensorFlow reads the variable like `enable_op_determinism()`.",
        "TF_DETERMINISTIC_OPS makes racing operations repeat | **holds**",
    )
    assert races(runs(RACES, OFTEN), output)
    started = [start(set_up + RACES, ONCE, TF_DETERMINISTIC_OPS="1") for set_up in ("", ONE_THREAD)]
    for legacy in [run.result() for run in started]:
        assert same([legacy], output)
        assert same([legacy, *runs(OP_DETERMINISM + RACES, ONCE)], "unseeded op refused")


@with_two_cores
def test_xla_cures_scatter_add():
    documented("docs/measurement.md", "under XLA, which does not race either.")
    assert races(runs(RACES, OFTEN), "scatter_add")
    assert same(runs(RACES, OFTEN), "scatter_add by XLA")


@pytest.mark.parametrize("output", ["convolution", "product"])
def test_convolutions_and_products_repeat_on_many_threads(output):
    documented(
        "docs/folklore.md",
        "A convolution's gradient and a matrix product repeat their bits on many threads",
    )
    assert same(runs(RACES, OFTEN), output)


@with_two_cores
@pytest.mark.parametrize("output", ["seeded shuffle", "interleave in order"])
def test_tf_data_keeps_its_order_by_default(output):
    documented(
        "docs/folklore.md",
        "the order of `tf.data` is a promise** unless a pipeline gives it up by "
        "`deterministic=False`",
    )
    assert races(runs(RACES, OFTEN), "interleave in any order")
    assert same(runs(RACES, OFTEN), output)


@with_two_cores
def test_an_embedding_races_by_optimiser_until_op_determinism():
    documented(
        "docs/folklore.md",
        "`sgd_is_deterministic` fails for an embedding. RMSprop fails there as well. Adam and SGD "
        "with momentum repeat their bits: for them Keras first turns that gradient into a dense "
        "one. Op determinism fixes SGD and RMSprop.",
    )
    shown = runs(EMBEDDINGS, OFTEN, times=1)
    for optimiser in ("SGD", "RMSprop"):
        assert races(shown, optimiser)
        assert same(shown, f"{optimiser}, op determinism")
    assert same(shown, "Adam")
    assert same(shown, "SGD with momentum")


# -- sizes of the thread pools -------------------------------------------------------------


def pools(*arguments: tuple[int, int]) -> list[Shown]:
    """Return the sums under several sizes of thread pools and numbers of cores."""
    return [run.result() for run in [start(POOLS, *sizes) for sizes in arguments]]


@with_chosen_cores
@pytest.mark.parametrize("output", ["convolution", "bias", "total"])
@pytest.mark.parametrize("how", ["", ", op determinism"])
def test_one_thread_sums_alike_on_any_number_of_cores(output, how):
    documented(
        "README.md",
        "A setting that fixes a thing keeps it fixed: `threads=1` keeps its bits under `threads` "
        "by construction",
    )
    documented(
        "docs/measurement.md",
        "never differed between runs or processes, under `op_determinism` or not. They differ with "
        "the size of the thread pools, because threads split the sums. One thread prevents that.",
    )
    program = f"{output}{how}"
    by_size = pools((1, 0), (2, 0), (3, 0))
    assert all(same([shown], program) for shown in by_size)
    assert not same(by_size, program)
    assert same(pools((1, 1), (1, 0)), program)


@with_chosen_cores
def test_xla_sums_alike_on_any_number_of_threads():
    documented(
        "docs/measurement.md",
        "`reduce_sum_large` gives the same bits under XLA in every scope.",
    )
    assert not same(pools((1, 0), (2, 0), (3, 0)), "total")
    assert same(pools((1, 0), (2, 0), (3, 0)), "total, XLA")


@with_chosen_cores
def test_one_thread_and_xla_convolve_alike_on_any_cores():
    """README shows this result after most measurements."""
    assert not same(pools((1, 0), (2, 0), (3, 0)), "convolution, XLA")
    assert same(pools((1, 1), (1, 0)), "convolution, XLA")
