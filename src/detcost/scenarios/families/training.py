"""Complete trainings of a small model from the same start, by Keras ``fit`` or a loop.

A step is one training. It returns a row with the weights after every optimiser step. So the step
at which two trainings diverge can be found.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from detcost.errors import NotApplicable
from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import Build, scenario

CLASSES = 10
BATCH = 16
EPOCHS = 3

OPTIMIZERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "sgd": ("plain SGD", lambda: tf.keras.optimizers.SGD(0.1)),
    "momentum": ("SGD with momentum", lambda: tf.keras.optimizers.SGD(0.1, momentum=0.9)),
    "adam": ("Adam", lambda: tf.keras.optimizers.Adam(0.01)),
    "rmsprop": ("RMSprop", lambda: tf.keras.optimizers.RMSprop(0.01)),
}


class Training:
    """A model, its optimiser and its examples, which can be reset to their start."""

    def __init__(self, bench: Bench, model: Any, optimizer: Any, inputs: Any):
        self._bench = bench
        self.model, self._optimizer = model, optimizer
        self._examples = inputs, tf.constant(bench.integers((len(inputs),), high=CLASSES))
        self._loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer.build(model.trainable_variables)
        self._variables = [v.value for v in model.variables + optimizer.variables]
        self._initial = [tf.identity(variable) for variable in self._variables]

    def fit(self) -> Callable[[], Any]:
        """Return a step that trains by Keras ``fit``."""
        rows: list[Any] = []
        record = tf.keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: rows.append(self.weights())
        )
        jit_compile = self._bench.jit_compile
        self.model.compile(self._optimizer, self._loss, jit_compile=jit_compile)
        if self.model.jit_compile != jit_compile:
            raise NotApplicable("Keras fit does not use XLA under op determinism")

        def step() -> Any:
            rows.clear()
            self._restart()
            self.model.fit(self._batches(), epochs=EPOCHS, verbose=0, callbacks=[record])
            return np.stack(rows)

        return step

    def loop(self) -> Callable[[], Any]:
        """Return a step that trains by a loop over ``tf.GradientTape``."""
        variables = self.model.trainable_variables

        @self._bench.function
        def train(inputs: Any, labels: Any) -> None:
            with tf.GradientTape() as tape:
                loss = self._loss(labels, self.model(inputs, training=True))
            self._optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)

        def step() -> Any:
            rows = []
            self._restart()
            batches = self._batches()
            for _ in range(EPOCHS):
                for inputs, labels in batches:
                    train(inputs, labels)
                    rows.append(self.weights())
            return np.stack(rows)

        return step

    def _restart(self) -> None:
        """Reset every variable in place, so that traced functions stay valid."""
        for variable, value in zip(self._variables, self._initial, strict=True):
            variable.assign(value)

    def _batches(self) -> Any:
        """Return the examples as a new run of the program does: reshuffled for every epoch.

        The shuffle has its own seed. Setting the global seed again makes TensorFlow prepare every
        function again, which takes longer than the training. Autotuning is off: stopping its
        thread after such a short epoch takes up to 20 ms.
        """
        options = tf.data.Options()
        options.autotune.enabled = False
        examples = tf.data.Dataset.from_tensor_slices(self._examples)
        shuffled = examples.shuffle(len(examples), seed=self._bench.op_seed)
        return shuffled.batch(BATCH).with_options(options)

    def weights(self) -> Any:
        """Return all weights in one row."""
        return np.concatenate([weight.ravel() for weight in self.model.get_weights()])


def dense(bench: Bench, optimizer: Any) -> Training:
    """Make the training of a dense network."""
    examples, width = bench.sized((64, 32), (64, 128), (256, 256))
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((width,)),
            layers.Dense(width, activation="relu"),
            layers.Dense(width, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )
    return Training(bench, model, optimizer, bench.normal((examples, width)))


def cnn(bench: Bench, optimizer: Any) -> Training:
    """Make the training of a small convolutional network."""
    examples, side, channels = bench.sized((64, 8, 4), (64, 16, 8), (256, 32, 16))
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((side, side, 3)),
            layers.Conv2D(channels, 3, activation="relu"),
            layers.Conv2D(channels, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES),
        ]
    )
    return Training(bench, model, optimizer, bench.normal((examples, side, side, 3)))


MODELS: dict[str, tuple[str, str, Callable[[Bench, Any], Training]]] = {
    "dense": ("A dense network", "sums over a batch this small keep their order", dense),
    "cnn": ("A small CNN", "convolution gradients are sums that threads split", cnn),
}
LOOPS: dict[str, tuple[str, Callable[[Training], Callable[[], Any]]]] = {
    "fit": ("by Keras fit", Training.fit),
    "loop": ("by a custom loop", Training.loop),
}


def _combination(model: str, loop: str, optimizer: str) -> Build:
    network, source, make = MODELS[model]
    how, train = LOOPS[loop]
    rule, make_optimizer = OPTIMIZERS[optimizer]

    def build(bench: Bench) -> Callable[[], Any]:
        return train(make(bench, make_optimizer()))

    build.__name__ = f"{model}_{loop}_{optimizer}"
    build.__doc__ = f"{network} trained {how} with {rule}; {source}, step after step."
    return scenario(family="training", trajectory=True, draws=True)(build)


# Each function gets a name in this module, as if it were written out.
for build in [_combination(*names) for names in product(MODELS, LOOPS, OPTIMIZERS)]:
    globals()[build.__name__] = build
del build


@scenario(family="training", trajectory=True)
def embedding_training(bench: Bench) -> Callable[[], Any]:
    """Embeddings of often repeated words, trained with SGD; threads race to add to a row."""
    examples, words, width = bench.sized((64, 256, 32), (64, 256, 64), (256, 512, 128))
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((words,)),
            layers.Embedding(100, width),
            layers.GlobalAveragePooling1D(),
            layers.Dense(CLASSES),
        ]
    )
    sentences = tf.constant(bench.integers((examples, words), high=100))
    return Training(bench, model, OPTIMIZERS["sgd"][1](), sentences).loop()
