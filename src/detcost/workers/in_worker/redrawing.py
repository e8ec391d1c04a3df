"""Make a program draw anew in every call, to see whether its draws matter."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def draw_anew() -> None:
    """Make each data set of the program shuffle anew in every pass, and keep nothing in a cache.

    The setting ``unseeded`` does the same for the global seeds. Call this before the program is
    loaded.
    """
    shuffle = tf.data.Dataset.shuffle

    def reshuffled(
        dataset: Any,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: Any = None,
        name: Any = None,
    ) -> Any:
        return shuffle(dataset, buffer_size, reshuffle_each_iteration=True, name=name)

    tf.data.Dataset.shuffle = reshuffled
    tf.data.Dataset.cache = lambda dataset, *args, **kwargs: dataset


class VariableCount:
    """Counts the trainable variables that the program makes from now on."""

    def __init__(self) -> None:
        from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable

        self.made = 0
        make = BaseResourceVariable.__init__

        def counted(variable: Any, *args: Any, **kwargs: Any) -> None:
            self.made += bool(kwargs.get("trainable"))
            make(variable, *args, **kwargs)

        BaseResourceVariable.__init__ = counted
