"""asv benchmarks of the family tf_function: graphs, random ops, loops (the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class MlpGraph(ScenarioSuite):
    scenario = "mlp_graph"

    def setup_cache(self) -> Cache:
        return self.measure()
