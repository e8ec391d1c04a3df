"""A saved model, a data set, and any function."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from detcost.adapters.given import beside_caller, made, scenario
from detcost.adapters.inputs import from_spec
from detcost.errors import UsageError, did_you_mean
from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import Expect, Rows, Scenario


def saved_model(
    dir: str | Path,
    signature: str = "serving_default",
    inputs: Any = None,
    *,
    rows: Rows = None,
) -> Scenario:
    """Make a scenario of a saved model's inference, by one of its signatures.

    Parameters
    ----------
    dir
        The folder of the model, relative to the file that calls this.
    signature
        The signature to call.
    inputs
        A dict of the inputs by name, the one input itself, or a function that makes either.
        Without it, detcost makes them from the signature; see
        :func:`detcost.adapters.inputs.from_spec`.
    rows
        The rows of every output that are compared; all by default.

    Returns
    -------
    Scenario
        Assign it to a variable at the top level of the file.

    Raises
    ------
    UsageError
        If there is no saved model. In the worker, if it has no such signature, or if the inputs
        do not fit or cannot be made.
    """
    place = beside_caller(dir)
    if not (place / "saved_model.pb").is_file():
        raise UsageError(f"{dir}: no saved model; give its folder from the folder of your file")

    def build(bench: Bench) -> Callable[[], Any]:
        model = tf.saved_model.load(str(place))
        arguments = _arguments(
            bench, _signature(model, signature, str(dir)), made(inputs), str(dir)
        )
        # Through the model, since a signature alone does not keep the model's variables.
        return lambda: model.signatures[signature](**arguments)

    return scenario(f"inference of {dir}, {signature}", "loop", build, rows=rows)


def dataset(
    fn: Any, elements: int | None = None, *, reset: bool = False, expect: Expect = "same"
) -> Scenario:
    """Make a scenario of a ``tf.data`` pipeline. A step is one iteration from its start.

    The sequence of the elements is compared. Their shapes may differ, as that of a last batch.

    Parameters
    ----------
    fn
        A function that returns the ``tf.data.Dataset``, or the data set.
    elements
        The number of elements after which a step ends; ``None`` for all. A data set that repeats
        without end needs it.
    reset
        Whether every call starts again from the first state, such as the same shuffle.
    expect
        ``"varies"`` if every iteration should give something new.

    Returns
    -------
    Scenario
        Assign it to a variable at the top level of the file.

    Raises
    ------
    UsageError
        In the worker, if the data set has no end, has fewer ``elements``, or does not give the
        same number in every call.
    """

    def build(bench: Bench) -> Callable[[], Any]:
        data = made(fn)
        if elements is None and data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise UsageError("the data set repeats without end; pass elements=, such as 100")
        part = data if elements is None else data.take(elements)
        expected = elements

        def step() -> list[Any]:
            nonlocal expected
            sequence = list(part)
            expected = len(sequence) if expected is None else expected
            _check_count(len(sequence), expected, elements)
            return sequence

        return step

    return scenario(
        "an iteration of a tf.data pipeline",
        "pipeline",
        build,
        ignores=frozenset(["xla"]),
        reset=reset,
        expect=expect,
    )


def callable(
    function: str | Callable[..., Any],
    inputs: Any = (),
    *,
    rows: Rows = None,
    reset: bool = False,
    expect: Expect = "same",
) -> Scenario:
    """Make a scenario of any function. A step is one call, and all that it returns is compared.

    Parameters
    ----------
    function
        The function, or ``"module:function"``. A ``tf.function`` is one.
    inputs
        A tuple of arguments, or the one argument itself. A function that makes either is called
        once in a worker, after seeding.
    rows
        The rows of every output that are compared; all by default.
    reset
        Whether every call starts again from the first state.
    expect
        ``"varies"`` if every call should give something new.

    Returns
    -------
    Scenario
        Assign it to a variable at the top level of the file.

    Raises
    ------
    UsageError
        If there is no such function.
    """
    call = _imported(function) if isinstance(function, str) else function

    def build(bench: Bench) -> Callable[[], Any]:
        arguments = made(inputs)
        return partial(call, *arguments if isinstance(arguments, tuple) else (arguments,))

    name = function if isinstance(function, str) else getattr(call, "__name__", "a function")
    return scenario(f"calls of {name}", "loop", build, rows=rows, reset=reset, expect=expect)


def _imported(reference: str) -> Callable[..., Any]:
    module, colon, name = reference.partition(":")
    if not (module and colon and name):
        raise UsageError(f'"{reference}": name a function as module:function')
    found = vars(importlib.import_module(module))
    if name not in found:
        raise UsageError(f'{module}: no function "{name}"{did_you_mean(name, found)}')
    call: Callable[..., Any] = found[name]
    return call


def _signature(model: Any, name: str, place: str) -> Any:
    names = list(model.signatures)
    if name not in names:
        there = f"; it has {', '.join(names)}" if names else "; it was saved without signatures="
        raise UsageError(f'{place}: no signature "{name}"{did_you_mean(name, names) or there}')
    return model.signatures[name]


def _arguments(bench: Bench, call: Any, given: Any, place: str) -> dict[str, Any]:
    """Return the tensors to call a signature with, by name."""
    # Sorted, since a loaded signature's order follows Python's hash seed, and the draws the order.
    specs = dict(sorted(call.structured_input_signature[1].items()))
    if given is None:
        return {
            name: from_spec(bench, spec, f'{place}, input "{name}"') for name, spec in specs.items()
        }
    named = given if isinstance(given, dict) else dict.fromkeys(list(specs)[:1], given)
    if set(named) != set(specs):
        raise UsageError(
            f"{place}: inputs= has {', '.join(named)}, but the signature {', '.join(specs)}"
        )
    return {name: tf.convert_to_tensor(named[name], spec.dtype) for name, spec in specs.items()}


def _check_count(count: int, expected: int, asked: int | None) -> None:
    if count != expected:
        raise UsageError(
            f"the data set has {count} elements, but elements={asked}; pass at most {count}"
            if asked
            else f"the data set gave {expected} elements and then {count}; "
            f"pass elements=, so that all calls have the same number"
        )
