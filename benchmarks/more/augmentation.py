"""asv benchmarks of the family augmentation: images changed at random (beyond the core set)."""

from detcost.asv_integration.suite import Cache, ScenarioSuite


class AugmentImageDataGenerator(ScenarioSuite):
    scenario = "augment_image_data_generator"

    def setup_cache(self) -> Cache:
        return self.measure()


class AugmentKerasLayers(ScenarioSuite):
    scenario = "augment_keras_layers"

    def setup_cache(self) -> Cache:
        return self.measure()


class AugmentKerasLayersInTfData(ScenarioSuite):
    scenario = "augment_keras_layers_in_tf_data"

    def setup_cache(self) -> Cache:
        return self.measure()


class AugmentTfDataStateless(ScenarioSuite):
    scenario = "augment_tf_data_stateless"

    def setup_cache(self) -> Cache:
        return self.measure()
