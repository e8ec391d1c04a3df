"""Ways to seed and draw random numbers, with a class for each.

An op is made when the program is built, with a seed of its own if it has one. Calling the op in the
step draws numbers. Each class seeds ops as the snippets of the lever ``seeding`` do
(:mod:`detcost.settings.levers`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from detcost.errors import NotApplicable
from detcost.scenarios.lazy_tensorflow import tf

Draw = Callable[[], Any]


class Drawing:
    """Draws by stateful ops without a seed of their own. They follow the global seed, if any.

    Raises
    ------
    NotApplicable
        From any method, if this way to seed has no counterpart of it.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def op_seed(self, op_name: str) -> int | None:
        """Return the argument ``seed=`` of a stateful op. ``op_name`` is for error messages."""
        return None

    def layer_seed(self, op_name: str) -> int | None:
        """Return the argument ``seed=`` of a Keras layer or initialiser."""
        return None

    def normal(self, shape: Sequence[int]) -> Draw:
        """Return an op that draws float32 numbers, normal with mean 0 and deviation 1."""
        seed = self.op_seed("tf.random.normal")
        return lambda: tf.random.normal(shape, seed=seed)

    def uniform(self, shape: Sequence[int]) -> Draw:
        """Return an op that draws float32 numbers, uniform on [0, 1)."""
        seed = self.op_seed("tf.random.uniform")
        return lambda: tf.random.uniform(shape, seed=seed)

    def dropout(self, rate: float) -> Callable[[Any], Any]:
        """Return an op that sets a random share of its input to zero."""
        seed = self.op_seed("tf.nn.dropout")
        return lambda x: tf.nn.dropout(x, rate, seed=seed)

    def glorot(self, rows: int, columns: int) -> Draw:
        """Return a function that makes a uniform Glorot initialiser of Keras for a matrix."""
        seed = self.layer_seed("a Keras initialiser")
        return lambda: tf.keras.initializers.GlorotUniform(seed=seed)

    def restart(self) -> None:
        """Restart the generators that the program makes, if any."""


class PerOp(Drawing):
    """Draws by the same ops, each with its own seed, and without a global seed."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self._seeds = _seeds(seed)

    def op_seed(self, op_name: str) -> int:
        """Return the next seed derived from the program's."""
        return next(self._seeds)

    def layer_seed(self, op_name: str) -> int:
        """Return the next seed derived from the program's."""
        return next(self._seeds)


class FromNumPy(Drawing):
    """Draws by NumPy and converts to tensors. TensorFlow's own draws are not seeded."""

    def normal(self, shape: Sequence[int]) -> Draw:
        """Return a function that draws and converts."""
        return lambda: _tensor(np.random.standard_normal, shape)

    def uniform(self, shape: Sequence[int]) -> Draw:
        """Return a function that draws and converts."""
        return lambda: _tensor(np.random.random_sample, shape)

    def dropout(self, rate: float) -> Callable[[Any], Any]:
        """Return dropout by numbers that NumPy draws."""
        return lambda x: tf.nn.experimental.general_dropout(
            x, rate, lambda shape, dtype: _tensor(np.random.random_sample, shape)
        )

    def glorot(self, rows: int, columns: int) -> Draw:
        """Return a function that draws the weights and makes an initialiser from them."""
        limit = math.sqrt(6 / (rows + columns))
        return lambda: tf.keras.initializers.Constant(
            np.random.uniform(-limit, limit, (rows, columns))
        )


class FromGenerator(Drawing):
    """Draws from one ``tf.random.Generator``, whose state is a variable."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self._generator = tf.random.Generator.from_seed(seed)

    def op_seed(self, op_name: str) -> int | None:
        """Raise :class:`NotApplicable`."""
        raise NotApplicable(f"{op_name} takes a seed, but not a tf.random.Generator")

    layer_seed = op_seed

    def normal(self, shape: Sequence[int]) -> Draw:
        """Return a method of the generator."""
        return lambda: self._generator.normal(shape)

    def uniform(self, shape: Sequence[int]) -> Draw:
        """Return a method of the generator."""
        return lambda: self._generator.uniform(shape)

    def dropout(self, rate: float) -> Callable[[Any], Any]:
        """Return dropout by numbers of the generator."""
        return lambda x: tf.nn.experimental.general_dropout(x, rate, self._generator.uniform)

    def restart(self) -> None:
        """Reset the generator to its first state."""
        self._generator.reset_from_seed(self.seed)


class Stateless(Drawing):
    """Draws by stateless ops, each with its own seed. Every call gives the same numbers."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self._pairs = zip(itertools.repeat(seed), itertools.count())
        self._layer_seeds = _seeds(seed)

    def op_seed(self, op_name: str) -> int | None:
        """Raise :class:`NotApplicable`."""
        raise NotApplicable(f"{op_name} keeps a state and has no stateless counterpart")

    def layer_seed(self, op_name: str) -> int:
        """Return the next seed derived from the program's. Keras itself uses stateless ops."""
        return next(self._layer_seeds)

    def normal(self, shape: Sequence[int]) -> Draw:
        """Return the stateless op."""
        pair = next(self._pairs)
        return lambda: tf.random.stateless_normal(shape, seed=pair)

    def uniform(self, shape: Sequence[int]) -> Draw:
        """Return the stateless op."""
        pair = next(self._pairs)
        return lambda: tf.random.stateless_uniform(shape, seed=pair)

    def dropout(self, rate: float) -> Callable[[Any], Any]:
        """Return the stateless op."""
        pair = next(self._pairs)
        return lambda x: tf.nn.experimental.stateless_dropout(x, rate, seed=pair)


def drawing(strategy: str | None, seed: int) -> Drawing:
    """Return the way to draw for a word of the lever ``seeding``, or ``None`` without it."""
    at_the_op = {
        "per_op": PerOp,
        "numpy": FromNumPy,
        "generator": FromGenerator,
        "stateless": Stateless,
    }
    return at_the_op.get(strategy or "", Drawing)(seed)


def _seeds(seed: int) -> Iterator[int]:
    return iter(np.random.SeedSequence(seed).generate_state(1000).tolist())


def _tensor(draw: Callable[..., Any], shape: Sequence[int]) -> Any:
    if tf.inside_function():
        raise NotApplicable(
            "inside tf.function NumPy draws once, when traced; draw outside and pass the numbers in"
        )
    return tf.convert_to_tensor(draw(shape), tf.float32)
