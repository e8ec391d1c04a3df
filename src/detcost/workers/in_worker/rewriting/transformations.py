"""A transformation of a ``tf.data`` pipeline with other arguments in its call."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import tensorflow as tf

from detcost.workers.contract import CellError
from detcost.workers.in_worker.probe.places import place_here

#: The changed arguments, by the names of :mod:`detcost.locating.rewritings`.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "deterministic=True": {"deterministic": True},
    "without num_parallel_calls": {"num_parallel_calls": None, "deterministic": None},
    "a seed for this transformation": {"seed": 42},
}


class CallRewriter:
    """Changes the arguments of a data set's method, where one line of the user's calls it.

    Attributes
    ----------
    done
        Whether the line called it.
    """

    def __init__(self, method: str, place: str, name: str):
        self.done = False
        self._method = method
        self._place = place
        self._arguments = ARGUMENTS[name]

    def install(self) -> None:
        """Begin to change the arguments.

        Raises
        ------
        CellError
            ``not_applicable`` if the method has none of these arguments.
        """
        call = getattr(tf.data.Dataset, self._method, None)
        signature = inspect.signature(call) if call else inspect.Signature()
        changed = {k: v for k, v in self._arguments.items() if k in signature.parameters}
        if call is None or not changed:
            raise CellError(
                "not_applicable", f"{self._method} has no {' or '.join(self._arguments)}"
            )

        @functools.wraps(call)
        def called(*args: Any, **kwargs: Any) -> Any:
            if place_here()[:1] != (self._place,):
                return call(*args, **kwargs)
            self.done = True
            bound = signature.bind(*args, **kwargs)
            bound.arguments.update(changed)
            return call(*bound.args, **bound.kwargs)

        setattr(tf.data.Dataset, self._method, called)
