"""Save a model that rates reviews: ``python reviews.py`` writes ``reviews.keras``."""

from pathlib import Path

import keras


def build_model():
    """Return a bidirectional LSTM over the words of a review."""
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32", name="words"),
            keras.layers.Embedding(1000, 16),
            keras.layers.Bidirectional(keras.layers.LSTM(16)),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    build_model().save(Path(__file__).with_suffix(".keras"))
