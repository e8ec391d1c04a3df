"""Load the scenarios that a reference names. This runs a user's file, so only workers do it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from detcost.errors import UsageError, did_you_mean
from detcost.scenarios.registry import Scenario, find_built_in, in_module, is_external


def load(reference: str) -> Scenario:
    """Return the scenario of a reference.

    Raises
    ------
    UsageError
        As :func:`load_all`. Also if the reference names a file with several scenarios.
    """
    found = load_all(reference)
    if len(found) > 1:
        raise UsageError(
            f"{reference}: has {len(found)} scenarios; name one, as {next(iter(found))}"
        )
    return next(iter(found.values()))


def load_all(reference: str) -> dict[str, Scenario]:
    """Return the scenarios of a reference by their own references, in the order of the file.

    Only a reference without a name, ``path/file.py``, names several.

    Raises
    ------
    UsageError
        If the file, the module or the scenario does not exist, or cannot be loaded. Also if a
        scenario has properties of built-in scenarios.
    """
    if not is_external(reference):
        return {reference: find_built_in(reference)}
    source, colon, name = reference.rpartition(":") if ":" in reference else (reference, "", "")
    scenarios = in_module(_load_module(source))
    if not scenarios:
        raise UsageError(
            f"{source}: has no scenario; put @detcost.scenario on a function that builds your "
            "program and returns its step, or let detcost init write a file"
        )
    chosen = scenarios if not colon else {name: _named(name, source, scenarios)}
    for name, scenario in chosen.items():
        if scenario.strategy or scenario.processes > 1:
            raise UsageError(
                f"{source}:{name}: only built-in scenarios may have strategy and processes; "
                "make the strategy inside the function"
            )
    return {f"{source}:{name}": scenario for name, scenario in chosen.items()}


def _named(name: str, source: str, scenarios: dict[str, Scenario]) -> Scenario:
    if not name:
        every = f", or {source} for all" if source.endswith(".py") else ""
        raise UsageError(f"{source}: no name after the colon; name {' or '.join(scenarios)}{every}")
    if name not in scenarios:
        advice = did_you_mean(name, scenarios) or f"; it has {', '.join(scenarios)}"
        raise UsageError(f'{source}: no scenario "{name}"{advice}')
    return scenarios[name]


def _load_module(source: str) -> ModuleType:
    is_file = source.endswith(".py")
    if is_file and not Path(source).is_file():
        raise UsageError(f"{source}: no such file; name a scenario as path/to/file.py:name")
    try:
        return _load_file(Path(source)) if is_file else importlib.import_module(source)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from None
    except BaseException as error:  # a user's file may raise anything, SystemExit included
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        command = f"python {source}" if is_file else f'python -c "import {source}"'
        raise UsageError(
            f"{source}: cannot be loaded as Python ({reason}); run {command}"
        ) from None


def _load_file(path: Path) -> ModuleType:
    name = f"detcost_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look modules up by name
    sys.path.insert(0, str(path.parent.resolve()))  # imports work as in `python file.py`
    spec.loader.exec_module(module)
    return module
