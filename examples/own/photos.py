"""Augment and shuffle photos: ``python photos.py``."""

import tensorflow as tf


def augment(image, label):
    """Flip, crop and brighten at random."""
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_crop(image, (24, 24, 3))
    return tf.image.random_brightness(image, 0.2), label


def make_dataset():
    """Return batches of 48; the last has 8."""
    images = tf.random.uniform((200, 32, 32, 3))
    dataset = tf.data.Dataset.from_tensor_slices((images, tf.range(200)))
    dataset = dataset.shuffle(200).map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(48).prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    tf.random.set_seed(1)
    for epoch in range(2):
        for images, labels in make_dataset():
            print(epoch, images.shape, labels[:4].numpy())
