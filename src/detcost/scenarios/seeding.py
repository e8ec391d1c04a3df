"""How a program draws its numbers, one class for each way to seed them.

An op is made when the program is built and carries its own seed, if it has one, from then
on; calling it in the step draws. What each class writes at an op is what the lever
``seeding`` of :mod:`detcost.settings.grammar` tells users to write.
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
    """Stateful ops without a seed of their own: the program's global seed governs, if there is one.

    Raises
    ------
    NotApplicable
        From any method, where this way to seed has no counterpart.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def op_seed(self, what: str) -> int | None:
        """Return the argument ``seed=`` of a stateful op, or of whatever else ``what`` names."""
        return None

    def layer_seed(self, what: str) -> int | None:
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
        """Return a function that makes a new Keras initialiser of a matrix: Glorot's, uniform."""
        seed = self.layer_seed("a Keras initialiser")
        return lambda: tf.keras.initializers.GlorotUniform(seed=seed)

    def restart(self) -> None:
        """Start over what the program starts where it makes its generators."""


class PerOp(Drawing):
    """The same ops, each with a seed of its own and none for the program."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self._seeds = _seeds(seed)

    def op_seed(self, what: str) -> int:
        """Return the next seed derived from the program's."""
        return next(self._seeds)

    def layer_seed(self, what: str) -> int:
        """Return the next seed derived from the program's."""
        return next(self._seeds)


class FromNumPy(Drawing):
    """Numbers made by NumPy and turned into tensors; what TensorFlow draws is not seeded."""

    def normal(self, shape: Sequence[int]) -> Draw:
        """Return a function that draws and converts."""
        return lambda: _tensor(np.random.standard_normal, shape)

    def uniform(self, shape: Sequence[int]) -> Draw:
        """Return a function that draws and converts."""
        return lambda: _tensor(np.random.random_sample, shape)

    def dropout(self, rate: float) -> Callable[[Any], Any]:
        """Return dropout of what NumPy chose."""
        return lambda x: tf.nn.experimental.general_dropout(
            x, rate, lambda shape, dtype: _tensor(np.random.random_sample, shape)
        )

    def glorot(self, rows: int, columns: int) -> Draw:
        """Return a function that draws the weights and makes an initialiser of them."""
        limit = math.sqrt(6 / (rows + columns))
        return lambda: tf.keras.initializers.Constant(
            np.random.uniform(-limit, limit, (rows, columns))
        )


class FromGenerator(Drawing):
    """Numbers from one ``tf.random.Generator``, whose state is a variable."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self._generator = tf.random.Generator.from_seed(seed)

    def op_seed(self, what: str) -> int | None:
        """Refuse."""
        raise NotApplicable(f"{what} takes a seed, and no tf.random.Generator")

    layer_seed = op_seed

    def normal(self, shape: Sequence[int]) -> Draw:
        """Return a method of the generator."""
        return lambda: self._generator.normal(shape)

    def uniform(self, shape: Sequence[int]) -> Draw:
        """Return a method of the generator."""
        return lambda: self._generator.uniform(shape)

    def dropout(self, rate: float) -> Callable[[Any], Any]:
        """Return dropout of what the generator chose."""
        return lambda x: tf.nn.experimental.general_dropout(x, rate, self._generator.uniform)

    def restart(self) -> None:
        """Give the generator its first state, as one just made has it."""
        self._generator.reset_from_seed(self.seed)


class Stateless(Drawing):
    """Stateless ops, each with a seed of its own: the same numbers whenever it is called."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self._pairs = zip(itertools.repeat(seed), itertools.count())
        self._layer_seeds = _seeds(seed)

    def op_seed(self, what: str) -> int | None:
        """Refuse."""
        raise NotApplicable(f"{what} keeps a state; there is no stateless form of it")

    def layer_seed(self, what: str) -> int:
        """Return the next seed derived from the program's: Keras itself draws by stateless ops."""
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
    """Return the way to draw for a word of the lever ``seeding``; ``None`` is ``default``."""
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
            "inside tf.function NumPy draws once, when it is traced; draw outside and pass them in"
        )
    return tf.convert_to_tensor(draw(shape), tf.float32)
