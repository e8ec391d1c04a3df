"""Sightings: the bits of all cells, read first, since a machine's data compares it with others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from detcost.choosing.across import Across, Cell, CellBits, Platform, by_platform, cells_of
from detcost.choosing.question import Selection
from detcost.evidence import reading
from detcost.evidence.protocol import Controls, Protocol
from detcost.evidence.results import Comparison, Cost
from detcost.evidence.schema import Following, Record
from detcost.report.projection import Count, derived_count

#: The bits of cells, by platform and cell.
Seen = dict[Platform, dict[Cell, CellBits]]
#: The counts of the derived scopes, by platform and cell.
Derived = dict[Platform, dict[Cell, dict[str, Count]]]


class Sighted(Record, frozen=True, kw_only=True, gc=False):
    """A record of which only the bits are read. No record has a field with a comma in its name."""

    cost: Cost | None = msgspec.field(name="cost, unread", default=None)
    following: Following | None = msgspec.field(name="following, unread", default=None)
    protocol: Protocol | None = msgspec.field(name="protocol, unread", default=None)
    controls: Controls | None = msgspec.field(name="controls, unread", default=None)
    divergence: dict[str, Comparison] = msgspec.field(default_factory=dict)


def sight(files: Sequence[Path]) -> Seen:
    """Return the bits of every cell in some evidence files. The newest record of a cell counts."""
    records, _ = reading.read_files(files, Sighted)
    return {
        platform: dict(_bits(own)) for platform, own in by_platform(reading.latest(records)).items()
    }


def _bits(records: Iterable[Sighted]) -> Iterator[tuple[Cell, CellBits]]:
    views: dict[tuple[str, str, str], list[Sighted]] = {}
    for record in records:
        views.setdefault((record.device, record.size, record.dtype), []).append(record)
    for where, own in views.items():
        scenarios = tuple(dict.fromkeys(record.scenario for record in own))
        yield from cells_of(Selection(scenarios, *where, tuple(own)))


def parts(
    folders: Iterable[list[Path]], seen: Iterable[Seen]
) -> Iterator[tuple[list[Path], Derived]]:
    """Yield files to process together, with the counts of the derived scopes.

    Folders with records of the same machine are processed together. ``seen`` has what
    :func:`sight` returned for each folder.
    """
    everything = Across()
    groups: list[tuple[set[str], list[Path]]] = []
    cells: dict[str, dict[Platform, list[Cell]]] = {}
    for files, own in zip(folders, seen, strict=True):
        machines = {platform.machine for platform in own}
        shared = [group for group in groups if group[0] & machines]
        groups = [group for group in groups if not group[0] & machines]
        together = [file for _, others in shared for file in others] + files
        groups.append((machines.union(*(names for names, _ in shared)), together))
        for platform, bits in (sight(together) if shared else own).items():
            kept = everything.add(platform, bits)
            cells.setdefault(platform.machine, {})[platform] = kept
    for machines, files in groups:
        yield files, _derived(everything, (cells[name] for name in machines))


def _derived(everything: Across, machines: Iterable[dict[Platform, list[Cell]]]) -> Derived:
    return {
        platform: {cell: _counts(everything, platform, cell) for cell in own}
        for machine in machines
        for platform, own in machine.items()
    }


def _counts(everything: Across, platform: Platform, cell: Cell) -> dict[str, Count]:
    compared = everything.comparisons(platform, cell)
    return {scope: derived_count(divergence) for scope, divergence in compared.items()}
