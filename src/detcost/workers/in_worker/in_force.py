"""Read TensorFlow's configuration in force, and check it against the setting."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from detcost.settings.grammar import Setting
from detcost.workers.contract import CellError


def read_back() -> dict[str, Any]:
    """Return TensorFlow's configuration in force, by the keys of :attr:`Lever.expects`."""
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
    """Verify that the setting took effect.

    Raises
    ------
    CellError
        If TensorFlow reports another value. Names the first such key.
    """
    for key, wanted in setting.expects().items():
        if applied[key] != wanted:
            raise CellError(
                "failed",
                f"{setting} did not take effect: TensorFlow reports {key} as {applied[key]}",
            )


def check_kept(setting: Setting, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Verify that the program has not changed the configuration in force.

    Raises
    ------
    CellError
        If it has. Names the first changed key.
    """
    for key, expected in before.items():
        if after[key] != expected:
            raise CellError(
                "failed",
                f"the program itself sets {key} to {after[key]}, but {setting} has {expected}; "
                "remove the line that does so",
            )
