"""Load a test, or a function of one, as a scenario. The launchers of guards call this in workers.

A launcher is a file that :mod:`detcost.testing.launcher` writes. A module is loaded under the name
and with the paths that it had where the guard was called. So its imports work in the same way.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from pathlib import Path
from types import ModuleType
from typing import Any

from detcost.errors import UsageError
from detcost.scenarios.bench import Bench
from detcost.scenarios.registry import Scenario, scenario_in

#: Stands for the bench among the arguments of a test.
BENCH = "bench"


def scenario(
    module: str,
    file: str | None,
    name: str,
    *,
    path: Sequence[str],
    conftests: Sequence[tuple[str, str]] = (),
    arguments: Mapping[str, Any] | None = None,
) -> Scenario:
    """Return a program as a scenario.

    Parameters
    ----------
    module, file
        The module of the program, and its file. Without a file, the module is found by ``path``.
    name
        The name in the module, such as ``step`` or ``TestModel.test_step``.
    path
        The folders to import from: ``sys.path`` where the guard was called.
    conftests
        Names and files of modules to load before, as pytest does.
    arguments
        The arguments of a test that returns a step. ``None`` for a function that is the step.

    Raises
    ------
    UsageError
        If the module has no such name.
    """
    sys.path[:] = path
    for conftest, place in conftests:
        loaded(conftest, place)
    home = loaded(module, file)
    found, owner = _found(home, name)
    known = scenario_in(found)
    if known is not None:
        return known
    if not callable(found):
        raise UsageError(f"{name} is a {type(found).__name__}; name a function or a scenario")
    if arguments is None:
        return _scenario(found, lambda bench: found)
    return _scenario(found, lambda bench: _call(home, owner, found, arguments, bench))


def _scenario(function: Any, build: Callable[[Bench], Callable[[], Any]]) -> Scenario:
    summary = " ".join((inspect.getdoc(function) or "").split())
    return Scenario(name="", family="guards", summary=summary, build=build)


def _found(home: ModuleType, name: str) -> tuple[Any, type | None]:
    """Return what a name stands for, and the class that it is defined in."""
    try:
        *outer, last = name.split(".")
        owner = reduce(getattr, outer, home)
        return getattr(owner, last), owner if isinstance(owner, type) else None
    except AttributeError:
        raise UsageError(f"{home.__name__} has no {name} in a fresh process") from None


def _call(
    home: ModuleType,
    owner: type | None,
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    bench: Bench,
) -> Any:
    """Call a test after the functions that set up its module and its class; return its step."""
    given = {name: bench if name == BENCH else value for name, value in arguments.items()}
    _set_up(getattr(home, "setup_module", None), home)
    if owner is None:
        return function(**given)
    case = owner()
    method = getattr(case, function.__name__)
    _set_up(getattr(case, "setup_class", None), owner)
    _set_up(getattr(case, "setup_method", None), method)
    return method(**given)


def _set_up(function: Callable[..., Any] | None, argument: Any) -> None:
    """Call a function as pytest does: the argument may be left out."""
    if function is not None:
        (partial(function, argument) if inspect.signature(function).parameters else function)()


def loaded(name: str, file: str | None) -> ModuleType:
    """Import a module by its name, or from its file if the name leads elsewhere.

    Packages around it become packages here too, so that relative imports work.
    """
    if file is None:
        return importlib.import_module(name)
    place = Path(file)
    known = sys.modules.get(name)
    if known is not None:  # two conftest.py of folders that are no packages have one name
        same = _is_file(getattr(known, "__file__", None), place)
        return known if same else _loaded_from(name, place)
    package, _, _ = name.rpartition(".")
    folder = place.parent if place.stem != "__init__" else place.parent.parent
    if package:
        _make_package(package, folder)
    if _leads_to(name, place):
        return importlib.import_module(name)
    return _loaded_from(name, place)


def _make_package(name: str, folder: Path) -> None:
    """Make a name a package of this folder, unless it is one already."""
    outer, _, _ = name.rpartition(".")
    if outer:
        _make_package(outer, folder.parent)
    module = sys.modules.get(name)
    if module is not None:
        paths = [Path(each) for each in getattr(module, "__path__", ())]
        if folder not in paths:
            module.__path__ = [*map(str, paths), str(folder)]
        return
    code = folder / "__init__.py"
    if code.is_file():
        loaded(name, str(code))
    else:
        module = ModuleType(name)
        module.__path__ = [str(folder)]
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__spec__.submodule_search_locations = module.__path__
        sys.modules[name] = module


def _leads_to(name: str, file: Path) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and _is_file(spec.origin, file)


def _is_file(path: str | None, file: Path) -> bool:
    return path is not None and Path(path).resolve() == file


def _loaded_from(name: str, file: Path) -> ModuleType:
    within = [str(file.parent)] if file.stem == "__init__" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=within)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
