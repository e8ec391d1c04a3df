"""The figures of ``locate`` come from programs of the size that they are named after."""

from __future__ import annotations

import pytest

from detcost.selfbench import locating_speed

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(300)]


def test_the_small_program_has_a_hundred_operations_and_its_figures_are_there():
    figures = locating_speed.figures("hundred_operations", seconds=4)
    assert 90 <= figures.operations <= 130
    assert figures.digest_bytes >= 8 * figures.operations
