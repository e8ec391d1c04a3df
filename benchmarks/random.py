"""asv benchmarks of the family random: numbers drawn in a graph (the core set)."""

from detcost.asv_suite import Cache, ScenarioSuite


class NormalMatmulGraph(ScenarioSuite):
    scenario = "normal_matmul_graph"

    def setup_cache(self) -> Cache:
        return self.measure()
