"""asv benchmarks of the family training: whole trainings (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class DenseFitSgd(ScenarioSuite):
    scenario = "dense_fit_sgd"

    def setup_cache(self) -> Cache:
        return self.measure()


class DenseFitMomentum(ScenarioSuite):
    scenario = "dense_fit_momentum"

    def setup_cache(self) -> Cache:
        return self.measure()


class DenseFitAdam(ScenarioSuite):
    scenario = "dense_fit_adam"

    def setup_cache(self) -> Cache:
        return self.measure()


class DenseFitRmsprop(ScenarioSuite):
    scenario = "dense_fit_rmsprop"

    def setup_cache(self) -> Cache:
        return self.measure()


class DenseLoopSgd(ScenarioSuite):
    scenario = "dense_loop_sgd"

    def setup_cache(self) -> Cache:
        return self.measure()


class DenseLoopMomentum(ScenarioSuite):
    scenario = "dense_loop_momentum"

    def setup_cache(self) -> Cache:
        return self.measure()


class DenseLoopAdam(ScenarioSuite):
    scenario = "dense_loop_adam"

    def setup_cache(self) -> Cache:
        return self.measure()


class DenseLoopRmsprop(ScenarioSuite):
    scenario = "dense_loop_rmsprop"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnFitSgd(ScenarioSuite):
    scenario = "cnn_fit_sgd"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnFitMomentum(ScenarioSuite):
    scenario = "cnn_fit_momentum"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnFitAdam(ScenarioSuite):
    scenario = "cnn_fit_adam"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnFitRmsprop(ScenarioSuite):
    scenario = "cnn_fit_rmsprop"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnLoopSgd(ScenarioSuite):
    scenario = "cnn_loop_sgd"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnLoopMomentum(ScenarioSuite):
    scenario = "cnn_loop_momentum"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnLoopAdam(ScenarioSuite):
    scenario = "cnn_loop_adam"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnLoopRmsprop(ScenarioSuite):
    scenario = "cnn_loop_rmsprop"

    def setup_cache(self) -> Cache:
        return self.measure()


class EmbeddingTraining(ScenarioSuite):
    scenario = "embedding_training"

    def setup_cache(self) -> Cache:
        return self.measure()
