"""Keras: a training by ``fit``, single batches, and a saved file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from detcost.adapters.given import beside_caller, made, scenario
from detcost.adapters.inputs import from_keras
from detcost.errors import UsageError, did_you_mean
from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import Rows, Scenario

Compare = Literal["both", "losses", "weights"]
_COMPARE = ("both", "losses", "weights")


def fit_step(
    model_fn: Any,
    data: Any,
    *,
    batches: int | None = None,
    epochs: int = 1,
    compare: Compare = "both",
    reset: bool = False,
    **fit_arguments: Any,
) -> Scenario:
    """Make a scenario of Keras ``fit``, which trains on through all calls of the step.

    The model is built once in a worker. Its own compile options stay in force, except
    ``jit_compile``, which the setting decides.

    Parameters
    ----------
    model_fn
        A function that returns a compiled model, or the model.
    data
        Arrays ``(x, y)`` or ``(x, y, sample_weight)``, a ``tf.data.Dataset``, or a function that
        returns either. A worker calls the function after seeding.
    batches
        The number of batches in an epoch; ``None`` for all of the data.
    epochs
        The number of epochs in a step.
    compare
        What is compared after every step: the ``losses`` and metrics of its epochs, the
        ``weights`` of the model, or ``both``.
    reset
        Whether every call starts again from the first state.
    **fit_arguments
        More arguments of ``fit``, such as ``batch_size``. ``verbose`` is always 0.

    Returns
    -------
    Scenario
        Assign it to a variable at the top level of the file.

    Raises
    ------
    UsageError
        For another word in ``compare``. In the worker, if the model is not compiled.
    """
    _check(compare)

    def build(bench: Bench) -> Callable[[], Any]:
        model, parts = _compiled(model_fn), _by_name(made(data))
        if reset:
            _make_variables(model, parts)
        arguments = {**fit_arguments, **parts, "epochs": epochs, "verbose": 0}
        if batches is not None:
            arguments["steps_per_epoch"] = batches
        return lambda: _compared(compare, model.fit(**arguments).history, model)

    length = f"{epochs} epochs" if epochs > 1 else "an epoch"
    of = f" of {batches} batches" if batches else ""
    return scenario(f"Keras fit, {length}{of} a step", "keras", build, reset=reset)


def train_batch(
    model_fn: Any,
    batch: Any,
    *,
    compare: Compare = "both",
    reset: bool = False,
    **train_arguments: Any,
) -> Scenario:
    """Make a scenario of Keras ``train_on_batch``, which trains on through all calls.

    Parameters
    ----------
    model_fn
        A function that returns a compiled model, or the model.
    batch
        Arrays ``(x, y)`` or ``(x, y, sample_weight)``, a ``tf.data.Dataset`` whose first element
        is the batch, or a function that returns either.
    compare
        What is compared after every step: the ``losses`` and metrics, the ``weights`` of the
        model, or ``both``.
    reset
        Whether every call starts again from the first state.
    **train_arguments
        More arguments of ``train_on_batch``, such as ``class_weight``.

    Returns
    -------
    Scenario
        Assign it to a variable at the top level of the file.

    Raises
    ------
    UsageError
        For another word in ``compare``. In the worker, if the model is not compiled.
    """
    _check(compare)

    def build(bench: Bench) -> Callable[[], Any]:
        model, data = _compiled(model_fn), made(batch)
        if isinstance(data, tf.data.Dataset):
            data = next(iter(data))
        parts = _by_name(data)
        if reset:
            _make_variables(model, parts)
        arguments = {**train_arguments, **parts, "return_dict": True}
        return lambda: _compared(compare, model.train_on_batch(**arguments), model)

    return scenario("Keras train_on_batch", "keras", build, reset=reset)


def file(path: str | Path, inputs: Any = None, *, rows: Rows = None) -> Scenario:
    """Make a scenario of a saved Keras model's inference, by ``predict_on_batch``.

    Parameters
    ----------
    path
        A ``.keras`` or ``.h5`` file, relative to the file that calls this.
    inputs
        The batch, or a function that makes it. Without it, detcost makes a batch from the
        model's input signature; see :func:`detcost.adapters.inputs.from_spec`.
    rows
        The rows of every output that are compared; all by default.

    Returns
    -------
    Scenario
        Assign it to a variable at the top level of the file.

    Raises
    ------
    UsageError
        If there is no such file. In the worker, if no inputs can be made.
    """
    place = beside_caller(path)
    if not place.is_file():
        raise UsageError(f"{path}: no such Keras file; give its path from the folder of your file")

    def build(bench: Bench) -> Callable[[], Any]:
        model = tf.keras.models.load_model(place, compile=False)
        batch = from_keras(bench, model, str(path)) if inputs is None else made(inputs)
        return lambda: model.predict_on_batch(batch)

    return scenario(f"inference of {path}", "keras", build, rows=rows)


def _check(compare: str) -> None:
    if compare not in _COMPARE:
        advice = did_you_mean(compare, _COMPARE) or f"; use one of {', '.join(_COMPARE)}"
        raise UsageError(f'compare="{compare}"{advice}')


def _compiled(model_fn: Any) -> Any:
    model = made(model_fn)
    if not getattr(model, "compiled", True):
        name = getattr(model_fn, "__name__", model.name)
        raise UsageError(f"{name}: the model is not compiled; call its compile() before detcost")
    return model


def _by_name(data: Any) -> dict[str, Any]:
    """Return the data as arguments of ``fit``."""
    parts = data if isinstance(data, tuple) else (data,)
    return dict(zip(("x", "y", "sample_weight"), parts, strict=False))


def _make_variables(model: Any, data: dict[str, Any]) -> None:
    """Make the variables that Keras makes in its first ``fit``, so that they can be put back.

    ``fit`` gives them their values in a graph, where nothing can keep them.
    """
    model.test_on_batch(**_first_batch(data))
    model.optimizer.build(model.trainable_variables)


def _first_batch(data: dict[str, Any]) -> dict[str, Any]:
    if isinstance(data["x"], tf.data.Dataset):
        return _by_name(next(iter(data["x"])))
    return {
        name: tf.nest.map_structure(lambda array: array[:1], value) for name, value in data.items()
    }


def _compared(compare: Compare, losses: Any, model: Any) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    if compare != "weights":
        outputs["losses"] = losses
    if compare != "losses":
        outputs["weights"] = _weights(model)
    return outputs


def _weights(model: Any) -> Any:
    """Return the weights by their paths in the model, or in a list if two have one path."""
    values = [tf.convert_to_tensor(weight) for weight in model.weights]
    paths = [getattr(weight, "path", weight.name) for weight in model.weights]
    return dict(zip(paths, values, strict=True)) if len(set(paths)) == len(paths) else values
