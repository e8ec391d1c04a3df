"""Training steps of whole models, as people write them with Keras, state and all.

Each call of a step is the next step of one training. Weights, optimizer slots, statistics of batch
normalisation and the generators of dropout carry on. Nothing is reset, as in a user's loop. Weights
start from Keras's own initialisers, which follow the program's seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from detcost.scenarios.bench import Bench
from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.registry import scenario

#: A loop of training visits several batches, so that inputs are not always in the cache.
BATCHES = 4
CLASSES = 10
VOCABULARY = 1_000


@scenario(
    family="models",
    dtypes=("float32", "bfloat16"),
    draws=True,
    kind="loop",
    contains=(
        "matmul_batched",
        "dropout_layer",
        "unsorted_segment_sum",
        "sparse_softmax_cross_entropy",
    ),
)
def transformer_block(bench: Bench) -> Callable[[], Any]:
    """Attention block of a transformer, by AdamW; the sums of products depend on the processor.

    In bfloat16 it uses Keras's policy ``mixed_bfloat16``: weights stay in float32.
    """
    batch, length, width = bench.sized((2, 32, 32), (8, 64, 128), (32, 256, 512))
    policy = "mixed_bfloat16" if bench.dtype == "bfloat16" else "float32"
    layers = _WithPolicy(policy)
    tokens = tf.keras.layers.Input((length,), dtype="int32")
    embedded = layers.Embedding(VOCABULARY, width)(tokens)
    normed = layers.LayerNormalization()(embedded)
    attended = layers.MultiHeadAttention(4, width // 4, dropout=0.1)(normed, normed)
    hidden = layers.Add()([embedded, layers.Dropout(0.1)(attended)])
    inner = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(hidden))
    hidden = layers.Add()([hidden, layers.Dropout(0.1)(layers.Dense(width)(inner))])
    pooled = layers.GlobalAveragePooling1D()(hidden)
    logits = tf.keras.layers.Dense(CLASSES, dtype="float32")(pooled)
    batches = [
        (tf.constant(bench.integers((batch, length), high=VOCABULARY)), labels(bench, (batch,)))
        for _ in range(BATCHES)
    ]
    model = tf.keras.Model(tokens, logits)
    return train(bench, model, tf.keras.optimizers.AdamW(1e-3), class_loss(), batches)


@scenario(
    family="models",
    draws=True,
    kind="loop",
    contains=("unsorted_segment_sum", "bias_gradient"),
)
def recommender(bench: Bench) -> Callable[[], Any]:
    """Recommender with bags of popular items, by Adam; GPUs add an item's gradients atomically."""
    batch, bag, items, width = bench.sized(
        (256, 10, 1_000, 16), (1_024, 20, 5_000, 32), (8_192, 50, 100_000, 64)
    )
    layers = tf.keras.layers
    user, seen = layers.Input((), dtype="int32"), layers.Input((bag,), dtype="int32")
    taste = layers.GlobalAveragePooling1D()(layers.Embedding(items, width)(seen))
    hidden = layers.Concatenate()([layers.Embedding(items, width)(user), taste])
    logits = layers.Dense(1)(layers.Dense(64, activation="relu")(hidden))

    def popular(shape: tuple[int, ...]) -> Any:
        return tf.constant((items * np.asarray(bench.uniform(shape)) ** 3).astype(np.int32))

    batches = [
        (
            [popular((batch,)), popular((batch, bag))],
            bench.tensor(bench.integers((batch, 1), high=2)),
        )
        for _ in range(BATCHES)
    ]
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    model = tf.keras.Model([user, seen], logits)
    return train(bench, model, tf.keras.optimizers.Adam(1e-3), loss, batches)


@scenario(
    family="models",
    draws=True,
    kind="loop",
    contains=(
        "unsorted_segment_sum",
        "bias_gradient",
        "matmul_tall_skinny",
        "sparse_softmax_cross_entropy",
    ),
)
def graph_network(bench: Bench) -> Callable[[], Any]:
    """Two rounds of messages along edges, by Adam; GPUs add a node's messages atomically."""
    nodes, edges, width, graphs = bench.sized(
        (200, 1_000, 16, 8), (2_000, 16_000, 32, 32), (50_000, 500_000, 64, 256)
    )
    layers = tf.keras.layers

    class Network(tf.keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = layers.Dense(width)
            self.messages = [layers.Dense(width, activation="relu") for _ in range(2)]
            self.updates = [layers.Dense(width, activation="relu") for _ in range(2)]
            self.last = layers.Dense(CLASSES)

        def call(self, inputs: Any) -> Any:
            features, sources, targets, owners = inputs
            hidden = self.first(features)
            for message, update in zip(self.messages, self.updates, strict=True):
                ends = [tf.gather(hidden, sources), tf.gather(hidden, targets)]
                messages = message(tf.concat(ends, axis=1))
                received = tf.math.unsorted_segment_sum(messages, targets, nodes)
                hidden = update(tf.concat([hidden, received], axis=1))
            return self.last(tf.math.unsorted_segment_mean(hidden, owners, graphs))

    def graph() -> tuple[Any, ...]:
        owners = np.sort(bench.integers((nodes,), high=graphs))
        sources, targets = bench.integers((2, edges), high=nodes)
        ends = tf.constant(sources), tf.constant(targets)
        return bench.normal((nodes, width)), *ends, tf.constant(owners)

    batches = [(graph(), labels(bench, (graphs,))) for _ in range(BATCHES)]
    model = Network()
    model(batches[0][0])  # makes the weights
    return train(bench, model, tf.keras.optimizers.Adam(1e-3), class_loss(), batches)


@scenario(
    family="models",
    draws=True,
    kind="loop",
    contains=(
        "lstm_backward",
        "dropout_layer",
        "unsorted_segment_sum",
        "sparse_softmax_cross_entropy",
    ),
)
def lstm_tagger(bench: Bench) -> Callable[[], Any]:
    """Tagger of words by a bidirectional LSTM and Adam; a loop on a CPU, cuDNN on a GPU."""
    batch, length, width = bench.sized((8, 8, 16), (16, 20, 64), (64, 100, 256))
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((length,), dtype="int32"),
            layers.Embedding(VOCABULARY, width),
            layers.Bidirectional(layers.LSTM(width, return_sequences=True)),
            layers.Dropout(0.2),
            layers.Dense(CLASSES),
        ]
    )
    batches = [
        (
            tf.constant(bench.integers((batch, length), high=VOCABULARY)),
            labels(bench, (batch, length)),
        )
        for _ in range(BATCHES)
    ]
    return train(bench, model, tf.keras.optimizers.Adam(1e-3), class_loss(), batches)


@scenario(
    family="models",
    draws=True,
    kind="loop",
    contains=("mlp_graph", "bias_gradient", "reduce_mean_axis", "dropout_layer"),
)
def tabular_network(bench: Bench) -> Callable[[], Any]:
    """Dense network with normalised columns, by RMSprop; threads may split sums over the batch."""
    batch, columns, width = bench.sized((128, 20, 32), (1_024, 50, 256), (8_192, 200, 1_024))
    layers = tf.keras.layers
    batches = [(bench.normal((batch, columns)), bench.normal((batch, 1))) for _ in range(BATCHES)]
    normalised = layers.Normalization()
    normalised.adapt(np.concatenate([rows for rows, _ in batches]))
    rows = layers.Input((columns,))
    hidden = normalised(rows)
    for _ in range(3):
        hidden = layers.BatchNormalization()(layers.Dense(width)(hidden))
        hidden = layers.Dropout(0.1)(layers.ReLU()(hidden))
    model = tf.keras.Model(rows, layers.Dense(1)(hidden))
    loss = tf.keras.losses.MeanSquaredError()
    return train(bench, model, tf.keras.optimizers.RMSprop(1e-3), loss, batches)


class _WithPolicy:
    """Keras's layers with one dtype policy."""

    def __init__(self, policy: str):
        self._policy = policy

    def __getattr__(self, name: str) -> Callable[..., Any]:
        layer = getattr(tf.keras.layers, name)
        return lambda *args, **options: layer(*args, dtype=self._policy, **options)


def labels(bench: Bench, shape: tuple[int, ...]) -> Any:
    """Return a class for each place of a tensor."""
    return tf.constant(bench.integers(shape, high=CLASSES))


def class_loss() -> Any:
    """Return the mean cross-entropy of logits."""
    return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train(
    bench: Bench, model: Any, optimizer: Any, loss: Any, batches: Sequence[tuple[Any, Any]]
) -> Callable[[], Any]:
    """Return a step that trains on the next batch, and returns the loss and all weights."""
    optimizer.build(model.trainable_variables)
    turns = cycle(batches)

    @bench.function
    def one(inputs: Any, targets: Any) -> Any:
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            error = loss(targets, model(inputs, training=True))
        optimizer.apply(tape.gradient(error, [v.value for v in variables]), variables)
        return error, [tf.identity(weight.value) for weight in model.weights]

    return lambda: one(*next(turns))
