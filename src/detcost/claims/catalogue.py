"""The catalogue: claims of five popular answers about reproducible TensorFlow.

The answers date from January 2025 and are named by their titles. Each claim is written as
hypotheses that evidence can confirm. :func:`detcost.claims.measuring.measure` measures them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from detcost.claims.hypotheses import (
    AcrossVersions,
    Costs,
    Differ,
    Grows,
    Hypothesis,
    Same,
    Stays,
    Varies,
)

M1 = "Are TensorFlow results reproducible when a global seed is set on macOS M1?"
FAILING = "Why are reproducible results failing in TensorFlow?"
UNRELIABLE = (
    "How can I ensure reproducibility in TensorFlow code when tf.set_random_seed is unreliable?"
)
INEFFECTIVE = "Why is TensorFlow's set_random_seed function ineffective?"
TF1_TF2 = "Does a shared random seed guarantee identical results between TF1 and TF2?"


@dataclass(frozen=True)
class Claim:
    """A claim, and the hypotheses that must be true for it to hold.

    Attributes
    ----------
    name
        Its name in tables.
    statement
        The claim in one line.
    sources
        Titles of the answers that make it.
    hypotheses
        Evidence is evaluated on each one separately.
    """

    name: str
    statement: str
    sources: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]


RACES = ("embedding_gradient_dup100", "crop_and_resize_gradient", "map_random_parallel")
DRAWS = ("normal_eager", "normal_graph", "normal_matmul_eager", "normal_matmul_graph", "dropout_op")
LAYERS = ("dropout_layer", "weight_initialisation")
TRAININGS = ("dense_fit_sgd", "dense_fit_adam", "dense_fit_rmsprop")
AUGMENTATIONS = ("augment_image_data_generator", "augment_keras_layers")
PROGRAMS = ("normal", "weights", "dropout", "sgd")


def _each(
    kind: type[Stays], scenarios: tuple[str, ...], setting: str, *scopes: str
) -> tuple[Hypothesis, ...]:
    return tuple(kind(name, setting, scope) for name in scenarios for scope in scopes)


def _on_gpu(*scenarios: str) -> tuple[Hypothesis, ...]:
    return tuple(Varies(name, "default", "repeat", "GPU:0") for name in scenarios)


CLAIMS = (
    # -- seeds ---------------------------------------------------------------------------
    Claim(
        "unseeded_differs",
        "without a seed every run draws different numbers and starts from different weights",
        (FAILING,),
        _each(Varies, (*DRAWS, *LAYERS), "unseeded", "process"),
    ),
    Claim(
        "global_seed_on_cpu",
        "on a CPU tf.random.set_seed is enough to get the same numbers again",
        (INEFFECTIVE,),
        _each(Stays, (*DRAWS, *LAYERS), "seeding=tf", "repeat", "process"),
    ),
    Claim(
        "global_seed_is_unreliable",
        "tf.random.set_seed alone does not give the same numbers in the next run",
        (UNRELIABLE,),
        _each(Varies, (*DRAWS, *LAYERS), "seeding=tf", "process"),
    ),
    Claim(
        "two_seeds_suffice",
        "tf.random.set_seed and np.random.seed together give the same weights in every run",
        (FAILING,),
        (
            *_each(Stays, LAYERS, "seeding=tf_numpy", "process"),
            *_each(Stays, TRAININGS, "seeding=tf_numpy", "process"),
        ),
    ),
    Claim(
        "keras_seed_suffices",
        "seeding Python, NumPy, TensorFlow and Keras gives the same numbers in every run",
        (M1, FAILING),
        _each(Stays, (*DRAWS, *LAYERS), "default", "repeat", "process"),
    ),
    Claim(
        "seed_every_op",
        "a seed for every op, derived from a master seed, gives the same numbers in every run",
        (UNRELIABLE, INEFFECTIVE),
        _each(Stays, (*DRAWS, *LAYERS), "seeding=per_op", "process"),
    ),
    Claim(
        "numpy_values",
        "numbers and weights made by a seeded NumPy are the same in every run",
        (UNRELIABLE, TF1_TF2),
        _each(
            Stays, ("normal_eager", "weight_initialisation"), "seeding=numpy", "repeat", "process"
        ),
    ),
    Claim(
        "numpy_seed_reaches_keras",
        "np.random.seed makes what Keras draws by itself the same in every run",
        (UNRELIABLE,),
        _each(Stays, ("dropout_layer", "dense_fit_sgd"), "seeding=numpy", "process"),
    ),
    Claim(
        "layer_that_seeds_itself",
        "a layer that seeds NumPy in build has the same weights in every run",
        (UNRELIABLE,),
        (
            Stays("layer_seeding_itself", "seeding=per_op", "process"),
            Stays("layer_seeding_itself", "default", "process"),
        ),
    ),
    Claim(
        "epoch_seeds",
        "a seed for each epoch, derived from the previous one, repeats the data of every epoch",
        (UNRELIABLE,),
        _each(Stays, ("per_epoch_reseeding",), "seeding=numpy", "repeat", "process"),
    ),
    Claim(
        "stateless_ops",
        "stateless random ops draw the same numbers however they are executed",
        (INEFFECTIVE,),
        _each(Stays, ("normal_eager", "normal_graph"), "seeding=stateless", "repeat", "execution"),
    ),
    # -- tf.function, dropout --------------------------------------------------------------
    Claim(
        "function_changes_draws",
        "inside tf.function seeded draws change from one run to the next",
        (INEFFECTIVE,),
        _each(Varies, ("normal_graph", "normal_matmul_graph"), "seeding=tf", "repeat", "process"),
    ),
    Claim(
        "function_draws_otherwise",
        "one seed gives different numbers inside tf.function and eagerly",
        (INEFFECTIVE,),
        (
            Differ(("normal_eager", "seeding=tf"), ("normal_graph", "seeding=tf")),
            Differ(("normal_eager", "seeding=stateless"), ("normal_graph", "seeding=stateless")),
            Differ(("normal_eager", "seeding=generator"), ("normal_graph", "seeding=generator")),
        ),
    ),
    Claim(
        "dropout_ignores_the_seed",
        "dropout drops different inputs in spite of the global seed",
        (INEFFECTIVE, TF1_TF2),
        (
            *_each(Varies, ("dropout_op", "dropout_layer"), "seeding=tf", "repeat", "process"),
            *_each(Varies, ("dropout_op", "dropout_layer"), "default", "repeat", "process"),
        ),
    ),
    # -- optimisers ------------------------------------------------------------------------
    Claim(
        "adam_is_nondeterministic",
        "training with Adam ends in different weights in spite of the seeds",
        (M1, FAILING),
        _each(Varies, ("dense_fit_adam", "dense_loop_adam"), "default", "repeat", "process"),
    ),
    Claim(
        "rmsprop_is_nondeterministic",
        "training with RMSprop ends in different weights in spite of the seeds",
        (FAILING,),
        _each(Varies, ("dense_fit_rmsprop",), "default", "repeat", "process"),
    ),
    Claim(
        "sgd_is_deterministic",
        "training with SGD ends in the same weights, because SGD is deterministic",
        (FAILING,),
        (
            *_each(Stays, ("dense_fit_sgd", "cnn_loop_sgd"), "default", "repeat", "process"),
            Stays("cnn_loop_sgd", "default", "threads"),
            Stays("embedding_training", "default", "repeat"),
        ),
    ),
    Claim(
        "sgd_varies",
        "training with SGD varies across runs with one seed, because its batches are random",
        (TF1_TF2,),
        _each(Varies, ("dense_fit_sgd",), "default", "repeat", "process"),
    ),
    Claim(
        "bits_never_repeat",
        "several runs on one machine cannot give the same bits",
        (M1,),
        (
            *_each(Varies, TRAININGS, "default", "process"),
            Varies("embedding_training", "default", "process"),
            Varies("embedding_training", "op_determinism", "process"),
        ),
    ),
    Claim(
        "differences_grow",
        "differences are small at first and grow with the epochs",
        (M1,),
        (
            Grows("embedding_training", "default", "process"),
            Grows("cnn_loop_sgd", "default", "threads"),
        ),
    ),
    # -- pipelines -------------------------------------------------------------------------
    Claim(
        "augmentation_varies",
        "images are rotated and shifted differently in every run, even with a seed",
        (M1,),
        _each(Varies, AUGMENTATIONS, "default", "repeat", "process"),
    ),
    Claim(
        "seeded_shuffle",
        "a seeded shuffle of tf.data cannot be trusted to repeat its order",
        (FAILING,),
        (
            *_each(Varies, ("shuffle_seeded",), "default", "repeat", "process", "threads"),
            *_each(Varies, ("shuffle_same_each_epoch",), "default", "repeat", "process"),
            AcrossVersions("shuffle_seeded", "default", same=False),
        ),
    ),
    Claim(
        "interleave_one_at_a_time",
        "interleave keeps its order only if it takes one input at a time",
        (FAILING,),
        (
            *_each(Stays, ("interleave_cycle_1",), "default", "repeat", "process", "threads"),
            *_each(Varies, ("interleave_cycle_4",), "default", "repeat", "process"),
        ),
    ),
    # -- threads and switches --------------------------------------------------------------
    Claim(
        "threads_vary_results",
        "operations on several threads give different results from run to run",
        (M1, UNRELIABLE),
        _each(Varies, (*RACES, "conv2d_backward", "matmul_square"), "default", "repeat"),
    ),
    Claim(
        "single_thread_does_not_suffice",
        "one thread in each pool does not make results repeat",
        (M1,),
        _each(Varies, RACES, "threads=1", "repeat", "process"),
    ),
    Claim(
        "legacy_switch_is_limited",
        "TF_DETERMINISTIC_OPS with one thread does not make everything repeat",
        (M1,),
        _each(Varies, (*RACES, "replicas_mirrored"), "deterministic_ops_env+threads=1", "repeat"),
    ),
    Claim(
        "legacy_switch_helps",
        "TF_DETERMINISTIC_OPS makes racing operations repeat",
        (INEFFECTIVE,),
        _each(Stays, RACES, "deterministic_ops_env", "repeat", "process"),
    ),
    Claim(
        "legacy_switch_costs",
        "TF_DETERMINISTIC_OPS costs time",
        (INEFFECTIVE,),
        tuple(Costs(name, "deterministic_ops_env") for name in RACES),
    ),
    # -- sessions --------------------------------------------------------------------------
    Claim(
        "tf1_and_tf2_agree",
        "one seed gives a TF1 session and TF2 the same numbers",
        (TF1_TF2,),
        tuple(
            Same((f"session_{program}", "default"), (f"session_{program}_as_{way}", "default"))
            for program in PROGRAMS
            for way in ("function", "eager")
        ),
    ),
    Claim(
        "session_repeats",
        "a session with fixed options and a graph's seed gives the same results again",
        (FAILING, UNRELIABLE),
        _each(Stays, tuple(f"session_{p}" for p in PROGRAMS), "default", "repeat", "process"),
    ),
    Claim(
        "jit_changes_results",
        "global_jit_level=ON_1 changes results through another order of operations",
        (FAILING,),
        (
            Differ(("session_conv", "default"), ("session_conv", "xla")),
            Differ(("session_conv_as_function", "default"), ("session_conv_as_function", "xla")),
        ),
    ),
    # -- devices, machines, versions -------------------------------------------------------
    Claim(
        "replicas_vary",
        "training over several replicas differs from run to run in spite of the seed",
        (M1, UNRELIABLE),
        _each(
            Varies, ("replicas_mirrored", "replicas_multi_worker"), "default", "repeat", "process"
        ),
    ),
    Claim(
        "versions_differ",
        "another version of TensorFlow gives different numbers from one seed",
        (FAILING, UNRELIABLE, INEFFECTIVE, TF1_TF2),
        tuple(
            AcrossVersions(name, "default", same=False)
            for name in ("normal_eager", "normal_graph", "weight_initialisation", "dense_fit_sgd")
        ),
    ),
    Claim(
        "gpu_has_its_own_generator",
        "matmul on a GPU has its own random generator, which no seed reaches",
        (M1, INEFFECTIVE),
        _on_gpu("normal_matmul_eager", "normal_matmul_graph"),
    ),
    Claim(
        "gpu_draws_vary",
        "random numbers drawn on a GPU vary in spite of the global seed",
        (M1, INEFFECTIVE),
        _on_gpu("normal_eager", "normal_graph", "dropout_op"),
    ),
    Claim(
        "cpu_and_gpu_differ",
        "the same program gives different results on a GPU and on a CPU",
        (FAILING,),
        (
            Differ(
                ("normal_matmul_eager", "default"),
                ("normal_matmul_eager", "default"),
                devices=("CPU:0", "GPU:0"),
            ),
        ),
    ),
)
