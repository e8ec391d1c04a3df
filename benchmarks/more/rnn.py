"""asv benchmarks of the family rnn: recurrent layers (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class LstmUnrolled(ScenarioSuite):
    scenario = "lstm_unrolled"

    def setup_cache(self) -> Cache:
        return self.measure()


class LstmBackward(ScenarioSuite):
    scenario = "lstm_backward"

    def setup_cache(self) -> Cache:
        return self.measure()


class GruForward(ScenarioSuite):
    scenario = "gru_forward"

    def setup_cache(self) -> Cache:
        return self.measure()


class GruBackward(ScenarioSuite):
    scenario = "gru_backward"

    def setup_cache(self) -> Cache:
        return self.measure()
