"""What a program sets by itself against the setting: left out, and told with its line.

Programs switch on op determinism, choose thread pools and seed at their top. Measured under a
setting that says otherwise, such a program would be measured under a wrong name.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import tensorflow as tf

from detcost.settings.grammar import Setting

#: Public calls that decide what levers decide, by module and name, and these levers. Under one
#: of them the call is left out without a word: the setting has decided already.
_SWITCHES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        *("config.experimental", "enable_op_determinism"),
        ("op_determinism", "deterministic_ops_env"),
    ),
    ("config.experimental", "enable_tensor_float_32_execution", ("tf32",)),
    ("config.threading", "set_intra_op_parallelism_threads", ("threads", "intra")),
    ("config.threading", "set_inter_op_parallelism_threads", ("threads", "inter")),
    ("config.optimizer", "set_jit", ("xla",)),
    ("config", "run_functions_eagerly", ()),
)
#: Variables that decide the same, most of them only if set before TensorFlow is imported.
VARIABLES = (
    *("TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "TF_DETERMINISTIC_ORDER"),
    *("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"),
    *("XLA_FLAGS", "TF_XLA_FLAGS", "TF_FUNCTION_JIT_COMPILE_DEFAULT", "NVIDIA_TF32_OVERRIDE"),
)
#: What may call the switches: TensorFlow and its own libraries, and detcost.
_PASS = ("tensorflow", "keras", "tf_keras", "detcost")


class Overrides:
    """Leaves out what the program sets from now on.

    Parameters
    ----------
    setting
        Under one that decides how random numbers are seeded, the program's own global seeds are
        left out, too. Elsewhere they stay: another seed is no other setting.
    """

    def __init__(self, setting: Setting):
        self.found: list[str] = []
        self._before = _variables()
        for namespace, name, levers in _SWITCHES:
            told = not any(map(setting.has, levers))
            self._leave_out(_find(namespace), f"tf.{namespace}", name, told)
        if setting.has("unseeded") or setting.has("seeding"):
            for module, path, name in _seeds():
                self._leave_out(module, path, name)

    def restore_variables(self) -> None:
        """Undo what the program has done to environment variables since."""
        for name, now in _variables().items():
            before = self._before[name]
            if now != before:
                self.note(f"os.environ[{name!r}]", _line_that_names(name))
                os.environ.pop(name) if before is None else os.environ.update({name: before})

    def _leave_out(self, module: Any, path: str, name: str, told: bool = True) -> None:
        original: Callable[..., Any] = getattr(module, name)

        def unless_the_programs(*args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1)
            if _passes(caller):
                return original(*args, **kwargs)
            if told:
                self.note(f"{path}.{name}()", _place(caller))
            return None

        setattr(module, name, unless_the_programs)

    def note(self, call: str, place: str) -> None:
        """Keep what was left out, and where it stands."""
        told = f"{call} at {place}" if place else call
        if told not in self.found:
            self.found.append(told)


def _find(namespace: str) -> Any:
    module: Any = tf
    for part in namespace.split("."):
        module = getattr(module, part)
    return module


def _seeds() -> Iterator[tuple[Any, str, str]]:
    yield tf.random, "tf.random", "set_seed"
    yield tf.compat.v1, "tf.compat.v1", "set_random_seed"
    yield tf.keras.utils, "tf.keras.utils", "set_random_seed"
    yield np.random, "np.random", "seed"
    yield random, "random", "seed"
    if "keras" in sys.modules:
        yield sys.modules["keras"].utils, "keras.utils", "set_random_seed"


def _passes(caller: FrameType) -> bool:
    """Whether the call is a library's or the setting's own, and not the program's."""
    module = caller.f_globals.get("__name__")
    return module is None or str(module).partition(".")[0] in _PASS


def _place(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _variables() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in VARIABLES}


def _line_that_names(variable: str) -> str:
    """Return where a user's module names a variable; nothing where none does."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and not _is_installed(name, file):
            lines = Path(file).read_text(errors="replace").splitlines()
            for number, line in enumerate(lines, start=1):
                if variable in line:
                    return f"{Path(file).name}:{number}"
    return ""


def _is_installed(name: str, file: str) -> bool:
    top = name.partition(".")[0]
    return (
        not file.endswith(".py")
        or top in sys.stdlib_module_names
        or top in _PASS
        or "site-packages" in Path(file).parts
    )
