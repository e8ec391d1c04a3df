"""Programs that configure pools and devices at their top, once TensorFlow runs, as many do."""

import tensorflow as tf

import detcost

TABLE = tf.range(64.0)  # TensorFlow refuses the calls below from here on

tf.config.threading.set_intra_op_parallelism_threads(2)
tf.compat.v1.config.threading.set_inter_op_parallelism_threads(2)
tf.config.set_visible_devices([], "GPU")
for device in tf.config.list_physical_devices("CPU"):
    tf.config.experimental.set_memory_growth(device, True)
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()])


@detcost.scenario(family="programs")
def product(bench):
    """A product with a table."""
    return lambda: TABLE[:, None] * TABLE
