"""An operation to compute in another way: what it takes, in graphs and in eager code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from detcost.workers.contract import CellError


class Original:
    """An operation: its type, its inputs and its attributes.

    Parameters
    ----------
    kind
        TensorFlow's type, such as ``Conv2D``.
    inputs
        One tensor or one list of tensors for each argument of the type's definition.
    attribute
        A function that returns an attribute by its name.
    memory
        What is kept from call to call in eager code.
    """

    def __init__(
        self,
        kind: str,
        inputs: Sequence[Any],
        attribute: Callable[[str], Any],
        memory: dict[Any, Any] | None = None,
    ):
        self.kind = kind
        self.inputs = tuple(inputs)
        self.attribute = attribute
        self.memory = {} if memory is None else memory

    def again(self, inputs: Sequence[Any] | None = None, **changed: Any) -> Any:
        """Run it once more, with other inputs or other attributes. Return its outputs."""
        call = getattr(tf.raw_ops, self.kind)
        parameters = [name for name in inspect.signature(call).parameters if name != "name"]
        attributes = {attribute.name for attribute in definition(self.kind).attr}
        arguments = [argument.name for argument in definition(self.kind).input_arg]
        # Some inputs have another name in Python, such as the axis of a sum.
        others = iter([n for n in parameters if n not in attributes and n not in arguments])
        names = [name if name in parameters else next(others) for name in arguments]
        given = dict(zip(names, inputs or self.inputs, strict=True))
        given |= {name: self.attribute(name) for name in parameters if name not in given}
        return call(**{**given, **changed})

    def refuse(self, reason: str) -> CellError:
        """Return the error for a rewriting that does not fit this operation."""
        return CellError("not_applicable", f"this {self.kind} {reason}")


def definition(kind: str) -> Any:
    """Return TensorFlow's definition of a type."""
    from tensorflow.python.framework import op_def_registry  # no public interface

    return op_def_registry.get(kind)


def grouped(kind: str, flat: Sequence[Any], attribute: Callable[[str], Any]) -> list[Any]:
    """Return the inputs by argument, given the flat inputs of an operation in a graph."""
    rest = iter(flat)
    inputs: list[Any] = []
    for argument in definition(kind).input_arg:
        if argument.number_attr:
            inputs.append([next(rest) for _ in range(attribute(argument.number_attr))])
        elif argument.type_list_attr:
            inputs.append([next(rest) for _ in attribute(argument.type_list_attr)])
        else:
            inputs.append(next(rest))
    return inputs
