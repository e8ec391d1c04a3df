"""asv benchmarks of the family models: training steps of models (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class TransformerBlock(ScenarioSuite):
    scenario = "transformer_block"

    def setup_cache(self) -> Cache:
        return self.measure()


class TransformerBlockBfloat16(ScenarioSuite):
    scenario = "transformer_block"
    dtype = "bfloat16"

    def setup_cache(self) -> Cache:
        return self.measure()


class Recommender(ScenarioSuite):
    scenario = "recommender"

    def setup_cache(self) -> Cache:
        return self.measure()


class Unet(ScenarioSuite):
    scenario = "unet"

    def setup_cache(self) -> Cache:
        return self.measure()


class GraphNetwork(ScenarioSuite):
    scenario = "graph_network"

    def setup_cache(self) -> Cache:
        return self.measure()


class LstmTagger(ScenarioSuite):
    scenario = "lstm_tagger"

    def setup_cache(self) -> Cache:
        return self.measure()


class TabularNetwork(ScenarioSuite):
    scenario = "tabular_network"

    def setup_cache(self) -> Cache:
        return self.measure()
