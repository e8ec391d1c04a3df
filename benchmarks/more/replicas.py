"""asv benchmarks of the family replicas: one training, split or not (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class ReplicasNone(ScenarioSuite):
    scenario = "replicas_none"

    def setup_cache(self) -> Cache:
        return self.measure()


class ReplicasMirrored(ScenarioSuite):
    scenario = "replicas_mirrored"

    def setup_cache(self) -> Cache:
        return self.measure()


class ReplicasMultiWorker(ScenarioSuite):
    scenario = "replicas_multi_worker"

    def setup_cache(self) -> Cache:
        return self.measure()
