"""asv benchmarks of the family matmul: matrix products (the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class MatmulSquare(ScenarioSuite):
    scenario = "matmul_square"

    def setup_cache(self) -> Cache:
        return self.measure()
