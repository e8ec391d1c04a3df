"""Inputs made from a model's input signature, with the same bytes on every machine."""

from __future__ import annotations

from typing import Any

from detcost.errors import UsageError
from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf


def from_spec(bench: Bench, spec: Any, place: str, high: int | None = None) -> Any:
    """Return a tensor that fits a specification.

    Floating-point numbers are normal with mean 0 and standard deviation 1. Every unknown
    dimension is 8, 32 or 128, by the cell's size.

    Parameters
    ----------
    bench
        The source of the numbers.
    spec
        Anything with a ``shape`` and a ``dtype``, such as a ``tf.TensorSpec``.
    place
        The model and the input, for error messages.
    high
        Integers are below this number. If it is unknown, they are 0 or 1, which any table of
        two rows has. A ``uint8``, the type of a pixel, is below 256.

    Returns
    -------
    Tensor
        Of the shape and type of ``spec``.

    Raises
    ------
    UsageError
        If no numbers fit, as for strings or an unknown number of dimensions.
    """
    shape, dtype = tf.TensorShape(spec.shape), tf.as_dtype(spec.dtype)
    if shape.rank is None:
        raise UsageError(f"{place}: its number of dimensions is unknown; pass inputs=")
    sizes = [bench.sized(8, 32, 128) if size is None else size for size in shape]
    if dtype.is_floating or dtype.is_complex:
        return tf.cast(bench.normal(sizes), dtype)
    if dtype.is_integer or dtype.is_bool:
        limit = high or (256 if dtype == tf.uint8 else 2)
        return tf.cast(bench.integers(sizes, limit), dtype)
    raise UsageError(f"{place}: no {dtype.name} can be made for it; pass inputs=")


def from_keras(bench: Bench, model: Any, place: str) -> Any:
    """Return inputs for a Keras model, in the model's own structure.

    Integers that an ``Embedding`` receives are below its ``input_dim``.

    Raises
    ------
    UsageError
        If the model does not say what its inputs are.
    """
    signature = _signature(model)
    if signature is None:
        raise UsageError(f"{place}: the model does not say what its inputs are; pass inputs=")
    return tf.nest.map_structure(
        lambda tensor: from_spec(
            bench, tensor, f'{place}, input "{tensor.name}"', _rows_of_tables(model, tensor)
        ),
        signature,
    )


def _signature(model: Any) -> Any:
    """Return the model's symbolic inputs. A sequential model has them only as a list."""
    structure = getattr(model, "input", None)
    if structure is not None:
        return structure
    inputs = getattr(model, "inputs", None)
    return inputs[0] if inputs and len(inputs) == 1 else inputs


def _rows_of_tables(model: Any, tensor: Any) -> int | None:
    """Return the fewest rows of an embedding of this input, or of all if none is seen to be."""
    tables = list(_embeddings(model))
    own = [table for table in tables if getattr(table, "input", None) is tensor]
    return min((table.input_dim for table in own or tables), default=None)


def _embeddings(model: Any) -> Any:
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, tf.keras.layers.Embedding):
            yield layer
        yield from _embeddings(layer)
