"""The registry of built-in scenarios, and the loader of a user's scenarios."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from detcost.errors import UsageError, did_you_mean

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
        optimizer slots, generators of random numbers, and iterators of ``tf.data``.
    rows
        The rows of every output that are compared, along the leading axis. ``None`` for all.
    expect
        What the outputs should do: stay the ``"same"``, or ``"varies"`` from call to call and
        from process to process, as the draws of a dropout should.
    kind
        The kind of program, which decides what code to paste suits it. ``None`` if unknown.
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
    reset: bool = False,
    rows: Rows = None,
    expect: Expect = "same",
    kind: Kind | None = None,
) -> Callable[[Build], Build]:
    """Register the decorated function as a scenario.

    The function takes a :class:`~detcost.scenarios.bench.Bench` and returns ``step()``.
    It gives the scenario its name, and its docstring is the summary.
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
            reset=reset,
            rows=rows,
            expect=expect,
            kind=kind,
        )
        build.__detcost_scenario__ = entry  # type: ignore[attr-defined]
        return build

    return register


def in_module(module: ModuleType) -> dict[str, Scenario]:
    """Return the scenarios of a module by name, in the order of the file.

    These are its functions with the decorator :func:`scenario`, and its variables that hold a
    :class:`Scenario`. A scenario has the name of its variable.
    """
    found = ((name, _scenario_in(value)) for name, value in vars(module).items())
    return {name: replace(entry, name=name) for name, entry in found if entry}


def _scenario_in(value: object) -> Scenario | None:
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
    """Return whether it names a user's scenario: ``path/file.py:name``, ``package.module:name``."""
    return ":" in reference


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


def load(reference: str) -> Scenario:
    """Return the scenario of a reference. Runs the user's file, so only workers call this.

    Raises
    ------
    UsageError
        If the file, the module or the scenario does not exist, or cannot be loaded. Also if the
        scenario has properties of built-in scenarios.
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
    except BaseException as error:  # a user's file may raise anything, SystemExit included
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        command = f"python {source}" if source.endswith(".py") else f'python -c "import {source}"'
        raise UsageError(
            f"{source}: cannot be loaded as Python ({reason}); run {command}"
        ) from None
    scenarios = in_module(module)
    if name not in scenarios:
        advice = did_you_mean(name, scenarios) or "; decorate it with @detcost.scenario(family=...)"
        raise UsageError(f'{source}: no scenario "{name}"{advice}')
    if scenarios[name].strategy or scenarios[name].processes > 1:
        raise UsageError(
            f"{reference}: only built-in scenarios may have strategy and processes; "
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
    sys.modules[name] = module  # dataclasses and pickle look modules up by name
    sys.path.insert(0, str(path.parent.resolve()))  # imports work as in `python file.py`
    spec.loader.exec_module(module)
    return module
