"""A ``tf.data`` pipeline that augments images, once with stateful and once with stateless ops."""

import tensorflow as tf

import detcost

IMAGES, BATCH = 128, 32
CROP = (24, 24, 3)


def augment(image):
    """Draw from TensorFlow's global generator. Parallel calls race for its numbers."""
    return tf.image.random_crop(tf.image.random_flip_left_right(image), CROP)


def augment_by_number(number, image):
    """Draw from a seed of the image's own. The order of the calls does not matter."""
    seed = tf.stack([tf.cast(number, tf.int32), 42])
    image = tf.image.stateless_random_flip_left_right(image, seed)
    return tf.image.stateless_random_crop(image, CROP, seed)


@detcost.scenario(family="examples", ignores=("xla",))
def stateful_augmentation(bench):
    """Parallel map with stateful random ops; which image gets which numbers is a race."""
    images = tf.data.Dataset.from_tensor_slices(bench.uniform((IMAGES, 32, 32, 3)))
    images = images.shuffle(IMAGES, seed=42)
    dataset = images.map(augment, num_parallel_calls=4).batch(BATCH)
    return lambda: list(dataset)


@detcost.scenario(family="examples", ignores=("xla",))
def stateless_augmentation(bench):
    """Parallel map with stateless random ops; each image has a seed of its own."""
    images = tf.data.Dataset.from_tensor_slices(bench.uniform((IMAGES, 32, 32, 3)))
    numbered = images.shuffle(IMAGES, seed=42).enumerate()
    dataset = numbered.map(augment_by_number, num_parallel_calls=4).batch(BATCH)
    return lambda: list(dataset)
