"""Scopes ``machine`` and ``version``: bits compared across machines and versions of TensorFlow.

No machine measures these scopes. They are derived from the evidence of several, by digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from detcost.choosing.question import Selection
from detcost.evidence.schema import DERIVED_SCOPES, Divergence, Record, Variant
from detcost.intervals import RateEstimate, rate_or_bound

R = TypeVar("R", bound=Record)
#: Scenario, setting, device, size and type.
Cell = tuple[str, ...]
#: How many names of a group are written before the rest is counted.
NAMED = 6


class Platform(NamedTuple):
    """A machine, and a version of TensorFlow there."""

    machine: str
    tensorflow: str


#: For each scope: the part of a platform that it changes, and the part that stays.
CHANGES = {
    "machine": (attrgetter("machine"), attrgetter("tensorflow")),
    "version": (attrgetter("tensorflow"), attrgetter("machine")),
}


class Comparable(Protocol):
    """The fields of a record by which bits are compared."""

    @property
    def digest(self) -> str | None: ...  # noqa: D102
    @property
    def carries_state(self) -> bool | None: ...  # noqa: D102
    @property
    def sequence(self) -> Sequence[str]: ...  # noqa: D102


class CellBits(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The bits of a cell at one platform; ``races`` if they differ even if nothing is changed."""

    seed: int
    digest: str | None
    carries_state: bool | None
    sequence: tuple[str, ...]
    races: bool


def bits_of(record: Record | None) -> CellBits | None:
    """Return the bits of a cell; ``None`` if it has none that could be compared."""
    if record is None or record.status != "ok" or not (record.digest or record.races):
        return None
    sequence = tuple(record.sequence)
    return CellBits(record.seed, record.digest, record.carries_state, sequence, record.races)


def same_bits(one: Comparable, other: Comparable) -> bool:
    """Return whether two cells have the same bits.

    If both carry state, the outputs of every call that both kept must be equal.
    """
    if bool(one.carries_state) != bool(other.carries_state):
        return False
    if one.sequence and other.sequence:
        return all(a == b for a, b in zip(one.sequence, other.sequence, strict=False))
    return one.digest == other.digest


class Groups(msgspec.Struct, frozen=True, gc=False):
    """Names by the bits of one program there.

    Attributes
    ----------
    alike
        Names with the same bits, the largest group first.
    digests
        The digest of each group.
    races
        Names where the bits differ if nothing is changed. They agree with none.
    """

    alike: tuple[tuple[str, ...], ...]
    digests: tuple[str, ...]
    races: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many groups there are. Each name that races is one of its own."""
        return len(self.alike) + len(self.races)


def groups_of(seen: Mapping[str, CellBits]) -> Groups:
    """Group names by their bits. Their order does not matter."""
    kinds: list[tuple[CellBits, list[str]]] = []
    for name in sorted(seen):
        own = seen[name]
        if own.races:
            continue
        for number, (known, names) in enumerate(kinds):
            if same_bits(known, own):
                names.append(name)
                kinds[number] = (max(known, own, key=lambda bits: len(bits.sequence)), names)
                break
        else:
            kinds.append((own, [name]))
    kinds.sort(key=lambda kind: (-len(kind[1]), kind[1]))
    return Groups(
        tuple(tuple(names) for _, names in kinds),
        tuple(str(bits.digest) for bits, _ in kinds),
        tuple(name for name in sorted(seen) if seen[name].races),
    )


def cells_of(chosen: Selection[R]) -> Iterator[tuple[Cell, CellBits]]:
    """Yield the bits of every cell of a selection. A lever that means nothing there is left out."""
    settings = {record.setting for record in chosen.records}
    where = (chosen.device, chosen.size, chosen.dtype)
    for scenario, setting in product(chosen.scenarios, sorted(settings)):
        if bits := bits_of(chosen.record(scenario, setting)):
            yield (scenario, setting, *where), bits


class Across:
    """The bits of cells at every platform, and the comparisons between platforms."""

    def __init__(self) -> None:
        """Start without a cell."""
        self._cells: dict[Cell, dict[Platform, CellBits]] = {}
        self._known: dict[tuple[object, ...], tuple[Groups, dict[str, int], list[Variant]]] = {}
        self._once: dict[Any, Any] = {}

    def add(self, platform: Platform, seen: Mapping[Cell, CellBits]) -> list[Cell]:
        """Add the bits of cells at a platform, and return these cells.

        Equal cells and bits of many platforms are kept once.
        """
        once = self._once.setdefault
        cells = [once(cell, cell) for cell in seen]
        for cell, bits in zip(cells, seen.values(), strict=True):
            self._cells.setdefault(cell, {})[platform] = once(bits, bits)
        return cells

    def comparisons(self, platform: Platform, cell: Cell) -> dict[str, Divergence]:
        """Return the comparisons of a cell with other machines, and with other versions."""
        found = ((scope, self._compare(platform, cell, scope)) for scope in DERIVED_SCOPES)
        return {scope: comparison for scope, comparison in found if comparison}

    def _compare(self, platform: Platform, cell: Cell, scope: str) -> Divergence | None:
        own = self._cells.get(cell, {}).get(platform)
        if own is None:
            return None
        changed, stays = CHANGES[scope]
        groups, sizes, variants = self._grouped(cell, scope, stays(platform), own.seed)
        trials = sum(map(len, groups.alike)) + len(groups.races) - 1
        if not trials:
            return None
        alike = sizes.get(changed(platform), 1) - 1
        estimate = _estimate(trials - alike, trials)
        return Divergence(
            divergent=trials - alike,
            trials=trials,
            rate=estimate.rate,
            low=estimate.low,
            high=estimate.high,
            distinct=groups.count,
            variants=variants,
        )

    def _grouped(
        self, cell: Cell, scope: str, fixed: str, seed: int
    ) -> tuple[Groups, dict[str, int], list[Variant]]:
        """Return the groups that a scope compares, the size of each name's group, and variants."""
        key = (cell, scope, fixed, seed)
        if key not in self._known:
            changed, stays = CHANGES[scope]
            seen = {
                changed(platform): bits
                for platform, bits in self._cells[cell].items()
                if stays(platform) == fixed and bits.seed == seed
            }
            groups = groups_of(seen)
            sizes = {name: len(names) for names in groups.alike for name in names}
            self._known[key] = groups, sizes, list(_variants(groups))
        return self._known[key]


def _variants(groups: Groups) -> Iterator[Variant]:
    """Yield a variant for each group, the largest first."""
    for number, (names, digest) in enumerate(zip(groups.alike, groups.digests, strict=True)):
        yield Variant(listed(names), len(names) if number else 0, len(names), 1, digest)
    if groups.races:
        count = len(groups.races)
        yield Variant(f"{listed(groups.races)} (races)", count, count, count, None)


def listed(names: Sequence[str]) -> str:
    """Write the first of some names, and how many more there are."""
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + rest


@cache
def _estimate(divergent: int, trials: int) -> RateEstimate:
    return rate_or_bound(divergent, trials)


def platform_of(record: Record) -> Platform:
    """Return where a record was measured."""
    return Platform(record.machine_name, record.tensorflow)


def by_platform(records: Iterable[R]) -> dict[Platform, list[R]]:
    """Return records by their platform, in order of the platforms' names."""
    platforms: dict[Platform, list[R]] = {}
    for record in records:
        platforms.setdefault(platform_of(record), []).append(record)
    return dict(sorted(platforms.items()))
