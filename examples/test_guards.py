"""Guards for CI: what must give the same bits, and a control that must not: ``pytest``."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "own"))


@pytest.mark.reproducible(survive=["repeat", "process"], setting="op_determinism", rate=0.2)
def test_photos_come_in_the_same_order_with_the_same_changes():
    """A step is an epoch."""
    import photos

    return lambda: list(photos.make_dataset())


@pytest.mark.expect_divergence
def test_the_guard_sees_that_they_do_not_by_default():
    """The control."""
    import photos

    return lambda: list(photos.make_dataset())
