"""Real processes are killed, stopped and cut off, and every planned shard is there exactly once.

``python tests/farm/faults.py --schedules 200`` tries more of the same.
"""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a farm's machines run no Windows")


def test_nothing_is_lost_and_nothing_is_there_twice(tmp_path):
    pytest.importorskip("distributed")
    import faults

    told: list[str] = []
    faults.run_schedules(2, seed=7, folder=tmp_path, tell=told.append)
    assert len(told) == 2
