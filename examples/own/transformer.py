"""Train a transformer block in mixed bfloat16: ``python transformer.py``."""

import keras
import numpy as np

keras.mixed_precision.set_global_policy("mixed_bfloat16")
WORDS, LENGTH, WIDTH = 100, 16, 32


def load_batch():
    """Return sentences and the words that follow."""
    words = np.random.default_rng(0).integers(0, WORDS, (8, LENGTH + 1))
    return words[:, :-1], words[:, 1:]


def build_model():
    """Return a compiled model with attention, layer normalisation and dropout."""
    words = keras.Input((LENGTH,), dtype="int32")
    x = keras.layers.Embedding(WORDS, WIDTH)(words)
    attended = keras.layers.MultiHeadAttention(4, 8, dropout=0.1)(x, x, use_causal_mask=True)
    x = keras.layers.LayerNormalization()(x + attended)
    dense = keras.layers.Dense(WIDTH)(keras.layers.Dense(64, activation="gelu")(x))
    x = keras.layers.LayerNormalization()(x + keras.layers.Dropout(0.1)(dense))
    logits = keras.layers.Dense(WORDS, dtype="float32")(x)
    model = keras.Model(words, logits)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    model, batch = build_model(), load_batch()
    for step in range(5):
        print(step, model.train_on_batch(*batch))
