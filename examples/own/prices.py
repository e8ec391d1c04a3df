"""Export a model that predicts prices: ``python prices.py`` writes the folder ``prices``."""

from pathlib import Path

import tensorflow as tf


class Prices(tf.Module):
    """Two dense layers, over a category and some numbers."""

    def __init__(self):
        draw = tf.random.Generator.from_seed(1)
        self.categories = tf.Variable(draw.normal((20, 8)))
        self.hidden = tf.Variable(draw.normal((40, 64)))
        self.output = tf.Variable(draw.normal((64, 1)))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, "category"),
            tf.TensorSpec([None, 32], tf.float32, "numbers"),
        ]
    )
    def predict(self, category, numbers):
        """Return a price for each row."""
        features = tf.concat([tf.gather(self.categories, category), numbers], axis=1)
        return {"price": tf.nn.relu(features @ self.hidden) @ self.output}


if __name__ == "__main__":
    model = Prices()
    tf.saved_model.save(model, str(Path(__file__).with_suffix("")), model.predict)
