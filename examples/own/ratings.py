"""Learn embeddings of users and films with Adam, in a loop: ``python ratings.py``."""

import keras
import numpy as np
import tensorflow as tf

users = keras.layers.Embedding(500, 16)
films = keras.layers.Embedding(200, 16)
optimizer = keras.optimizers.Adam(0.01)


def load_batch():
    """Return users, films and ratings. Many users occur more than once."""
    draw = np.random.default_rng(0)
    ids = draw.integers(0, 500, 2048), draw.integers(0, 200, 2048)
    return *map(tf.constant, ids), tf.constant(draw.uniform(1, 5, 2048), tf.float32)


@tf.function
def train_step(user, film, rating):
    """Return the loss of one step."""
    with tf.GradientTape() as tape:
        predicted = tf.reduce_sum(users(user) * films(film), axis=1)
        loss = tf.reduce_mean((predicted - rating) ** 2)
    weights = users.trainable_variables + films.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss


if __name__ == "__main__":
    batch = load_batch()
    for step in range(10):
        print(step, float(train_step(*batch)))
