"""A device that was asked for by name and is absent is no success."""

from __future__ import annotations

import pytest

from detcost.api import Measurement
from detcost.evidence import absence
from factories import failed, record

ABSENT = {
    "status": "not_applicable",
    "device": "GPU:0",
    "reason": absence.reason("GPU:0", ["CPU:0", "CPU:1"]),
}


def test_an_absent_device_is_one_line_with_the_devices_that_are_here():
    measured = Measurement([failed(**ABSENT), failed(**ABSENT, setting="xla"), record()])
    assert measured.absent_devices == ["no GPU:0 here; TensorFlow reports CPU:0, CPU:1"]
    assert not measured.complete


@pytest.mark.parametrize(
    "others",
    [
        [],
        [record(), record(setting="xla", status="unimplemented", reason="XLA cannot compile")],
        [failed(status="not_applicable", reason="isa means nothing to GPU:0", device="GPU:0")],
        [failed(**{**ABSENT, "reason": None})],
    ],
)
def test_what_does_not_apply_for_another_reason_is_complete(others):
    measured = Measurement(others)
    assert measured.absent_devices == []
    assert measured.complete


def test_a_failed_cell_is_not_complete():
    assert not Measurement([record(), failed()]).complete
