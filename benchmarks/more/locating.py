"""asv benchmarks of ``detcost locate`` itself: ``asv run -b locating``."""

from detcost.selfbench import locating_speed
from detcost.selfbench.locating_speed import LocatingFigures

timeout = 1800
version = "1"


class Locating:
    params = tuple(locating_speed.PROGRAMS)
    param_names = ("program",)
    timeout = timeout

    def setup_cache(self) -> dict[str, LocatingFigures]:
        """Locate in each program once, for all figures."""
        return {program: locating_speed.figures(program) for program in locating_speed.PROGRAMS}

    def track_seconds(self, figures: dict[str, LocatingFigures], program: str) -> float:
        """Seconds of a search, without proof and remedies."""
        return figures[program].seconds

    def track_slowdown(self, figures: dict[str, LocatingFigures], program: str) -> float:
        """The time of a step with the probe ÷ its time without."""
        return figures[program].slowdown

    def track_digest_bytes(self, figures: dict[str, LocatingFigures], program: str) -> float:
        """Bytes of digests for a call of the step."""
        return figures[program].digest_bytes


Locating.track_seconds.unit = "seconds"
Locating.track_slowdown.unit = "ratio"
Locating.track_digest_bytes.unit = "bytes"
