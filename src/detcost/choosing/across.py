"""Scopes ``machine`` and ``version``: bits compared across machines and versions of TensorFlow.

No machine measures these scopes. They are derived from the evidence of several, by digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from detcost.choosing.question import Selection
from detcost.evidence.schema import DERIVED_SCOPES, Divergence, Record, Variant
from detcost.intervals import RateEstimate, rate_or_bound

R = TypeVar("R", bound=Record)
#: How many names of a group are written before the rest is counted.
NAMED = 6


class Place(NamedTuple):
    """A machine, and a version of TensorFlow there."""

    machine: str
    tensorflow: str


#: For each scope: the part of a place that it changes, and the part that stays.
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
    def sequence(self) -> list[str]: ...  # noqa: D102


class Bits(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The bits of a cell at one place; ``races`` if they differ even if nothing is changed."""

    seed: int
    digest: str | None
    carries_state: bool | None
    sequence: list[str]
    races: bool


def bits_of(record: Record | None) -> Bits | None:
    """Return the bits of a cell; ``None`` if it has none that could be compared."""
    if record is None or record.status != "ok" or not (record.digest or record.races):
        return None
    return Bits(record.seed, record.digest, record.carries_state, record.sequence, record.races)


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


def groups_of(seen: Mapping[str, Bits]) -> Groups:
    """Group names by their bits. Their order does not matter."""
    kinds: list[tuple[Bits, list[str]]] = []
    for name in sorted(seen):
        own = seen[name]
        if own.races:
            continue
        for place, (known, names) in enumerate(kinds):
            if same_bits(known, own):
                names.append(name)
                kinds[place] = (max(known, own, key=lambda bits: len(bits.sequence)), names)
                break
        else:
            kinds.append((own, [name]))
    kinds.sort(key=lambda kind: (-len(kind[1]), kind[1]))
    return Groups(
        tuple(tuple(names) for _, names in kinds),
        tuple(str(bits.digest) for bits, _ in kinds),
        tuple(name for name in sorted(seen) if seen[name].races),
    )


class Across:
    """The bits of cells at every place, and the comparisons between places."""

    def __init__(self) -> None:
        """Start without a cell."""
        self._cells: dict[tuple[str, ...], dict[Place, Bits]] = {}
        self._known: dict[tuple[object, ...], tuple[Groups, dict[str, int], list[Variant]]] = {}

    def add(self, place: Place, cell: tuple[str, ...], bits: Bits) -> None:
        """Add the bits of a cell at a place."""
        self._cells.setdefault(cell, {})[place] = bits

    def add_selection(self, place: Place, chosen: Selection[R]) -> None:
        """Add every cell of a selection. A lever that means nothing there is left out."""
        for scenario in chosen.scenarios:
            for setting in {record.setting for record in chosen.records}:
                if bits := bits_of(chosen.record(scenario, setting)):
                    where = (chosen.device, chosen.size, chosen.dtype)
                    self.add(place, (scenario, setting, *where), bits)

    def comparisons(self, place: Place, cell: tuple[str, ...]) -> dict[str, Divergence]:
        """Return the comparison of a cell in each derived scope that another place has it for."""
        found = ((scope, self._compare(place, cell, scope)) for scope in DERIVED_SCOPES)
        return {scope: comparison for scope, comparison in found if comparison}

    def _compare(self, place: Place, cell: tuple[str, ...], scope: str) -> Divergence | None:
        own = self._cells.get(cell, {}).get(place)
        if own is None:
            return None
        changed, stays = CHANGES[scope]
        groups, sizes, variants = self._grouped(cell, scope, stays(place), own.seed)
        trials = sum(map(len, groups.alike)) + len(groups.races) - 1
        if not trials:
            return None
        alike = sizes.get(changed(place), 1) - 1
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
        self, cell: tuple[str, ...], scope: str, fixed: str, seed: int
    ) -> tuple[Groups, dict[str, int], list[Variant]]:
        """Return the groups of places that a scope compares, each name's group size, and texts."""
        key = (cell, scope, fixed, seed)
        if key not in self._known:
            changed, stays = CHANGES[scope]
            seen = {
                changed(place): bits
                for place, bits in self._cells[cell].items()
                if stays(place) == fixed and bits.seed == seed
            }
            groups = groups_of(seen)
            sizes = {name: len(names) for names in groups.alike for name in names}
            self._known[key] = groups, sizes, list(_variants(groups))
        return self._known[key]


def _variants(groups: Groups) -> Iterator[Variant]:
    """Yield a variant for each group. The first is the reference."""
    for place, (names, digest) in enumerate(zip(groups.alike, groups.digests, strict=True)):
        yield Variant(listed(names), len(names) if place else 0, len(names), 1, digest)
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


def place_of(record: Record) -> Place:
    """Return where a record was measured."""
    return Place(record.machine_name, record.tensorflow)


def by_place(records: Iterable[R]) -> dict[Place, list[R]]:
    """Return records by their place, in order of the places' names."""
    places: dict[Place, list[R]] = {}
    for record in records:
        places.setdefault(place_of(record), []).append(record)
    return dict(sorted(places.items()))
