"""Short commands in place of asv, for tests of a farm with real processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from detcost.farm.jobs import Job
from detcost.farm.worker import Here, Order

PROGRAM = Path(__file__).with_name("stand_in_program.py")


class StandIn(msgspec.Struct, frozen=True):
    """Writes one result, after some seconds."""

    seconds: float = 0.0

    def command(
        self, order: Order, here: Here, results: Path
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        written = msgspec.json.encode(order.job).decode()
        words = [order.job.key, written, str(results), str(self.seconds)]
        return [sys.executable, "-SE", str(PROGRAM), *words], dict(os.environ)

    def refusal(self, job: Job, code: int, files: Mapping[str, bytes]) -> str | None:
        return None if code == 0 else "the stand-in failed"
