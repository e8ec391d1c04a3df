"""The programs of ``examples/own`` as their authors would call them, without detcost.

::

    python plain.py default digits photos

prints the digests of each program's first calls, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, os.getcwd())

import keras
import numpy as np
import tensorflow as tf

ROWS = 24


def digits():
    from digits import build_model, load_data

    model, (images, labels) = build_model(), load_data()

    def step():
        history = model.fit(images, labels, batch_size=64, verbose=0).history
        return [*history["loss"], *history["accuracy"], *model.get_weights()]

    return step


def photos():
    from photos import make_dataset

    dataset = make_dataset()
    return lambda: [part for element in dataset for part in element]


def ratings():
    import ratings

    batch = ratings.load_batch()
    return lambda: [ratings.train_step(*batch), *ratings.users.get_weights()]


def prices():
    model = tf.saved_model.load("prices")
    categories = tf.range(ROWS, dtype=tf.int64) % 20
    numbers = np.random.default_rng(0).normal(size=(ROWS, 32)).astype("float32")
    return lambda: [model.predict(categories, numbers)["price"]]


def transformer():
    from transformer import build_model, load_batch

    model, batch = build_model(), load_batch()
    return lambda: [model.train_on_batch(*batch), *model.get_weights()]


def reviews():
    model = keras.models.load_model("reviews.keras")
    words = np.random.default_rng(0).integers(0, 1000, (ROWS, 16))
    return lambda: [model.predict(words, verbose=0)]


def digest(outputs) -> str:
    return hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in outputs)).hexdigest()


if __name__ == "__main__":
    setting, *programs = sys.argv[1:]
    if setting == "op_determinism":
        tf.config.experimental.enable_op_determinism()
    digests = {}
    for program in programs:
        keras.utils.set_random_seed(7)
        step = globals()[program]()
        digests[program] = [digest(step()) for _ in range(3)]
    print(json.dumps(digests))
