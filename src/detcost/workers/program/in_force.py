"""What is in force in a worker, and whether that is what the setting says."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from detcost.settings.grammar import Setting
from detcost.workers.contract import CellError


def read_back() -> dict[str, Any]:
    """Return what TensorFlow says is in force, by the names levers use."""
    from tensorflow.python.framework import config  # no public getter for op determinism
    from tensorflow.python.util import _pywrap_util_port as build

    return {
        "intra": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter": tf.config.threading.get_inter_op_parallelism_threads(),
        "op_determinism": config.is_op_determinism_enabled(),
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "onednn": build.IsMklEnabled(),
        "eagerly": tf.config.functions_run_eagerly(),
        "auto_jit": bool(tf.config.optimizer.get_jit()),
    }


def check_taken(setting: Setting, applied: dict[str, Any]) -> None:
    """Refuse a setting that did not take.

    Raises
    ------
    CellError
        Naming the first lever of which TensorFlow says something else.
    """
    for key, wanted in setting.expects().items():
        if applied[key] != wanted:
            raise CellError(
                "failed", f"{setting} did not take: TensorFlow says {key} is {applied[key]}"
            )


def check_kept(setting: Setting, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse a program that changed what was in force before it was loaded.

    Raises
    ------
    CellError
        Naming what it changed.
    """
    for key, was in before.items():
        if after[key] != was:
            raise CellError(
                "failed",
                f"the program itself sets {key} to {after[key]}, where {setting} has {was}; "
                "remove the line that does so",
            )
