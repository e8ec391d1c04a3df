"""asv benchmarks of the family irregular: scatters, sums, gradients (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class BatchNormGradient(ScenarioSuite):
    scenario = "batch_norm_gradient"

    def setup_cache(self) -> Cache:
        return self.measure()


class ResizeBilinearGradient(ScenarioSuite):
    scenario = "resize_bilinear_gradient"

    def setup_cache(self) -> Cache:
        return self.measure()


class ResizeNearestGradient(ScenarioSuite):
    scenario = "resize_nearest_gradient"

    def setup_cache(self) -> Cache:
        return self.measure()


class MaxPoolGradient(ScenarioSuite):
    scenario = "max_pool_gradient"

    def setup_cache(self) -> Cache:
        return self.measure()


class ScatterAddDup0(ScenarioSuite):
    scenario = "scatter_add_dup0"

    def setup_cache(self) -> Cache:
        return self.measure()


class ScatterAddDup10(ScenarioSuite):
    scenario = "scatter_add_dup10"

    def setup_cache(self) -> Cache:
        return self.measure()


class EmbeddingGradientDup0(ScenarioSuite):
    scenario = "embedding_gradient_dup0"

    def setup_cache(self) -> Cache:
        return self.measure()


class EmbeddingGradientDup10(ScenarioSuite):
    scenario = "embedding_gradient_dup10"

    def setup_cache(self) -> Cache:
        return self.measure()


class SegmentSum(ScenarioSuite):
    scenario = "segment_sum"

    def setup_cache(self) -> Cache:
        return self.measure()


class UnsortedSegmentSum(ScenarioSuite):
    scenario = "unsorted_segment_sum"

    def setup_cache(self) -> Cache:
        return self.measure()


class BincountWeighted(ScenarioSuite):
    scenario = "bincount_weighted"

    def setup_cache(self) -> Cache:
        return self.measure()


class SparseDenseMatmul(ScenarioSuite):
    scenario = "sparse_dense_matmul"

    def setup_cache(self) -> Cache:
        return self.measure()


class SoftmaxCrossEntropy(ScenarioSuite):
    scenario = "softmax_cross_entropy"
    version = "2"

    def setup_cache(self) -> Cache:
        return self.measure()


class SparseSoftmaxCrossEntropy(ScenarioSuite):
    scenario = "sparse_softmax_cross_entropy"

    def setup_cache(self) -> Cache:
        return self.measure()


class ReduceMeanAxis(ScenarioSuite):
    scenario = "reduce_mean_axis"

    def setup_cache(self) -> Cache:
        return self.measure()


class EmbeddingGradientDup100(ScenarioSuite):
    scenario = "embedding_gradient_dup100"

    def setup_cache(self) -> Cache:
        return self.measure()
