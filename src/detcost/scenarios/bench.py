"""The bench: inputs and functions with which a scenario builds its program."""

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
    """Makes inputs, and applies the setting to ``tf.function`` and ``tf.data`` options.

    NumPy's Philox generator draws inputs from ``seed``. So their bytes are the same on every
    machine, under every setting and with every version of TensorFlow.

    Attributes
    ----------
    seed, setting, size, device
        Properties of the cell. Eager ops and functions run on the device by default.
    dtype
        The type of every tensor that the bench makes: the cell's type, or float64 for a
        reference. A reference has the same numbers, because they are rounded to the cell's type.
    strategy
        The ``tf.distribute`` strategy of a scenario that has one.
    reseeds
        Whether the program has called :meth:`reseed`.
    """

    strategy: Any = None
    reseeds = False

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
        """Return the argument for the cell's size."""
        return dict(zip(SIZES, (small, medium, large), strict=True))[self.size]

    def tensor(self, values: ArrayLike) -> Any:
        """Return a tensor of ``dtype`` with these numbers, rounded to the cell's type."""
        return tf.cast(tf.cast(self.placed(values), self._rounded_to), self.dtype)

    def normal(self, shape: Sequence[int], scale: float = 1.0) -> Any:
        """Return a tensor of ``dtype``, normal with mean 0 and standard deviation ``scale``."""
        draws = self._random.standard_normal(shape, dtype=np.float32)
        return self.tensor(draws * np.float32(scale))

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Any:
        """Return a tensor of ``dtype``, uniform on [low, high)."""
        values = self._random.random(shape, dtype=np.float32) * np.float32(high - low)
        return self.tensor(values + np.float32(low))

    def integers(self, shape: Sequence[int], high: int) -> NDArray[np.int32]:
        """Return a NumPy array of integers from 0 to ``high`` − 1."""
        return self.placed(self._random.integers(0, high, size=shape, dtype=np.int32))

    def placed(self, values: ArrayLike) -> NDArray[Any]:
        """Copy numbers to the trial's offset from a boundary of 64 bytes."""
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
        """Whether the setting or the trial compiles functions with XLA.

        Scenarios always pin it. Otherwise Keras disables XLA by itself under op determinism,
        which would count as a cost of determinism.
        """
        return self.setting.has("xla") or self._jit_compile

    def function(self, python_function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a ``tf.function`` with ``jit_compile`` pinned to the setting. Its traces count."""
        return self.compile(python_function, jit_compile=self.jit_compile)

    def compile(self, python_function: Callable[..., Any], jit_compile: bool) -> Callable[..., Any]:
        """Return a ``tf.function`` with the given ``jit_compile``. Its traces count."""
        function = tf.function(python_function, jit_compile=jit_compile, autograph=self._autograph)
        self._functions.append(function)
        return function  # type: ignore[no-any-return]

    def gradient_step(
        self, forward: Callable[..., Any], inputs: Sequence[Any], upstream: Any
    ) -> Callable[[], Any]:
        """Return a step that computes the gradients of ``forward(*inputs)`` by each input.

        ``upstream`` is the gradient of the outputs. As an input it prevents constant folding.
        If the backward pass does not depend on the forward pass, TensorFlow runs only the
        backward pass.
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
        """The greatest number of traces of any function of this bench; should be 1."""
        return max((f.experimental_get_tracing_count() for f in self._functions), default=0)

    @cached_property
    def draw(self) -> Drawing:
        """The way to draw random numbers in the step, according to the lever ``seeding``."""
        return drawing(self.setting.strategy, self.seed)

    @property
    def seeded(self) -> bool:
        """Whether the setting's way to seed applies: at the program's top, or where it draws."""
        return self.setting.strategy is None or bool(
            self.setting.seeding(self.seed) or "draw" in vars(self)
        )

    @property
    def op_seed(self) -> int | None:
        """The seed for an op or a layer that takes a seed of its own.

        ``None`` under ``unseeded`` and ``seeding``, since such programs seed elsewhere.
        """
        elsewhere = self.setting.has("unseeded") or self.setting.strategy
        return None if elsewhere else self.seed

    def reseed(self) -> None:
        """Restart the random numbers by repeating the program's seeding code.

        A scenario that draws numbers calls this at the start of its step, so that a repeated
        step corresponds to a repeated program. It does not affect ops with seeds of their own
        (``seeding=per_op``), which continue with their next numbers, as in a user's loop.
        Under ``unseeded`` it does nothing.
        """
        self.reseeds = True
        exec(self._seeding, {"tf": tf, "np": np})
        if "draw" in vars(self):
            self.draw.restart()

    def dataset(self, dataset: Any, deterministic: bool | None = None) -> Any:
        """Return the data set with the setting's order of elements.

        ``deterministic`` is the pipeline's own choice (``tf.data.Options.deterministic``).
        The lever ``data_order=strict`` overrides it.
        """
        options = tf.data.Options()
        if self.setting.has("data_order"):
            options.deterministic = True
        elif deterministic is not None:
            options.deterministic = deterministic
        return dataset.with_options(options)
