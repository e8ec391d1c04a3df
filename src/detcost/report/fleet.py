"""The same bits on all machines: what the page says about all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from detcost.choosing.common_bits import common_bits
from detcost.choosing.isa_prediction import isa_test
from detcost.choosing.question import USUAL_DEVICE
from detcost.evidence import reading
from detcost.evidence.schema import Evidence
from detcost.tables import fleet_tables

#: More evidence takes too much memory to compare as a whole. The command does it.
MOST_BYTES = 1 << 26


class FleetView(msgspec.Struct, frozen=True):
    """The table of one device, and the remarks on it."""

    device: str
    header: list[str]
    rows: list[list[str]]
    remarks: list[str]


def fleet_views(files: Sequence[Path]) -> list[FleetView]:
    """Return a table for each device that several machines have."""
    if sum(file.stat().st_size for file in files if file.exists()) > MOST_BYTES:
        return []
    records, _ = reading.read_files(files, Evidence)
    devices = sorted({r.device for r in records}, key=lambda name: (name != USUAL_DEVICE, name))
    views = (_view([r for r in records if r.device == device], device) for device in devices)
    return [view for view in views if view.rows]


def _view(records: Sequence[Evidence], device: str) -> FleetView:
    fleet = common_bits(records, device)
    header, *rows = fleet_tables.rows(fleet)
    remarks = fleet_tables.remarks(fleet, isa_test(records))
    return FleetView(device, header, rows, list(remarks))
