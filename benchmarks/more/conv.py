"""asv benchmarks of the family conv: convolutions and their gradients (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class Conv2dForward(ScenarioSuite):
    scenario = "conv2d_forward"

    def setup_cache(self) -> Cache:
        return self.measure()


class DepthwiseBackward(ScenarioSuite):
    scenario = "depthwise_backward"

    def setup_cache(self) -> Cache:
        return self.measure()


class CnnTrainStep(ScenarioSuite):
    scenario = "cnn_train_step"

    def setup_cache(self) -> Cache:
        return self.measure()


class BiasGradient(ScenarioSuite):
    scenario = "bias_gradient"

    def setup_cache(self) -> Cache:
        return self.measure()
