"""asv benchmarks of the family matmul: matrix products (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class MatmulSquareBfloat16(ScenarioSuite):
    scenario = "matmul_square"
    dtype = "bfloat16"

    def setup_cache(self) -> Cache:
        return self.measure()


class MatmulTallSkinny(ScenarioSuite):
    scenario = "matmul_tall_skinny"

    def setup_cache(self) -> Cache:
        return self.measure()


class MatmulTallSkinnyBfloat16(ScenarioSuite):
    scenario = "matmul_tall_skinny"
    dtype = "bfloat16"

    def setup_cache(self) -> Cache:
        return self.measure()


class MatmulBatched(ScenarioSuite):
    scenario = "matmul_batched"

    def setup_cache(self) -> Cache:
        return self.measure()


class MatmulBatchedBfloat16(ScenarioSuite):
    scenario = "matmul_batched"
    dtype = "bfloat16"

    def setup_cache(self) -> Cache:
        return self.measure()
