"""asv's other files: the list of all benchmarks, and what each machine is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from detcost.farm.merging.asv_results import Content, Parameters, canonical, check_size

#: asv's versions of the formats.
BENCHMARKS_VERSION, MACHINE_VERSION = 2, 1
_NAME = re.compile(r"[\w.]{1,200}")


class BenchmarkEntry(msgspec.Struct):
    """What asv needs of a benchmark to publish it."""

    name: str
    param_names: list[str]
    params: Parameters
    version: str
    type: str
    unit: str


def check_benchmark(name: str, content: object) -> None:
    """Raise ``ValueError`` if asv could not publish a benchmark."""
    try:
        entry = msgspec.convert(content, BenchmarkEntry)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name[:80]}: {error}") from None
    if not _NAME.fullmatch(name) or entry.name != name:
        raise ValueError(f"{name[:80]}: not the name of a benchmark, or of another")
    if len(entry.params) != len(entry.param_names):
        raise ValueError(f"{name}: not one name for each parameter")
    check_size(entry.params)


def machine(content: Content) -> str:
    """Return the name of the machine that a ``machine.json`` describes.

    Raises
    ------
    ValueError
        If it is no description.
    """
    try:
        texts = msgspec.convert(content, dict[str, str | int | float | None])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if not isinstance(name := texts.get("machine"), str):
        raise ValueError('no name, which "machine" has')
    return name


def fullest(contents: Iterable[Content]) -> Content:
    """Return the description of a machine that tells most."""
    return max(contents, key=lambda content: (len(content), canonical(content)))


def dumps(content: Content, version: int) -> str:
    """Return the text that asv writes."""
    return json.dumps({**content, "version": version}, indent=4, sort_keys=True)


def union(
    lists: Sequence[Content], newest: Mapping[tuple[str, str], float]
) -> tuple[Content, list[str]]:
    """Return every benchmark once, and notes on those of which there are several versions.

    asv shows the results of one version. The greatest number is the newest version. Versions that
    are no numbers are as new as their newest result.

    Parameters
    ----------
    newest
        When the newest result of each benchmark began, by name and version.
    """
    entries: dict[str, list[Content]] = {}
    for benchmarks in lists:
        for name, entry in benchmarks.items():
            entries.setdefault(name, []).append(entry)
    chosen, notes = {}, []
    for name, several in sorted(entries.items()):
        versions = {str(entry["version"]) for entry in several}
        version = _newest_version(name, versions, newest)
        chosen[name] = _together([e for e in several if e["version"] == version])
        if len(versions) > 1:
            notes.append(f"{name}: of its versions, asv shows {version[:20]}")
    return chosen, notes


def _newest_version(
    name: str, versions: Iterable[str], newest: Mapping[tuple[str, str], float]
) -> str:
    if all(re.fullmatch(r"[0-9]{1,18}", version) for version in versions):
        return max(versions, key=lambda version: (int(version), version))
    return max(versions, key=lambda version: (newest.get((name, version), 0), version))


def _together(several: Sequence[Content]) -> Content:
    """Return one entry with the parameters of all. Lists that differ become sorted."""
    best = max(several, key=lambda entry: canonical(_without_params(entry)))
    alike = [e["params"] for e in several if e["param_names"] == best["param_names"]]
    return {**best, "params": [_values(axis) for axis in zip(*alike, strict=True)]}


def _values(lists: tuple[list[str], ...]) -> list[str]:
    same = all(values == lists[0] for values in lists)
    return lists[0] if same else sorted({value for values in lists for value in values})


def _without_params(entry: Content) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "params"}
