"""The scenarios there are: built-in ones, and those in a user's own file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from detcost.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from detcost.scenarios.bench import Bench

Build = Callable[["Bench"], Callable[[], Any]]


@dataclass(frozen=True)
class Scenario:
    """A TensorFlow program with fixed inputs.

    Attributes
    ----------
    name
        What results call it.
    family
        The group it is listed and reported under.
    summary
        What it computes, and which source of nondeterminism it has.
    build
        Called once in a worker with a :class:`~detcost.scenarios.bench.Bench`;
        returns ``step()``, whose return value, any nest of tensors, is compared.
    core
        Whether a plain ``asv run`` measures it.
    dtypes
        The types it can be built with; the first is what is measured unless asked.
    ignores
        Levers that mean nothing to it, by name.
    float64_reference
        Whether its program, built from the very same inputs in float64, tells how far
        off its outputs are; such a program takes every type from the bench.
    draws
        Whether it draws random numbers, so that it matters how they are seeded.
    strategy
        Makes its ``tf.distribute`` strategy, found in ``bench.strategy``, before TensorFlow
        has started, as TensorFlow asks.
    processes
        How many processes run it together, each told of the others in ``TF_CONFIG``.
        All take the same steps; the first one's outputs are compared.
    trajectory
        Whether the leading axis of every output is the step of a training, so that the
        step of first divergence can be told.
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


def scenario(
    *,
    family: str,
    core: bool = False,
    dtypes: tuple[str, ...] = ("float32",),
    ignores: tuple[str, ...] = (),
    float64_reference: bool = False,
    draws: bool = False,
    strategy: Callable[[Bench], Any] | None = None,
    processes: int = 1,
    trajectory: bool = False,
) -> Callable[[Build], Build]:
    """Register the decorated function as a scenario.

    The function takes a :class:`~detcost.scenarios.bench.Bench` and returns
    ``step()``. Its name is the scenario's, its docstring the summary.
    """

    def register(build: Build) -> Build:
        entry = Scenario(
            name=build.__name__,
            family=family,
            summary=" ".join((inspect.getdoc(build) or "").split()),
            build=build,
            core=core,
            dtypes=dtypes,
            ignores=frozenset(ignores),
            float64_reference=float64_reference,
            draws=draws,
            strategy=strategy,
            processes=processes,
            trajectory=trajectory,
        )
        build.__detcost_scenario__ = entry  # type: ignore[attr-defined]
        return build

    return register


def in_module(module: ModuleType) -> dict[str, Scenario]:
    """Return the scenarios a module defines, by name, in the order of the file."""
    functions = filter(inspect.isfunction, vars(module).values())
    found = (vars(function).get("__detcost_scenario__") for function in functions)
    return {entry.name: entry for entry in found if entry}


@cache
def built_in() -> dict[str, Scenario]:
    """Return the scenarios of this package, by name. Does not import TensorFlow."""
    import detcost.scenarios.families as package

    return {
        name: entry
        for info in pkgutil.iter_modules(package.__path__)
        for name, entry in in_module(
            importlib.import_module(f"{package.__name__}.{info.name}")
        ).items()
    }


def is_external(reference: str) -> bool:
    """Whether it names a user's own scenario: ``path/to/file.py:name``, ``package.module:name``."""
    return ":" in reference


def find_built_in(name: str) -> Scenario:
    """Return a built-in scenario.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in built_in():
        advice = did_you_mean(name, built_in()) or "; detcost list scenarios shows them all"
        raise UsageError(f'no scenario "{name}"{advice}')
    return built_in()[name]


def load(reference: str) -> Scenario:
    """Return the scenario a reference names. Runs the user's file, so only workers call it.

    Raises
    ------
    UsageError
        If the file, the module or the scenario in it does not exist, the file cannot
        be run as Python, or the scenario asks for what a built-in one alone can have.
    """
    if not is_external(reference):
        return find_built_in(reference)
    source, _, name = reference.rpartition(":")
    try:
        module = (
            _load_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
        )
    except UsageError:
        raise
    except BaseException as error:  # whatever a user's file raises, SystemExit included
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        command = f"python {source}" if source.endswith(".py") else f'python -c "import {source}"'
        raise UsageError(f"{source}: cannot be loaded as Python ({what}); run {command}") from None
    scenarios = in_module(module)
    if name not in scenarios:
        advice = did_you_mean(name, scenarios) or "; decorate it with @detcost.scenario(family=...)"
        raise UsageError(f'{source}: no scenario "{name}"{advice}')
    if scenarios[name].strategy or scenarios[name].processes > 1:
        raise UsageError(
            f"{reference}: strategy and processes are for built-in scenarios; "
            "make the strategy inside the function"
        )
    return scenarios[name]


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; name a scenario as path/to/file.py:name")
    name = f"detcost_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look a module up by name
    sys.path.insert(0, str(path.parent.resolve()))  # its neighbours import as in `python file.py`
    spec.loader.exec_module(module)
    return module
