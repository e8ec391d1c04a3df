"""Where the repository keeps what tests read."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
RESULTS = ROOT / "results"
USER_SCENARIOS = TESTS / "user_scenarios.py"
PROGRAMS = TESTS / "programs"
DATA = TESTS / "data"
