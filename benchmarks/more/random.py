"""asv benchmarks of the family random: numbers from ops, layers, NumPy (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class NormalEager(ScenarioSuite):
    scenario = "normal_eager"

    def setup_cache(self) -> Cache:
        return self.measure()


class NormalGraph(ScenarioSuite):
    scenario = "normal_graph"

    def setup_cache(self) -> Cache:
        return self.measure()


class NormalMatmulEager(ScenarioSuite):
    scenario = "normal_matmul_eager"

    def setup_cache(self) -> Cache:
        return self.measure()


class DropoutOp(ScenarioSuite):
    scenario = "dropout_op"

    def setup_cache(self) -> Cache:
        return self.measure()


class DropoutLayer(ScenarioSuite):
    scenario = "dropout_layer"

    def setup_cache(self) -> Cache:
        return self.measure()


class WeightInitialisation(ScenarioSuite):
    scenario = "weight_initialisation"

    def setup_cache(self) -> Cache:
        return self.measure()


class LayerSeedingItself(ScenarioSuite):
    scenario = "layer_seeding_itself"

    def setup_cache(self) -> Cache:
        return self.measure()


class PerEpochReseeding(ScenarioSuite):
    scenario = "per_epoch_reseeding"

    def setup_cache(self) -> Cache:
        return self.measure()


class NormalMatmulGraph(ScenarioSuite):
    scenario = "normal_matmul_graph"

    def setup_cache(self) -> Cache:
        return self.measure()
