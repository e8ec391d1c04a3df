"""How much sooner perturbed trials find a divergence: ``asv run -b provoking``."""

from detcost.selfbench import time_to_detection
from detcost.workers.launch import start_workers


class Provoking:
    params = (time_to_detection.SCENARIOS, time_to_detection.KINDS)
    param_names = ("scenario", "perturbation")
    timeout = 1800
    version = "1"

    def setup_cache(self) -> time_to_detection.Results:
        factory = start_workers()
        try:
            return time_to_detection.measure(factory)
        finally:
            factory.close()

    def track_trials_to_first(
        self, cache: time_to_detection.Results, scenario: str, perturbation: str
    ) -> float:
        """Mean number of repeats until the first one whose bytes differ; NaN if none differs."""
        return cache[scenario, perturbation].trials_to_first

    track_trials_to_first.unit = "trials"  # type: ignore[attr-defined]
