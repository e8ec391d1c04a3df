"""asv benchmarks of the family tf_data: input pipelines (the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class MapUnordered(ScenarioSuite):
    scenario = "map_unordered"

    def setup_cache(self) -> Cache:
        return self.measure()
