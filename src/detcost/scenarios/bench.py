"""What a scenario is given to build its program with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detcost.scenarios.lazy_tensorflow import tf
from detcost.scenarios.seeding import Drawing, drawing
from detcost.settings.grammar import Setting

T = TypeVar("T")
SIZES = ("small", "medium", "large")


class Bench:
    """Inputs, and the setting's counterpart of ``tf.function`` and ``tf.data`` options.

    Inputs are drawn by NumPy's Philox generator from ``seed``, so they are the
    same bytes on every machine, in every setting and under every version of
    TensorFlow.

    Attributes
    ----------
    seed, setting, size, device
        The cell's. Eager ops and functions are on its device already.
    dtype
        The type of every tensor it gives: the cell's, or float64 for a reference.
        Even then the numbers are rounded to the cell's type, so they are the very same.
    strategy
        The ``tf.distribute`` strategy of a scenario that has one.
    """

    strategy: Any = None

    def __init__(
        self,
        setting: Setting,
        seed: int,
        size: str = "medium",
        dtype: str = "float32",
        *,
        device: str = "CPU:0",
        float64: bool = False,
        jit_compile: bool = False,
        input_offset: int = 0,
        autograph: bool = True,
    ):
        self.setting = setting
        self.seed = seed
        self.size = size
        self.device = device
        self.dtype = "float64" if float64 else dtype
        self._rounded_to = dtype
        self._jit_compile = jit_compile
        self._input_offset = input_offset
        self._autograph = autograph
        self._functions: list[Any] = []
        self._random = np.random.Generator(np.random.Philox(seed))
        self._seeding = compile(setting.seeding(seed), "<seeding>", "exec")

    def sized(self, small: T, medium: T, large: T) -> T:
        """Return the value for the cell's size."""
        return dict(zip(SIZES, (small, medium, large), strict=True))[self.size]

    def tensor(self, values: ArrayLike) -> Any:
        """Return a tensor of ``dtype`` of these numbers, rounded to the cell's type."""
        return tf.cast(tf.cast(self._placed(values), self._rounded_to), self.dtype)

    def normal(self, shape: Sequence[int], scale: float = 1.0) -> Any:
        """Return a tensor of ``dtype``, normal with mean 0 and standard deviation ``scale``."""
        draws = self._random.standard_normal(shape, dtype=np.float32)
        return self.tensor(draws * np.float32(scale))

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Any:
        """Return a tensor of numbers of ``dtype``, uniform on [low, high)."""
        values = self._random.random(shape, dtype=np.float32) * np.float32(high - low)
        return self.tensor(values + np.float32(low))

    def integers(self, shape: Sequence[int], high: int) -> NDArray[np.int32]:
        """Return a NumPy array of whole numbers from 0 to ``high`` − 1."""
        return self._placed(self._random.integers(0, high, size=shape, dtype=np.int32))

    def _placed(self, values: ArrayLike) -> NDArray[Any]:
        """Copy numbers to where a trial wants them: so many bytes past a boundary of 64."""
        array = np.asarray(values)
        if not self._input_offset:
            return array
        buffer = np.empty(array.nbytes + 128, np.uint8)
        start = -buffer.ctypes.data % 64 + self._input_offset
        placed = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        placed[...] = array
        return placed

    @property
    def jit_compile(self) -> bool:
        """Whether the setting, or where it leaves that free the trial, compiles with XLA.

        Always pinned, never left to TensorFlow: Keras switches XLA off by itself
        under op determinism, which would count as determinism's cost.
        """
        return self.setting.has("xla") or self._jit_compile

    def function(self, python_function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``tf.function`` of it, with ``jit_compile`` pinned and traces counted."""
        return self.compile(python_function, jit_compile=self.jit_compile)

    def compile(self, python_function: Callable[..., Any], jit_compile: bool) -> Callable[..., Any]:
        """Return ``tf.function`` of it with ``jit_compile`` as given, traces counted."""
        function = tf.function(python_function, jit_compile=jit_compile, autograph=self._autograph)
        self._functions.append(function)
        return function  # type: ignore[no-any-return]

    def gradient_step(
        self, forward: Callable[..., Any], inputs: Sequence[Any], upstream: Any
    ) -> Callable[[], Any]:
        """Return a step giving the gradients of ``forward(*inputs)`` by each input.

        ``upstream`` is the gradient that arrives from above. Being an input, it
        leaves TensorFlow nothing to fold away, and where the backward pass does
        not need the forward pass only the backward pass is run.
        """

        @self.function
        def step() -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(inputs)
                output = forward(*inputs)
            return tape.gradient(output, inputs, output_gradients=upstream)

        return step

    @property
    def traces(self) -> int:
        """The most often any one function of this bench was traced; 1 is right."""
        return max((f.experimental_get_tracing_count() for f in self._functions), default=0)

    @cached_property
    def draw(self) -> Drawing:
        """Random numbers drawn in the step, in the way the lever ``seeding`` says."""
        return drawing(self.setting.strategy, self.seed)

    @property
    def seeded(self) -> bool:
        """Whether the program is seeded as the setting says: at its top, or where it draws."""
        return self.setting.strategy is None or bool(
            self.setting.seeding(self.seed) or "draw" in vars(self)
        )

    @property
    def op_seed(self) -> int | None:
        """The seed for an op or a layer that takes one of its own.

        None under ``unseeded`` and any other way to seed: such a program has it elsewhere.
        """
        free = self.setting.has("unseeded") or self.setting.strategy
        return None if free else self.seed

    def reseed(self) -> None:
        """Start the random numbers over, as far as a fresh run of the program would.

        A scenario that draws numbers calls this at the head of its step, so that
        repeating the step repeats the program. What the program sets once at its top is
        set again, and no more: ops that carry a seed of their own (``seeding=per_op``)
        go on with their next numbers, as they do in a user's loop. Under ``unseeded`` it
        does nothing.
        """
        exec(self._seeding, {"tf": tf, "np": np})
        if "draw" in vars(self):
            self.draw.restart()

    def dataset(self, dataset: Any, deterministic: bool | None = None) -> Any:
        """Return the data set with the order the setting asks for.

        ``deterministic`` is the pipeline's own choice (``tf.data.Options.deterministic``);
        the lever ``data_order=strict`` overrides it.
        """
        options = tf.data.Options()
        if self.setting.has("data_order"):
            options.deterministic = True
        elif deterministic is not None:
            options.deterministic = deterministic
        return dataset.with_options(options)
