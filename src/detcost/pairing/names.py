"""The names of two programs in records and tables."""

from __future__ import annotations

from pathlib import Path

from detcost.experiment.records import public_name
from detcost.workers.contract import ScenarioInfo


def distinct_names(first: ScenarioInfo, second: ScenarioInfo) -> tuple[str, str]:
    """Name two programs without the folders that they share.

    Two files of one name, such as ``old/model.py`` and ``new/model.py``, keep the folders in
    which they differ.
    """
    names = public_name(first), public_name(second)
    if names[0] != names[1]:
        return names
    ours, theirs = _path(first).parts, _path(second).parts
    kept = 1
    while ours[-kept:] == theirs[-kept:] and kept < max(len(ours), len(theirs)):
        kept += 1
    return _name(first, kept), _name(second, kept)


def short_names(first: str, second: str) -> tuple[str, str]:
    """Shorten two names to what follows the file, unless this is equal."""
    short = first.rpartition(":")[2], second.rpartition(":")[2]
    return (first, second) if short[0] == short[1] else short


def _path(info: ScenarioInfo) -> Path:
    return Path(info.reference.rpartition(":")[0]).resolve()


def _name(info: ScenarioInfo, kept: int) -> str:
    return f"{Path(*_path(info).parts[-kept:])}:{info.name}"
