"""Levers and settings: what can be switched, how it is written, and the code that does it.

A *lever* is one thing that can be set; a *setting* is a combination of levers,
written ``op_determinism+threads=1+xla``. What a worker runs to apply a setting
is the very text that :meth:`Setting.snippet` gives a user to paste, so the
advice cannot drift from what was measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from detcost.errors import UsageError, did_you_mean

SEEDED = "tf.keras.utils.set_random_seed({seed})  # Python, NumPy, TensorFlow and Keras"

#: Lines of code: the same whatever a lever's value is, or by its word.
Lines = tuple[str, ...] | Mapping[str, tuple[str, ...]]


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
        Lines to run after the import and before the first op; ``{value}`` and ``{seed}``
        are filled in. Those of a lever that governs ``seed`` are run again wherever a
        program starts its random numbers over.
    usage
        Lines for the user to paste where no global switch exists (``jit_compile=True``).
        The worker's counterpart is in :class:`detcost.scenarios.bench.Bench`.
    expects
        What TensorFlow must say back once the lever is applied, by key of
        :func:`detcost.workers.program.read_back`.
    """

    name: str
    summary: str
    controls: frozenset[str]
    value: type[int] | tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    python: Lines = ()
    usage: Lines = ()
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


def _fill_in(lines: Lines, value: int | str | None, seed: int) -> list[str]:
    chosen = lines.get(str(value), ()) if isinstance(lines, Mapping) else lines
    return [line.format(value=value, seed=seed) for line in chosen]


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
        environment={"TF_DETERMINISTIC_OPS": "1"},
        expects=lambda value: {"op_determinism": True},
    ),
    Lever(
        "cudnn_deterministic_env",
        "the legacy variable TF_CUDNN_DETERMINISTIC=1, read by CUDA builds alone: convolutions",
        frozenset({"cudnn"}),
        environment={"TF_CUDNN_DETERMINISTIC": "1"},  # TensorFlow says nothing of it back
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
        environment={"TF_ENABLE_ONEDNN_OPTS": "0"},
        expects=lambda value: {"onednn": False},
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
_BY_NAME = {lever.name: lever for lever in LEVERS}
_ALIASES = {"single_thread": "threads=1"}


@dataclass(frozen=True)
class Setting:
    """A combination of levers, each at most once; the empty one is ``default``.

    Equal settings have equal names, however they were written:
    ``xla+single_thread`` is ``threads=1+xla``.
    """

    values: tuple[tuple[str, int | str | None], ...] = ()

    @property
    def levers(self) -> tuple[tuple[Lever, int | str | None], ...]:
        """The levers with their values, in the order of :data:`LEVERS`."""
        return tuple((_BY_NAME[name], value) for name, value in self.values)

    @property
    def name(self) -> str:
        """The canonical spelling, e.g. ``op_determinism+threads=1+xla``."""
        return "+".join(_write(name, value) for name, value in self.values) or "default"

    def __str__(self) -> str:
        return self.name

    def has(self, lever: str) -> bool:
        """Whether the setting contains the named lever."""
        return any(name == lever for name, _ in self.values)

    @property
    def strategy(self) -> str | None:
        """How random numbers are seeded: the word of ``seeding``, or ``None`` without it."""
        return next((str(value) for name, value in self.values if name == "seeding"), None)

    @property
    def environment(self) -> dict[str, str]:
        """Variables to set before TensorFlow is imported."""
        return {key: text for lever, _ in self.levers for key, text in lever.environment.items()}

    def python(self, seed: int) -> str:
        """Code to run after the import of ``tf`` (and ``np``) and before the first op."""
        lines = [self.seeding(seed)]
        for lever, value in self.levers:
            if "seed" not in lever.controls:
                lines += _fill_in(lever.python, value, seed)
        return "\n".join(filter(None, lines))

    def seeding(self, seed: int) -> str:
        """Code that seeds the whole program; run again, it starts random numbers over."""
        chosen = [(lever, value) for lever, value in self.levers if "seed" in lever.controls]
        if not chosen:
            return SEEDED.format(seed=seed)
        return "\n".join(_fill_in(chosen[0][0].python, chosen[0][1], seed))

    def usage(self, seed: int) -> list[str]:
        """Lines to write where they are needed, for what has no global switch."""
        filled = (_fill_in(lever.usage, value, seed) for lever, value in self.levers)
        return [line for lines in filled for line in lines]

    def expects(self) -> dict[str, Any]:
        """Return what TensorFlow must say back after the setting was applied."""
        return {
            key: answer
            for lever, value in self.levers
            for key, answer in lever.expects(value if isinstance(value, int) else 0).items()
        }

    def snippet(self, seed: int = 42) -> str:
        """Python code to paste at the top of a program to get this setting."""
        before = []
        if self.environment:
            before += ["import os"]
            before += [f'os.environ["{k}"] = "{v}"' for k, v in self.environment.items()]
        after = [*self.python(seed).splitlines(), *self.usage(seed)]
        if any("np." in line for line in after):
            before += ["import numpy as np"]
        return "\n".join([*before, "import tensorflow as tf", *after])


DEFAULT = Setting()


def parse(text: str) -> Setting:
    """Read a setting such as ``op_determinism+threads=1+xla``.

    Raises
    ------
    UsageError
        For an unknown lever, a missing or impossible value, a lever given
        twice, or two levers that govern the same thing (``threads=1+intra=4``).
    """
    words = [word.strip() for word in text.split("+")]
    if words == ["default"]:
        return DEFAULT
    chosen: dict[str, int | str | None] = {}
    for word in words:
        name, value = _read(_ALIASES.get(word, word), text)
        if name in chosen:
            raise UsageError(f'setting "{text}": {name} is given twice; keep one of them')
        chosen[name] = value
    setting = Setting(
        tuple((lever.name, chosen[lever.name]) for lever in LEVERS if lever.name in chosen)
    )
    _refuse_conflicts(setting, text)
    return setting


def default_grid() -> list[Setting]:
    """Return the 2×2×2 factorial of op determinism, one thread and XLA, ``default`` first."""
    switches = ("op_determinism", "threads=1", "xla")
    subsets = ([s for bit, s in enumerate(switches) if mask >> bit & 1] for mask in range(8))
    return [parse("+".join(subset) or "default") for subset in subsets]


def spellings() -> list[str]:
    """Every word a setting can be made of, for messages and ``detcost list settings``."""
    return ["default", *(word for lever in LEVERS for word in lever.spellings), *_ALIASES]


def _read(word: str, text: str) -> tuple[str, int | str | None]:
    name, equals, value = word.partition("=")
    lever = _BY_NAME.get(name)
    if word == "default":
        raise UsageError(f'setting "{text}": default is no lever; leave it out')
    if lever is None:
        advice = did_you_mean(word, spellings()) or "; detcost list settings shows them all"
        raise UsageError(f'setting "{text}": no lever "{word}"{advice}')
    if lever.value is None:
        if equals:
            raise UsageError(f'setting "{text}": {name} takes no value; write "{name}"')
        return name, None
    if lever.value is int:
        # Python refuses to read a number of thousands of digits.
        if not re.fullmatch("0*[1-9][0-9]{0,3}", value) or int(value) > 4096:
            raise UsageError(f'setting "{text}": {name} takes a number from 1 to 4096, as {name}=1')
        return name, int(value)
    if word not in lever.spellings:
        advice = did_you_mean(word, lever.spellings) if len(lever.spellings) > 1 else ""
        raise UsageError(f'setting "{text}": {name} takes a word; write "{lever.spelling}"{advice}')
    return name, value


def _write(name: str, value: int | str | None) -> str:
    return name if value is None else f"{name}={value}"


def _refuse_conflicts(setting: Setting, text: str) -> None:
    owner: dict[str, str] = {}
    for lever, _ in setting.levers:
        for thing in sorted(lever.controls):
            if thing in owner:
                raise UsageError(
                    f'setting "{text}": {owner[thing]} and {lever.name} both set {thing}; keep one'
                )
            owner[thing] = lever.name


def parse_all(texts: Iterable[str]) -> list[Setting]:
    """Read several settings, keeping the first of equals."""
    return list(dict.fromkeys(parse(text) for text in texts))
