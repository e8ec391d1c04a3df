"""asv benchmarks of the family tf_function: graphs, random ops, loops (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class MlpEager(ScenarioSuite):
    scenario = "mlp_eager"

    def setup_cache(self) -> Cache:
        return self.measure()


class MlpJit(ScenarioSuite):
    scenario = "mlp_jit"

    def setup_cache(self) -> Cache:
        return self.measure()


class GraphRandomOps(ScenarioSuite):
    scenario = "graph_random_ops"

    def setup_cache(self) -> Cache:
        return self.measure()


class WhileLoopAccumulation(ScenarioSuite):
    scenario = "while_loop_accumulation"
    version = "2"

    def setup_cache(self) -> Cache:
        return self.measure()
