"""asv benchmarks of the family models: training steps of whole models (the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class ResidualBlock(ScenarioSuite):
    scenario = "residual_block"

    def setup_cache(self) -> Cache:
        return self.measure()


class FitAugmented(ScenarioSuite):
    scenario = "fit_augmented"

    def setup_cache(self) -> Cache:
        return self.measure()
