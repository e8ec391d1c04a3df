"""The levers: things that can be set, with the code that sets each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from detcost.settings.environment_variables import Variable
from detcost.settings.instruction_sets import LEVER_CAPS

SEEDED = "tf.keras.utils.set_random_seed({seed})  # Python, NumPy, TensorFlow and Keras"

Value = int | str | None

T = TypeVar("T")
#: The same items for every value of a lever, or a mapping from each word to its items.
ByWord = tuple[T, ...] | Mapping[str, tuple[T, ...]]


@dataclass(frozen=True)
class Lever:
    """One thing that can be set.

    Parameters
    ----------
    name
        Name in a setting.
    summary
        One line for ``detcost list settings``.
    controls
        The things that the lever controls. Two levers of a setting conflict if they share one.
    value
        ``None`` for a switch, ``int`` for ``name=N``, or the accepted words (``("off",)``).
    environment
        Variables to set before TensorFlow is imported.
    python
        Lines of code to run after the import and before the first op. ``{value}`` and
        ``{seed}`` are filled in. Lines of a lever that controls ``seed`` run again wherever
        a program restarts its random numbers.
    usage
        Lines for the user to paste if there is no global switch (``jit_compile=True``).
        The worker's counterpart is in :class:`detcost.scenarios.bench.Bench`.
    expects
        What TensorFlow must report once the lever is applied. Maps the value to keys of
        :func:`detcost.workers.in_worker.in_force.read_back`.
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
        """The form in a setting: ``threads=N``, ``onednn=off``, ``seeding=tf|numpy|…``, ``xla``."""
        if self.value is None:
            return self.name
        return f"{self.name}={'|'.join(self._values)}"

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every word for the lever in a setting, with ``N`` for a number."""
        if self.value is None:
            return (self.name,)
        return tuple(f"{self.name}={value}" for value in self._values)

    @property
    def _values(self) -> tuple[str, ...]:
        return self.value if isinstance(self.value, tuple) else ("N",)


def of_word(items: ByWord[T], value: Value) -> tuple[T, ...]:
    """Return a lever's items for one of its values."""
    return items.get(str(value), ()) if isinstance(items, Mapping) else items


_SEED_TF = "tf.random.set_seed({seed})"
_SEED_NUMPY = "np.random.seed({seed})"
_INTRA = "tf.config.threading.set_intra_op_parallelism_threads({value})"
_INTER = "tf.config.threading.set_inter_op_parallelism_threads({value})"

#: The order is that of a setting's canonical name, and of application.
LEVERS: tuple[Lever, ...] = (
    Lever(
        "unseeded",
        "sets no seed (otherwise Python, NumPy, TensorFlow and Keras are seeded)",
        frozenset({"seed"}),
    ),
    Lever(
        "seeding",
        "how a program seeds its random numbers, instead of by set_random_seed",
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
                "noise = tf.random.stateless_normal(shape, seed=({seed}, 0))  # one per draw",
            ),
        },
    ),
    Lever(
        "op_determinism",
        "TensorFlow's switch for deterministic kernels",
        frozenset({"op_determinism"}),
        python=("tf.config.experimental.enable_op_determinism()",),
        expects=lambda value: {"op_determinism": True},
    ),
    Lever(
        "deterministic_ops_env",
        "the legacy variable TF_DETERMINISTIC_OPS=1, deprecated since 2.8 but still read",
        frozenset({"op_determinism"}),
        environment=(Variable("TF_DETERMINISTIC_OPS", "1"),),
        expects=lambda value: {"op_determinism": True},
    ),
    Lever(
        "cudnn_deterministic_env",
        "the legacy variable TF_CUDNN_DETERMINISTIC=1 for convolutions, read by CUDA builds only",
        frozenset({"cudnn"}),
        # TensorFlow does not report this variable.
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
        "number of threads that one op may use",
        frozenset({"intra"}),
        value=int,
        python=(_INTRA,),
        expects=lambda value: {"intra": value},
    ),
    Lever(
        "inter",
        "number of ops that may run at the same time",
        frozenset({"inter"}),
        value=int,
        python=(_INTER,),
        expects=lambda value: {"inter": value},
    ),
    Lever(
        "xla",
        "compiles every traced function with XLA",
        frozenset({"xla"}),
        usage=("step = tf.function(step, jit_compile=True)  # Keras: compile(jit_compile=True)",),
    ),
    Lever(
        "onednn",
        "switches Intel's oneDNN kernels off",
        frozenset({"onednn"}),
        value=("off",),
        environment=(Variable("TF_ENABLE_ONEDNN_OPTS", "0"),),
        expects=lambda value: {"onednn": False},
    ),
    Lever(
        "isa",
        "newest instruction set that oneDNN and XLA may use; "
        "with onednn=off, different x86 machines may give the same bits",
        frozenset({"isa"}),
        value=tuple(LEVER_CAPS),
        # TensorFlow has no function that reports this. detcost.host.isa finds out.
        environment={
            word: tuple(cap.variable for cap in caps) for word, caps in LEVER_CAPS.items()
        },
    ),
    Lever(
        "tf32",
        "switches TensorFloat-32 off on NVIDIA GPUs",
        frozenset({"tf32"}),
        value=("off",),
        python=("tf.config.experimental.enable_tensor_float_32_execution(False)",),
        expects=lambda value: {"tf32": False},
    ),
    Lever(
        "data_order",
        "makes tf.data keep the order of elements, even where the pipeline allows any order",
        frozenset({"data_order"}),
        value=("strict",),
        usage=(
            "options = tf.data.Options()",
            "options.deterministic = True",
            "dataset = dataset.with_options(options)",
        ),
    ),
)
