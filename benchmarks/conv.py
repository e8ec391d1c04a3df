"""asv benchmarks of the family conv: convolutions and their gradients (the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class Conv2dBackward(ScenarioSuite):
    scenario = "conv2d_backward"

    def setup_cache(self) -> Cache:
        return self.measure()
