"""asv benchmarks of the family rnn: recurrent layers (the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class LstmForward(ScenarioSuite):
    scenario = "lstm_forward"

    def setup_cache(self) -> Cache:
        return self.measure()
