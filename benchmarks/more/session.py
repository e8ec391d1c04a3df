"""asv benchmarks of the family session: TF1 sessions, and equal TF2 code (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class SessionNormal(ScenarioSuite):
    scenario = "session_normal"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionNormalAsFunction(ScenarioSuite):
    scenario = "session_normal_as_function"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionNormalAsEager(ScenarioSuite):
    scenario = "session_normal_as_eager"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionWeights(ScenarioSuite):
    scenario = "session_weights"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionWeightsAsFunction(ScenarioSuite):
    scenario = "session_weights_as_function"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionWeightsAsEager(ScenarioSuite):
    scenario = "session_weights_as_eager"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionDropout(ScenarioSuite):
    scenario = "session_dropout"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionDropoutAsFunction(ScenarioSuite):
    scenario = "session_dropout_as_function"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionDropoutAsEager(ScenarioSuite):
    scenario = "session_dropout_as_eager"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionSgd(ScenarioSuite):
    scenario = "session_sgd"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionSgdAsFunction(ScenarioSuite):
    scenario = "session_sgd_as_function"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionSgdAsEager(ScenarioSuite):
    scenario = "session_sgd_as_eager"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionConv(ScenarioSuite):
    scenario = "session_conv"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionConvAsFunction(ScenarioSuite):
    scenario = "session_conv_as_function"

    def setup_cache(self) -> Cache:
        return self.measure()


class SessionConvAsEager(ScenarioSuite):
    scenario = "session_conv_as_eager"

    def setup_cache(self) -> Cache:
        return self.measure()
