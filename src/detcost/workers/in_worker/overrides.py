"""Ignore what a program configures by itself against the setting, and record its line.

Programs enable op determinism, size thread pools and set seeds at their top. Under another
setting these calls would override the setting, and the result would have the wrong name.
"""

from __future__ import annotations

import itertools
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

#: Public calls that configure the same as levers: module, name and these levers. If the setting
#: has one of the levers, the call is ignored without a record, since the setting decides.
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
    # The device is the cell's. TensorFlow refuses these calls once it has been chosen.
    ("config", "set_visible_devices", ()),
    ("config", "set_logical_device_configuration", ()),
    ("config.experimental", "set_visible_devices", ()),
    ("config.experimental", "set_virtual_device_configuration", ()),
    ("config.experimental", "set_memory_growth", ()),
)
#: Where TensorFlow has these names.
_ROOTS = ("tf", "tf.compat.v1", "tf.compat.v2")
#: Variables that configure the same. Most have an effect only before TensorFlow is imported.
VARIABLES = (
    *("TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "TF_DETERMINISTIC_ORDER"),
    *("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"),
    *("XLA_FLAGS", "TF_XLA_FLAGS", "TF_FUNCTION_JIT_COMPILE_DEFAULT", "NVIDIA_TF32_OVERRIDE"),
)
#: Packages whose calls of the switches are executed.
_TRUSTED = ("tensorflow", "keras", "tf_keras", "detcost")


class Overrides:
    """Ignores what the program configures from now on.

    Parameters
    ----------
    setting
        If the setting decides how random numbers are seeded, the program's own global seeds are
        ignored too. Otherwise they stay, since another seed is not another setting.

    Attributes
    ----------
    ignored
        The ignored calls and variables, each with its file and line.
    """

    def __init__(self, setting: Setting):
        self.ignored: list[str] = []
        self._before = _variables()
        for root, (namespace, name, levers) in itertools.product(_ROOTS, _SWITCHES):
            path = f"{root}.{namespace}"
            if hasattr(module := _find(path), name):
                recorded = not any(map(setting.has, levers))
                self._ignore(module, path, name, recorded)
        if setting.has("unseeded") or setting.has("seeding"):
            for module, path, name in _seeds():
                self._ignore(module, path, name)

    def restore_variables(self) -> None:
        """Restore the environment variables that the program has changed."""
        for name, now in _variables().items():
            before = self._before[name]
            if now != before:
                self.record(f"os.environ[{name!r}]", _line_with(name))
                os.environ.pop(name) if before is None else os.environ.update({name: before})

    def _ignore(self, module: Any, path: str, name: str, recorded: bool = True) -> None:
        original: Callable[..., Any] = getattr(module, name)

        def filtered(*args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1)
            if _is_trusted(caller):
                return original(*args, **kwargs)
            if recorded:
                self.record(f"{path}.{name}()", _location(caller))
            return None

        setattr(module, name, filtered)

    def record(self, call: str, location: str) -> None:
        """Record an ignored call and its location."""
        entry = f"{call} at {location}" if location else call
        if entry not in self.ignored:
            self.ignored.append(entry)


def _find(path: str) -> Any:
    module: Any = tf
    for part in path.split(".")[1:]:
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


def _is_trusted(caller: FrameType) -> bool:
    """Return whether a library or the setting's code makes the call, not the program."""
    module = caller.f_globals.get("__name__")
    return module is None or str(module).partition(".")[0] in _TRUSTED


def _location(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _variables() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in VARIABLES}


def _line_with(variable: str) -> str:
    """Return the file and line of a user's module that contains a variable's name, if any."""
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
        or top in _TRUSTED
        or "site-packages" in Path(file).parts
    )
