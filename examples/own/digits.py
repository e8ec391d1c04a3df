"""Train a small network on images of digits: ``python digits.py``."""

import keras
import numpy as np


def load_data():
    """Return images and labels, made up here."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 10, 256)
    images = draw.normal(labels[:, None, None, None] / 10, 1.0, (256, 28, 28, 1))
    return images.astype("float32"), labels


def build_model():
    """Return a compiled network with dropout and batch normalisation."""
    model = keras.Sequential(
        [
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    build_model().fit(*load_data(), batch_size=64, epochs=3)
