"""The lever ``data_order`` in pipelines that a program makes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

STRICT = tf.data.Options()
STRICT.deterministic = True


class Pipelines:
    """Puts ``options.deterministic = True`` on every pipeline that is iterated from now on."""

    def __init__(self) -> None:
        self.iterated = 0
        self.against: str | None = None
        prepare = tf.data.Dataset._apply_debug_options

        def in_order(dataset: Any) -> Any:
            self.iterated += 1
            self.against = self.against or _explicitly_unordered(dataset)
            if dataset.options().deterministic is True:
                return prepare(dataset)
            if "_detcost_strict" not in vars(dataset):  # made once, as a user would
                dataset._detcost_strict = dataset.with_options(STRICT)
            return prepare(dataset._detcost_strict)

        tf.data.Dataset._apply_debug_options = in_order

    @property
    def why_not_taken(self) -> str | None:
        """Why the order is not strict; ``None`` if it is."""
        if not self.iterated:
            return "the program iterates no tf.data pipeline"
        if self.against:
            return f"{self.against}'s own deterministic=False wins over options"
        return None


def _explicitly_unordered(dataset: Any) -> str | None:
    for each in _with_inputs(dataset):
        if getattr(each, "_deterministic", None) == "false":
            return type(each).__name__.strip("_").removesuffix("Dataset")
    return None


def _with_inputs(dataset: Any) -> Iterator[Any]:
    yield dataset
    for each in dataset._inputs():
        yield from _with_inputs(each)
