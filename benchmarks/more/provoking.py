"""How much sooner perturbations find a divergence than quiet trials: ``asv run -b provoking``."""

from detcost import provoking
from detcost.workers.launch import start_workers


class Provoking:
    params = (provoking.SCENARIOS, provoking.KINDS)
    param_names = ("scenario", "perturbation")
    timeout = 1800
    version = "1"

    def setup_cache(self) -> provoking.Results:
        pool = start_workers()
        try:
            return provoking.measure(pool)
        finally:
            pool.close()

    def track_trials_to_first(
        self, cache: provoking.Results, scenario: str, perturbation: str
    ) -> float:
        """Mean number of repeats until the first whose bytes differ; NaN if none did."""
        return cache[scenario, perturbation].trials_to_first

    track_trials_to_first.unit = "trials"  # type: ignore[attr-defined]
