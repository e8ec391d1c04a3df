"""Launchers: files that load the program of a guard as a scenario.

A launcher is an ordinary scenario file, so every command of detcost takes it too.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from detcost.atomic_file import replacing
from detcost.errors import UsageError, shortened
from detcost.scenarios.registry import find_built_in, is_external, scenario_in

_TEXT = '''"""A guard of detcost wrote this file. It loads a program as the test loads it."""

from detcost.testing import loading

globals()[{label!r}] = loading.scenario(
    {module!r},
    {file!r},
    {name!r},
    path={path!r},
    conftests={conftests!r},
    arguments={arguments!r},
)
'''


@dataclass(frozen=True)
class GuardedProgram:
    """A program that a guard calls in fresh processes, and where to find it.

    Attributes
    ----------
    module, file, name, conftests, arguments
        See :func:`detcost.testing.loading.scenario`.
    path
        Folders to import from, before those of this process.
    label
        The name of the scenario in results.
    home
        The name of its file in results, without the suffix.
    """

    module: str
    file: str | None
    name: str
    label: str
    home: str
    path: tuple[str, ...] = ()
    conftests: tuple[tuple[str, str], ...] = ()
    arguments: Mapping[str, Any] | None = None

    def write(self, folder: Path) -> str:
        """Write the launcher into a folder, and return the reference of its scenario."""
        label = self.label.replace(":", "-")  # a reference has one colon
        path = folder / f"{self.home}.py"
        folder.mkdir(parents=True, exist_ok=True)
        text = _TEXT.format(
            label=label,
            module=self.module,
            file=self.file,
            name=self.name,
            path=[str(Path(entry).absolute()) for entry in (*self.path, *sys.path)],
            conftests=list(self.conftests),
            arguments=None if self.arguments is None else dict(self.arguments),
        )
        with replacing(path) as file:
            file.write(text.encode())
        return f"{path}:{label}"


def program(step: Any) -> GuardedProgram | str:
    """Return the program that a caller means.

    Parameters
    ----------
    step
        A function or a scenario at the top level of a module, or a reference such as
        ``file.py:name``, ``package.module:name`` or the name of a built-in scenario.

    Returns
    -------
    GuardedProgram or str
        A string is the name of a built-in scenario.

    Raises
    ------
    UsageError
        If a fresh process cannot find it.
    """
    if not isinstance(step, str):
        return _of_object(step)
    if not is_external(step):
        return find_built_in(step).name
    source, _, name = step.rpartition(":") if ":" in step else (step, "", "")
    if not name:
        raise UsageError(f"{step}: name one program of it, as {step}:name")
    if not source.endswith(".py"):
        return GuardedProgram(source, None, name, name, source)
    place = Path(source).resolve()
    if not place.is_file():
        raise UsageError(f"{source}: no such file; name a program as path/to/file.py:name")
    return GuardedProgram(place.stem, str(place), name, name, place.stem, (str(place.parent),))


def _of_object(step: Any) -> GuardedProgram:
    if not callable(step) and scenario_in(step) is None:
        raise UsageError(
            f"{shortened(repr(step))} is no function; pass the step, a scenario, or the name of "
            "either as file.py:name"
        )
    module, name = _home(step)
    file = getattr(module, "__file__", None)
    assert file is not None
    module_name = module.__name__ if module.__name__ != "__main__" else Path(file).stem
    return GuardedProgram(module_name, str(Path(file).resolve()), name, name, module_name)


def _home(step: Any) -> tuple[ModuleType, str]:
    """Return the module that has this object at its top level, and the name there."""
    own = sys.modules.get(str(getattr(step, "__module__", "")))
    modules = [own, *list(sys.modules.values())] if own else list(sys.modules.values())
    for module in modules:
        if isinstance(module, ModuleType) and isinstance(getattr(module, "__file__", None), str):
            for name, value in list(vars(module).items()):
                if value is step:
                    return module, name
    name = getattr(step, "__qualname__", None) or type(step).__qualname__
    raise UsageError(
        f"{name}: a fresh process cannot find it; put it at the top level of a module, or let a "
        "test with @pytest.mark.reproducible return it"
    )


def carried(name: str, value: object) -> object:
    """Return an argument that a fresh process gets too.

    Raises
    ------
    UsageError
        If it is not a literal of Python, which a fresh process can write down again.
    """
    try:
        if ast.literal_eval(repr(value)) == value:
            return value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    raise UsageError(
        f"{name}={shortened(repr(value))}: a fresh process cannot have it, because it is no "
        "literal; parametrize by a number, a text, or a list, and make the rest in the test"
    )


def parameters(function: Any) -> Iterable[str]:
    """Return the names of the parameters that a call must give."""
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty and name != "self"
    ]
