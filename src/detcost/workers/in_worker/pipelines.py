"""Apply the lever ``data_order`` to pipelines that a program makes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

STRICT = tf.data.Options()
STRICT.deterministic = True


class Pipelines:
    """Sets ``options.deterministic = True`` for every pipeline that is iterated from now on."""

    def __init__(self) -> None:
        self._iterated = False
        self._unordered: str | None = None
        prepare = tf.data.Dataset._apply_debug_options

        def in_order(dataset: Any) -> Any:
            self._iterated = True
            self._unordered = self._unordered or _explicitly_unordered(dataset)
            if dataset.options().deterministic is True:
                return prepare(dataset)
            if "_detcost_strict" not in vars(dataset):  # once, as in a user's program
                dataset._detcost_strict = dataset.with_options(STRICT)
            return prepare(dataset._detcost_strict)

        tf.data.Dataset._apply_debug_options = in_order

    @property
    def why_not_strict(self) -> str | None:
        """The reason why the order is not strict; ``None`` if it is."""
        if not self._iterated:
            return "the program iterates no tf.data pipeline"
        if self._unordered:
            return f"the argument deterministic=False of {self._unordered} overrides options"
        return None


def _explicitly_unordered(dataset: Any) -> str | None:
    for stage in _with_inputs(dataset):
        if getattr(stage, "_deterministic", None) == "false":
            return type(stage).__name__.strip("_").removesuffix("Dataset")
    return None


def _with_inputs(dataset: Any) -> Iterator[Any]:
    yield dataset
    for stage in dataset._inputs():
        yield from _with_inputs(stage)
