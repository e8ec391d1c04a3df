"""Sources of answers: machine, versions, runs and controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from detcost.choosing.answers import Source, source_of
from detcost.choosing.scope_checks import COLD
from detcost.evidence.schema import Record
from detcost.report.cells import CellView
from detcost.tables.choice_tables import controls_failed
from detcost.tables.evidence_tables import cost_text

#: When a record was measured, the place of its origin, and whether its cost is cold.
Stamp = tuple[str, int, bool]


class SourceView(msgspec.Struct, frozen=True):
    """A source, and the texts that state it.

    Attributes
    ----------
    alarm
        The warning not to use the answer, if a control failed.
    remarks
        The facts, one line each.
    """

    source: Source
    alarm: str | None
    remarks: list[str]


class Sources:
    """Makes the sources of subjects. Subjects share them."""

    def __init__(
        self,
        rows: Sequence[Sequence[Record | None]],
        cells: Sequence[Sequence[CellView | None]],
        failures: Mapping[str, Sequence[str]],
    ) -> None:
        """``rows`` and ``cells`` have a row for each scenario; ``failures`` are by run."""
        self._rows = list(map(_representatives, rows, cells))
        self._failures = failures
        self._places: dict[tuple[Stamp, ...], int] = {}
        self.views: list[SourceView] = []

    def about(self, scenarios: Sequence[int]) -> int:
        """Return the place of the source of some scenarios, which are places."""
        records: dict[Stamp, Record] = {}
        for scenario in scenarios:
            records |= self._rows[scenario]
        key = tuple(records)
        if key not in self._places:
            self._places[key] = len(self.views)
            self.views.append(self._view(list(records.values())))
        return self._places[key]

    def _view(self, records: Sequence[Record]) -> SourceView:
        source = source_of(records)
        failed = (failure for run in source.runs for failure in self._failures.get(run, ()))
        # A control that failed in another scenario of the run counts too.
        source = msgspec.structs.replace(source, failed_controls=tuple(dict.fromkeys(failed)))
        return SourceView(
            source=source,
            alarm=controls_failed(source.failed_controls) if source.failed_controls else None,
            remarks=list(_remarks(source, records[0])),
        )


def _representatives(
    row: Sequence[Record | None], cells: Sequence[CellView | None]
) -> dict[Stamp, Record]:
    """Return a few records that have the same source as the whole row.

    They are the first one, the last one, and one of each origin.
    """
    known: dict[Stamp, Record] = {
        (record.measured_at, cell.origin, record.cold): record
        for record, cell in zip(row, cells, strict=True)
        if record and cell
    }
    stamps = sorted(known)
    chosen = {*stamps[:1], *stamps[-1:], *{stamp[1:]: stamp for stamp in stamps}.values()}
    return {stamp: known[stamp] for stamp in sorted(chosen)}


def _remarks(source: Source, record: Record) -> Iterator[str]:
    yield f"measured on {source.machine} ({source.processor})"
    yield f"TensorFlow {source.tensorflow or 'unknown'}"
    yield f"{record.device}, {record.size}, {record.dtype}"
    yield f"profile {' and '.join(source.profiles) or 'unknown'}"
    yield " to ".join(dict.fromkeys(d[:10] for d in (source.first_measured, source.last_measured)))
    yield f"default against itself: {cost_text(source.noise)}, the noise floor"
    yield "controls FAILED" if source.failed_controls else "no control failed"
    if source.cold:
        yield COLD
