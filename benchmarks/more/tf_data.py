"""asv benchmarks of the family tf_data: input pipelines (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class ShuffleSeeded(ScenarioSuite):
    scenario = "shuffle_seeded"

    def setup_cache(self) -> Cache:
        return self.measure()


class ShuffleReshuffled(ScenarioSuite):
    scenario = "shuffle_reshuffled"

    def setup_cache(self) -> Cache:
        return self.measure()


class ShuffleSameEachEpoch(ScenarioSuite):
    scenario = "shuffle_same_each_epoch"

    def setup_cache(self) -> Cache:
        return self.measure()


class ShuffleUnseeded(ScenarioSuite):
    scenario = "shuffle_unseeded"

    def setup_cache(self) -> Cache:
        return self.measure()


class MapPureParallel(ScenarioSuite):
    scenario = "map_pure_parallel"

    def setup_cache(self) -> Cache:
        return self.measure()


class MapStatelessParallel(ScenarioSuite):
    scenario = "map_stateless_parallel"

    def setup_cache(self) -> Cache:
        return self.measure()


class InterleaveSequential(ScenarioSuite):
    scenario = "interleave_sequential"

    def setup_cache(self) -> Cache:
        return self.measure()


class InterleaveParallel(ScenarioSuite):
    scenario = "interleave_parallel"

    def setup_cache(self) -> Cache:
        return self.measure()


class InterleaveCycle1(ScenarioSuite):
    scenario = "interleave_cycle_1"

    def setup_cache(self) -> Cache:
        return self.measure()


class InterleaveCycle4(ScenarioSuite):
    scenario = "interleave_cycle_4"

    def setup_cache(self) -> Cache:
        return self.measure()


class BatchParallel(ScenarioSuite):
    scenario = "batch_parallel"

    def setup_cache(self) -> Cache:
        return self.measure()


class InterleaveUnordered(ScenarioSuite):
    scenario = "interleave_unordered"

    def setup_cache(self) -> Cache:
        return self.measure()


class BatchUnordered(ScenarioSuite):
    scenario = "batch_unordered"

    def setup_cache(self) -> Cache:
        return self.measure()


class MapRandomParallel(ScenarioSuite):
    scenario = "map_random_parallel"

    def setup_cache(self) -> Cache:
        return self.measure()
