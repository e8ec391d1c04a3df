"""Levers: the things that can be set, and the code that sets each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from detcost.settings.instruction_sets import LEVER_CAPS
from detcost.settings.variables import Variable

SEEDED = "tf.keras.utils.set_random_seed({seed})  # Python, NumPy, TensorFlow and Keras"

Value = int | str | None

T = TypeVar("T")
#: Several things, the same ones whatever a lever's value is, or others for each of its words.
ByWord = tuple[T, ...] | Mapping[str, tuple[T, ...]]


@dataclass(frozen=True)
class Lever:
    """One thing that can be set.

    Parameters
    ----------
    name
        As written in a setting.
    summary
        One line for ``detcost list settings``.
    controls
        What it governs. Two levers of a setting that govern the same thing conflict.
    value
        ``None`` for a switch, ``int`` for ``name=N``, or the words it takes (``("off",)``).
    environment
        Variables that must be set before TensorFlow is imported.
    python
        Lines of code to run after the import and before the first op; ``{value}`` and ``{seed}``
        are filled in. Those of a lever that governs ``seed`` are run again wherever a
        program starts its random numbers over.
    usage
        Lines for the user to paste where no global switch exists (``jit_compile=True``).
        The worker's counterpart is in :class:`detcost.scenarios.bench.Bench`.
    expects
        What TensorFlow must say back once the lever is applied, by key of
        :func:`detcost.workers.program.in_force.read_back`.
    """

    name: str
    summary: str
    controls: frozenset[str]
    value: type[int] | tuple[str, ...] | None = None
    environment: ByWord[Variable] = ()
    python: ByWord[str] = ()
    usage: ByWord[str] = ()
    expects: Callable[[int], dict[str, Any]] = lambda value: {}

    @property
    def spelling(self) -> str:
        """How it is written: ``threads=N``, ``onednn=off``, ``seeding=tf|numpy|…``, ``xla``."""
        if self.value is None:
            return self.name
        return f"{self.name}={'|'.join(self._values)}"

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every way to write it, with ``N`` for a number."""
        if self.value is None:
            return (self.name,)
        return tuple(f"{self.name}={value}" for value in self._values)

    @property
    def _values(self) -> tuple[str, ...]:
        return self.value if isinstance(self.value, tuple) else ("N",)


def of_word(things: ByWord[T], value: Value) -> tuple[T, ...]:
    """Return what a lever has for one of its values."""
    return things.get(str(value), ()) if isinstance(things, Mapping) else things


_SEED_TF = "tf.random.set_seed({seed})"
_SEED_NUMPY = "np.random.seed({seed})"
_INTRA = "tf.config.threading.set_intra_op_parallelism_threads({value})"
_INTER = "tf.config.threading.set_inter_op_parallelism_threads({value})"

#: In the order in which a setting is written and applied.
LEVERS: tuple[Lever, ...] = (
    Lever(
        "unseeded",
        "no seed anywhere (without it, Python, NumPy, TensorFlow and Keras are seeded)",
        frozenset({"seed"}),
    ),
    Lever(
        "seeding",
        "how a program that draws numbers is seeded, instead of by set_random_seed",
        frozenset({"seed"}),
        value=("tf", "tf_numpy", "per_op", "numpy", "generator", "stateless"),
        python={
            "tf": (_SEED_TF,),
            "tf_numpy": (_SEED_TF, _SEED_NUMPY),
            "numpy": (_SEED_NUMPY,),
        },
        usage={
            "per_op": (
                "seeds = iter(np.random.SeedSequence({seed}).generate_state(1000).tolist())",
                "noise = tf.random.normal(shape, seed=next(seeds))  # every op, layer, initialiser",
            ),
            "numpy": (
                "noise = tf.convert_to_tensor(np.random.standard_normal(shape), tf.float32)",
            ),
            "generator": (
                "generator = tf.random.Generator.from_seed({seed})",
                "noise = generator.normal(shape)",
            ),
            "stateless": (
                "noise = tf.random.stateless_normal(shape, seed=({seed}, 0))  # each draw its own",
            ),
        },
    ),
    Lever(
        "op_determinism",
        "TensorFlow's own switch for deterministic kernels",
        frozenset({"op_determinism"}),
        python=("tf.config.experimental.enable_op_determinism()",),
        expects=lambda value: {"op_determinism": True},
    ),
    Lever(
        "deterministic_ops_env",
        "the legacy variable TF_DETERMINISTIC_OPS=1, deprecated since 2.8 and still read",
        frozenset({"op_determinism"}),
        environment=(Variable("TF_DETERMINISTIC_OPS", "1"),),
        expects=lambda value: {"op_determinism": True},
    ),
    Lever(
        "cudnn_deterministic_env",
        "the legacy variable TF_CUDNN_DETERMINISTIC=1, read by CUDA builds alone: convolutions",
        frozenset({"cudnn"}),
        # TensorFlow says nothing of it back.
        environment=(Variable("TF_CUDNN_DETERMINISTIC", "1"),),
    ),
    Lever(
        "threads",
        "size of both thread pools",
        frozenset({"intra", "inter"}),
        value=int,
        python=(_INTRA, _INTER),
        expects=lambda value: {"intra": value, "inter": value},
    ),
    Lever(
        "intra",
        "threads one op may use",
        frozenset({"intra"}),
        value=int,
        python=(_INTRA,),
        expects=lambda value: {"intra": value},
    ),
    Lever(
        "inter",
        "ops that may run at once",
        frozenset({"inter"}),
        value=int,
        python=(_INTER,),
        expects=lambda value: {"inter": value},
    ),
    Lever(
        "xla",
        "compile every traced function with XLA",
        frozenset({"xla"}),
        usage=("step = tf.function(step, jit_compile=True)  # Keras: compile(jit_compile=True)",),
    ),
    Lever(
        "onednn",
        "Intel's oneDNN kernels switched off",
        frozenset({"onednn"}),
        value=("off",),
        environment=(Variable("TF_ENABLE_ONEDNN_OPTS", "0"),),
        expects=lambda value: {"onednn": False},
    ),
    Lever(
        "isa",
        "the newest instruction set that oneDNN and XLA may use; "
        "with onednn=off two unlike x86 machines may give the same bits",
        frozenset({"isa"}),
        value=tuple(LEVER_CAPS),
        # detcost.host.isa finds out what is in force: TensorFlow has no function that tells.
        environment={
            word: tuple(cap.variable for cap in caps) for word, caps in LEVER_CAPS.items()
        },
    ),
    Lever(
        "tf32",
        "TensorFloat-32 switched off on NVIDIA GPUs",
        frozenset({"tf32"}),
        value=("off",),
        python=("tf.config.experimental.enable_tensor_float_32_execution(False)",),
        expects=lambda value: {"tf32": False},
    ),
    Lever(
        "data_order",
        "tf.data gives its elements in order, whatever the pipeline allows",
        frozenset({"data_order"}),
        value=("strict",),
        usage=(
            "options = tf.data.Options()",
            "options.deterministic = True",
            "dataset = dataset.with_options(options)",
        ),
    ),
)
