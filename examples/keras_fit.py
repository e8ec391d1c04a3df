"""A Keras classifier, trained by ``fit`` for one epoch a step."""

import tensorflow as tf

import detcost


def build_model():
    """Return a small convolutional network, compiled as usual."""
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Conv2D(16, 3, activation="relu"),
            tf.keras.layers.MaxPooling2D(),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dropout(0.2),
            tf.keras.layers.Dense(10),
        ]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss)
    return model


@detcost.scenario(family="examples")
def classifier(bench):
    """Train for one epoch; several threads sum a convolution's gradient."""
    images = bench.normal((128, 28, 28, 1))
    labels = bench.integers((128,), high=10)
    model = build_model()

    def step():
        # The weights change from call to call. detcost detects such state: reset nothing.
        model.fit(images, labels, batch_size=32, verbose=0)
        return model.get_weights()

    return step
