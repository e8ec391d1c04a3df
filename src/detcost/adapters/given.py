"""What a user gives to an adapter: a path, a value, or a function that makes the value."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from detcost.scenarios.registry import Build, Kind, Scenario


def scenario(summary: str, kind: Kind, build: Build, **properties: Any) -> Scenario:
    """Return a user's scenario. The variable of the user's file gives it its name."""
    return Scenario(name="", family="own", summary=summary, build=build, kind=kind, **properties)


def beside_caller(path: str | Path) -> Path:
    """Return a path relative to the file that calls the adapter that calls this."""
    file = sys._getframe(2).f_globals.get("__file__")
    return Path(file).resolve().parent / path if file else Path(path)


def made(given: Any) -> Any:
    """Return what a function makes, or the value itself. A Keras model is a value."""
    return given if hasattr(given, "fit") or not callable(given) else given()
