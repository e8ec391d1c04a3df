"""Devices that a run was asked for by name, and that its machine does not have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from detcost.evidence.schema import Evidence

_REASON = "no {device} here; TensorFlow reports {present}"


def reason(device: str, present: Sequence[str]) -> str:
    """Return why a cell on an absent device is not applicable."""
    return _REASON.format(device=device, present=", ".join(present))


def reasons(records: Iterable[Evidence]) -> list[str]:
    """Return the reason for each absent device of some records, once.

    Without being asked for a device by name, a run measures only those that are present.
    """
    absent = (
        record.reason
        for record in records
        if record.status == "not_applicable"
        and record.reason
        and record.reason.startswith(_REASON.partition("{present}")[0].format(device=record.device))
    )
    return list(dict.fromkeys(absent))
