"""Programs measured by adapters, and the same programs with a step written by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import detcost

draw = np.random.default_rng(0)
X, Y = draw.standard_normal((40, 8)).astype("float32"), draw.standard_normal((40, 2))


def make_model():
    model = keras.Sequential([keras.layers.Dropout(0.2), keras.layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def make_data():
    return X, Y


def make_dataset():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(10)


def by_hand(train):
    """Return a scenario whose step trains and returns losses and weights."""

    @detcost.scenario(family="own")
    def program(bench):
        model = make_model()

        def step():
            losses = train(model)
            paths = [weight.path for weight in model.weights]
            return {"losses": losses, "weights": dict(zip(paths, model.get_weights(), strict=True))}

        return step

    return program


fit = detcost.keras.fit_step(make_model, make_data, batches=2, epochs=2, batch_size=10)
fit_by_hand = by_hand(
    lambda model: model.fit(X, Y, batch_size=10, steps_per_epoch=2, epochs=2, verbose=0).history
)
fit_of_values = detcost.keras.fit_step(make_model(), make_dataset())
fit_reset = detcost.keras.fit_step(make_model, make_data, verbose=1, reset=True)
batch_reset = detcost.keras.train_batch(make_model, make_dataset, compare="losses", reset=True)
batch = detcost.keras.train_batch(make_model, make_dataset)
batch_by_hand = by_hand(lambda model: model.train_on_batch(X[:10], Y[:10], return_dict=True))
weights = detcost.keras.train_batch(make_model, (X[:10], Y[:10]), compare="weights")

not_compiled = detcost.keras.fit_step(lambda: keras.Sequential([keras.layers.Dense(2)]), (X, Y))

remainder = detcost.dataset(lambda: tf.data.Dataset.range(10).batch(4))
endless = detcost.dataset(lambda: tf.data.Dataset.range(10).repeat())
first_of_endless = detcost.dataset(lambda: tf.data.Dataset.range(10).repeat(), elements=12)
too_few = detcost.dataset(tf.data.Dataset.range(10), elements=12)
growing = itertools.count(3)
changing = detcost.dataset(
    lambda: tf.data.Dataset.from_generator(
        lambda: range(next(growing)), output_signature=tf.TensorSpec((), tf.int64)
    )
)

library = detcost.callable("numpy:add", lambda: (X, X))
one_row = detcost.callable(tf.nn.softmax, X, rows=0)

HERE = Path(__file__).parent
if (HERE / "ids.keras").exists():
    ids = detcost.keras.file("ids.keras")
    ids_given = detcost.keras.file("ids.keras", {"near": np.zeros((3, 4)), "far": np.zeros(3)})
    subclass = detcost.keras.file("subclass.keras")
    served = detcost.saved_model("served")
    served_given = detcost.saved_model("served", inputs=lambda: {"x": X, "scale": 2.0})
    unlike = detcost.saved_model("served", inputs={"y": X})
    mistyped = detcost.saved_model("served", "serving_defalt")
    words = detcost.saved_model("served", "words")


@keras.saving.register_keras_serializable()
class Subclass(keras.Model):
    """A model that says nothing about its inputs."""

    def __init__(self, **more):
        super().__init__(**more)
        self.dense = keras.layers.Dense(2)

    def call(self, x):
        return self.dense(x)


class Served(tf.Module):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 8], tf.float32, "x"),
            tf.TensorSpec([], tf.float32, "scale"),
        ]
    )
    def numbers(self, x, scale):
        return {"y": x * scale}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def words(self, text):
        return {"length": tf.strings.length(text)}


def save():
    """Save the models next to this file."""
    near, far = keras.Input((None,), name="near", dtype="int32"), keras.Input((), name="far")
    table = keras.layers.Embedding(5, 2)(near)
    total = keras.ops.sum(table, axis=1) + keras.layers.Embedding(9, 2)(far)
    keras.Model({"near": near, "far": far}, total).save(HERE / "ids.keras")
    model = Subclass()
    model(X)
    model.save(HERE / "subclass.keras")
    served = Served()
    signatures = {"serving_default": served.numbers, "words": served.words}
    tf.saved_model.save(served, str(HERE / "served"), signatures)


if __name__ == "__main__":
    save()
