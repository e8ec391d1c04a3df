"""asv benchmarks of the family irregular: scatters, sums, gradients (the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class CropAndResizeGradient(ScenarioSuite):
    scenario = "crop_and_resize_gradient"

    def setup_cache(self) -> Cache:
        return self.measure()


class ScatterAddDup100(ScenarioSuite):
    scenario = "scatter_add_dup100"

    def setup_cache(self) -> Cache:
        return self.measure()


class ReduceSumLarge(ScenarioSuite):
    scenario = "reduce_sum_large"

    def setup_cache(self) -> Cache:
        return self.measure()
