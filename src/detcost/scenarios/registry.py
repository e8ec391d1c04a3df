"""What a scenario is, how a function becomes one, and the registry of built-in scenarios."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeVar, get_args, overload

from detcost.errors import UsageError, did_you_mean, shortened

if TYPE_CHECKING:
    from detcost.scenarios.bench import Bench

Build = Callable[["Bench"], Callable[[], Any]]
#: Rows along the leading axis: some, one, or all (``None``).
Rows = slice | Sequence[int] | int | None
Expect = Literal["same", "varies"]
Kind = Literal["keras", "loop", "pipeline"]


@dataclass(frozen=True)
class Scenario:
    """A TensorFlow program with fixed inputs.

    Attributes
    ----------
    name
        The name in results.
    family
        The group in lists and reports.
    summary
        The computation and its source of nondeterminism.
    build
        Called once in a worker with a :class:`~detcost.scenarios.bench.Bench`. Returns
        ``step()``, which returns any nest of tensors to compare.
    core
        Whether a plain ``asv run`` measures the scenario.
    dtypes
        The types that the scenario supports. The first is the default.
    ignores
        Names of levers without meaning for the scenario.
    float64_reference
        Whether the same program in float64, with the same inputs, gives the error of the
        outputs. Such a program takes every type from the bench.
    draws
        Whether the scenario draws random numbers, so that the lever ``seeding`` applies.
    strategy
        Makes the ``tf.distribute`` strategy for ``bench.strategy``, before TensorFlow starts.
    processes
        Number of processes that run the scenario together, as a cluster in ``TF_CONFIG``.
        All run the same steps. The outputs of the first process are compared.
    trajectory
        Whether the leading axis of every output is the step of a training. Then the step of
        first divergence is recorded.
    reset
        Whether the program's state is put back before every call of the step: variables,
        optimizer slots, generators of random numbers, and iterators of ``tf.data``. Python's own
        generators and iterators go on. Each step is then timed alone, without the reset.
    rows
        The rows of every output that are compared, along the leading axis. ``None`` for all.
    expect
        What the outputs should do: stay the ``"same"``, or ``"varies"`` from call to call and
        from process to process, as the draws of a dropout should.
    kind
        The kind of program, which decides what code to paste suits it. ``None`` if unknown.
    contains
        Names of smaller built-in scenarios that the program contains.
    """

    name: str
    family: str
    summary: str
    build: Build
    core: bool = False
    dtypes: tuple[str, ...] = ("float32",)
    ignores: frozenset[str] = frozenset()
    float64_reference: bool = False
    draws: bool = False
    strategy: Callable[[Bench], Any] | None = None
    processes: int = 1
    trajectory: bool = False
    reset: bool = False
    rows: Rows = None
    expect: Expect = "same"
    kind: Kind | None = None
    contains: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The summary, and the smaller scenarios that the program contains."""
        parts = f" Contains {', '.join(self.contains)}." if self.contains else ""
        return self.summary + parts

    def __post_init__(self) -> None:
        """Refuse values that Python cannot tell apart from right ones.

        Raises
        ------
        UsageError
            If ``expect``, ``kind`` or ``rows`` has no such value.
        """
        _check_word("expect", self.expect, get_args(Expect))
        _check_word("kind", self.kind, (None, *get_args(Kind)))
        rows = [self.rows] if isinstance(self.rows, int) else self.rows
        if rows is None or isinstance(rows, slice):
            return
        if not _are_numbers(rows):
            raise UsageError(
                f"rows={shortened(repr(self.rows))}: give the number of a row, a list of numbers, "
                "or slice(first, last + 1)"
            )


def _check_word(field: str, word: object, known: Sequence[str | None]) -> None:
    words = [str(each) for each in known if each]
    if word not in known:
        advice = did_you_mean(str(word), words)
        raise UsageError(f"{field}={word!r}{advice or '; write ' + ' or '.join(words)}")


def _are_numbers(rows: Any) -> bool:
    try:
        return len(rows) > 0 and all(
            isinstance(row, SupportsIndex) and not isinstance(row, bool) for row in rows
        )
    except TypeError:
        return False


Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def scenario(function: Function, /) -> Function: ...


@overload
def scenario(
    *,
    family: str | None = None,
    core: bool = False,
    dtypes: tuple[str, ...] = ("float32",),
    ignores: tuple[str, ...] = (),
    float64_reference: bool = False,
    draws: bool = False,
    strategy: Callable[[Bench], Any] | None = None,
    processes: int = 1,
    trajectory: bool = False,
    reset: bool = False,
    rows: Rows = None,
    expect: Expect = "same",
    kind: Kind | None = None,
    contains: tuple[str, ...] = (),
) -> Callable[[Function], Function]: ...


def scenario(
    function: Any = None,
    /,
    *,
    family: str | None = None,
    ignores: tuple[str, ...] = (),
    **properties: Any,
) -> Any:
    """Register the decorated function as a scenario: ``@detcost.scenario``, options or not.

    The function builds the program and returns ``step()``. It takes a
    :class:`~detcost.scenarios.bench.Bench`, or nothing. It gives the scenario its name, and its
    docstring is the summary.

    Parameters
    ----------
    function
        The function, if the decorator has no options.
    family, ignores, **properties
        Fields of :class:`Scenario`. The family is the name of the file by default.

    Raises
    ------
    UsageError
        If the decorator is not on a function, or the function takes more than a bench. Also if a
        field has no such value.
    """
    known = {field.name for field in fields(Scenario)} - {"name", "summary", "build"}
    for option in properties.keys() - known:
        advice = did_you_mean(option, known) or f"; it takes {', '.join(sorted(known))}"
        raise UsageError(f'@detcost.scenario has no option "{option}"{advice}')

    def register(function: Any) -> Any:
        build = _build(function)
        function.__detcost_scenario__ = Scenario(
            name=function.__name__,
            family=family or Path(function.__code__.co_filename).stem,
            summary=" ".join((inspect.getdoc(function) or "").split()),
            build=build,
            ignores=frozenset(ignores),
            **properties,
        )
        return function

    return register if function is None else register(function)


def _build(function: Any) -> Build:
    """Return the function itself if it takes a bench; else one that takes it and passes nothing.

    A parameter with a default value is the function's own, unless its name is ``bench``.
    """
    if not inspect.isfunction(function):
        name = getattr(function, "__name__", repr(function))
        raise UsageError(
            f"@detcost.scenario is on {name}, a {type(function).__name__}; put it on a plain "
            "function that builds your program and returns its step"
        )
    parameters = inspect.signature(function).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p for p in parameters if p.default is p.empty and p.kind not in variadic]
    if len(needed) > 1 or any(p.kind is p.KEYWORD_ONLY for p in needed):
        names = ", ".join(p.name for p in needed)
        raise UsageError(
            f"line {function.__code__.co_firstlineno}: {function.__name__}({names}) is a scenario, "
            "which takes bench or nothing; make the rest inside it"
        )
    if needed or any(p.name == "bench" or p.kind is p.VAR_POSITIONAL for p in parameters):
        return function
    return lambda bench: function()


def in_module(module: ModuleType) -> dict[str, Scenario]:
    """Return the scenarios of a module by name, in the order of the file.

    These are its functions with the decorator :func:`scenario`, and its variables that hold a
    :class:`Scenario`. A scenario has the name of its variable.
    """
    found = ((name, scenario_in(value)) for name, value in vars(module).items())
    return {name: replace(entry, name=name) for name, entry in found if entry}


def scenario_in(value: object) -> Scenario | None:
    """Return the scenario that a value is, or that a decorated function has; else ``None``."""
    if isinstance(value, Scenario):
        return value
    if inspect.isfunction(value):
        entry: Scenario | None = vars(value).get("__detcost_scenario__")
        return entry
    return None


@cache
def built_in() -> dict[str, Scenario]:
    """Return the built-in scenarios by name. Does not import TensorFlow."""
    import detcost.scenarios.families as package

    return {
        name: entry
        for info in pkgutil.iter_modules(package.__path__)
        for name, entry in in_module(
            importlib.import_module(f"{package.__name__}.{info.name}")
        ).items()
    }


def is_external(reference: str) -> bool:
    """Return whether it names scenarios of a user's.

    These are ``path/file.py:name``, ``path/file.py`` and ``package.module:name``.
    """
    return ":" in reference or reference.endswith(".py")


def find_built_in(name: str) -> Scenario:
    """Return a built-in scenario.

    Raises
    ------
    UsageError
        If there is no scenario with this name.
    """
    if name not in built_in():
        advice = did_you_mean(name, built_in()) or "; detcost list scenarios shows them all"
        raise UsageError(f'no scenario "{name}"{advice}')
    return built_in()[name]
