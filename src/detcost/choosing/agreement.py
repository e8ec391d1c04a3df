"""Agreement: which settings give the same bits on which machines and devices.

The bits of a program may differ between processors. Evidence of several machines shows where they
differ, and which settings make them equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from operator import attrgetter
from typing import Any

import msgspec

from detcost.choosing.across import same_bits
from detcost.choosing.common_bits import CommonBits, common_bits
from detcost.choosing.isa_prediction import IsaTest, isa_test
from detcost.choosing.question import (
    LISTED,
    USUAL_DEVICE,
    keep_only,
    lever_count,
    resolve,
    simplest_first,
)
from detcost.errors import UsageError
from detcost.evidence.reading import latest
from detcost.evidence.schema import Evidence, Record
from detcost.settings import grammar

#: Settings compared by default, besides all that cap the instruction set.
USUAL = ("default", "op_determinism", "op_determinism+threads=1", "xla")
#: The fields that identify a row, and their titles.
SUBJECT = {
    "scenario": "scenario",
    "size": "size",
    "dtype": "type",
    "tensorflow": "TensorFlow",
    "seed": "seed",
}


class AgreementColumn(msgspec.Struct, frozen=True):
    """A setting on a device of a machine."""

    machine: str
    device: str
    setting: str

    @property
    def place(self) -> str:
        """The machine, and its device if that is not :data:`USUAL_DEVICE`."""
        return self.machine if self.device == USUAL_DEVICE else f"{self.machine} {self.device}"

    def __str__(self) -> str:
        return f"{self.place} {self.setting}"


class AgreementCell(msgspec.Struct, frozen=True):
    """The bits of a setting on a machine.

    Attributes
    ----------
    status
        The status of the record. ``races`` if the bits differ from run to run, because such
        bits cannot be compared. ``not_measured`` if there is no record.
    letter
        Two cells of a row have the same letter if they have the same bits.
    """

    status: str
    letter: str | None = None
    digest: str | None = None


class AgreementRow(msgspec.Struct, frozen=True):
    """The same program in every column."""

    scenario: str
    size: str
    dtype: str
    tensorflow: str
    seed: int
    cells: tuple[AgreementCell, ...]


class AgreementPair(msgspec.Struct, frozen=True):
    """Two columns of different machines or devices.

    Attributes
    ----------
    equal, comparable
        In how many scenarios the bits are equal, and in how many both columns have bits to
        compare. A scenario with several rows is equal if all of its rows are.
    """

    left: AgreementColumn
    right: AgreementColumn
    equal: int
    comparable: int

    def __str__(self) -> str:
        scenarios = "scenario" if self.comparable == 1 else "scenarios"
        return f"{self.left} = {self.right} in {self.equal} of {self.comparable} {scenarios}"

    @property
    def rank(self) -> tuple[int, int, int]:
        """The sort key: fewest that differ, then most that are equal, then fewest levers."""
        return (
            self.comparable - self.equal,
            -self.equal,
            lever_count(self.left.setting) + lever_count(self.right.setting),
        )


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of settings between machines.

    Attributes
    ----------
    fleet
        The same bits on all machines: the cheapest setting for each scenario, or the fewest groups.
    isa
        Scope ``isa`` put to the test on these machines.
    headline
        The result for each pair of machines or devices, as a line of text.
    machines
        The processor of each machine, or of its device if that is not ``CPU:0``.
    versions
        The versions of packages that differ. Such a package may cause a difference in bits.
    pairs
        The best first.
    """

    schema: int = 3
    fleet: list[CommonBits]
    isa: IsaTest
    headline: list[str]
    machines: dict[str, str]
    versions: dict[str, list[str]]
    columns: list[AgreementColumn]
    rows: list[AgreementRow]
    pairs: list[AgreementPair]


def compare(
    records: Iterable[Evidence],
    wanted: Sequence[str] | None = None,
    scenarios: Sequence[str] = ("all",),
) -> Agreement:
    """Compare the newest bits of every program between settings and machines.

    Parameters
    ----------
    wanted
        Settings to compare in rows and pairs. The default is :data:`USUAL` and every setting with
        ``isa=``.
    scenarios
        Names of scenarios or families, or ``all``.

    Raises
    ------
    UsageError
        For a name that is not in the evidence.
    """
    newest = latest(records)
    if not newest:
        raise UsageError("no evidence to compare; run make bench, or detcost measure --out")
    names = resolve(scenarios, {record.scenario: record.family for record in newest})
    chosen = _of_settings([record for record in newest if record.scenario in names], wanted)
    columns = sorted(
        {_column(record) for record in chosen},
        key=lambda column: (column.machine, column.device, *simplest_first(column.setting)),
    )
    rows = sorted(_rows(chosen, columns), key=lambda row: names.index(row.scenario))
    pairs = sorted(_pairs(columns, rows), key=attrgetter("rank"))
    processors = {_column(record).place: record.processor for record in chosen}
    own = [record for record in newest if record.scenario in names]
    return Agreement(
        fleet=[row for device in _devices(own) for row in common_bits(own, device)],
        isa=isa_test(own),
        headline=list(_headline(sorted(processors), pairs)),
        machines=dict(sorted(processors.items())),
        versions=_versions(chosen),
        columns=columns,
        rows=rows,
        pairs=pairs,
    )


def _devices(records: Iterable[Record]) -> list[str]:
    """Return the devices, the usual one first."""
    return sorted({record.device for record in records}, key=lambda d: (d != USUAL_DEVICE, d))


def _of_settings(records: Sequence[Record], wanted: Sequence[str] | None) -> list[Record]:
    measured = sorted({record.setting for record in records})
    if wanted is None:
        usual = [name for name in measured if name in USUAL or _caps(name)]
        wanted = usual or measured
    # A name in the evidence may contain a lever that this detcost does not know.
    exact = [name if name in measured else grammar.parse(name).name for name in wanted]
    of_each = (keep_only(records, "setting", attrgetter("setting"), name) for name in exact)
    return [record for kept in of_each for record in kept]


def _caps(setting: str) -> bool:
    return any(lever.startswith("isa=") for lever in setting.split("+"))


def _versions(records: Sequence[Record]) -> dict[str, list[str]]:
    """Return packages whose versions differ, except TensorFlow, which has its own rows."""
    names = sorted({name for record in records for name in record.versions})
    versions = {name: sorted({r.versions.get(name, "none") for r in records}) for name in names}
    return {
        name: unlike
        for name, unlike in versions.items()
        if len(unlike) > 1 and "tensorflow" not in name
    }


def _column(record: Record) -> AgreementColumn:
    return AgreementColumn(record.machine_name, record.device, record.setting)


def _rows(records: Sequence[Record], columns: Sequence[AgreementColumn]) -> Iterator[AgreementRow]:
    subjects: dict[tuple[Any, ...], dict[AgreementColumn, Record]] = {}
    for record in records:
        subject = tuple(getattr(record, field) for field in SUBJECT)
        subjects.setdefault(subject, {})[_column(record)] = record
    for subject in sorted(subjects):
        cells = tuple(_cells(map(subjects[subject].get, columns)))
        yield AgreementRow(**dict(zip(SUBJECT, subject, strict=True)), cells=cells)


def _cells(records: Iterable[Record | None]) -> Iterator[AgreementCell]:
    kinds: list[Record] = []
    for record in records:
        if record is None:
            yield AgreementCell("not_measured")
        elif record.status != "ok" or record.races:
            yield AgreementCell("races" if record.status == "ok" else record.status)
        elif record.digest is None:
            yield AgreementCell(record.status)
        else:
            yield AgreementCell(record.status, _letter(_kind(record, kinds)), record.digest)


def _kind(record: Record, kinds: list[Record]) -> int:
    """Return the place of the first record with the same bits, and add it if there is none."""
    for place, other in enumerate(kinds):
        if same_bits(record, other):
            kinds[place] = max(other, record, key=lambda known: len(known.sequence))
            return place
    kinds.append(record)
    return len(kinds) - 1


def _letter(place: int) -> str:
    """Return A, B, …, Z, AA, …, as spreadsheets name their columns."""
    before = _letter(place // 26 - 1) if place >= 26 else ""
    return before + chr(ord("A") + place % 26)


def _pairs(
    columns: Sequence[AgreementColumn], rows: Sequence[AgreementRow]
) -> Iterator[AgreementPair]:
    for (i, left), (j, right) in combinations(enumerate(columns), 2):
        if left.place == right.place:
            continue
        equal: dict[str, bool] = {}
        for row in rows:
            one, other = row.cells[i].letter, row.cells[j].letter
            if one and other:
                equal[row.scenario] = equal.get(row.scenario, True) and one == other
        if equal:
            yield AgreementPair(left, right, sum(equal.values()), len(equal))


def _headline(places: Sequence[str], pairs: Sequence[AgreementPair]) -> Iterator[str]:
    """Yield a line for each pair of places: the best pair of settings, and the defaults."""
    if len(places) < 2:
        yield f"evidence of one machine, {places[0]}; add another machine to compare it with"
        return
    between: dict[tuple[str, str], list[AgreementPair]] = {}
    for pair in pairs:
        shown = between.setdefault((pair.left.place, pair.right.place), [])
        if not shown or pair.left.setting == pair.right.setting == "default":
            shown.append(pair)
    if not between:
        yield "no scenario has bits to compare on two machines"
    yield from ["; ".join(map(str, shown)) for shown in between.values()][:LISTED]
    if len(between) > LISTED:
        yield f"and {len(between) - LISTED} more pairs of machines, which --json prints"
