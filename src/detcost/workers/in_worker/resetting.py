"""Put the state of a program back before every call of its step (``reset=True``).

These are its variables (an optimizer's slots, a Keras layer's generator and ``tf.random.Generator``
are variables too), the iterators of ``tf.data`` that it holds, the orders that its data sets
shuffle in, and the random numbers of Python, NumPy, TensorFlow and Keras.

What TensorFlow or Python gives no way to put back keeps its state: Python's generators (functions
that ``yield``), lookup tables, queues, iterators of ``tf.distribute``, variables of a
``tf.compat.v1.Session``, and the generator of XLA, from which stateful ops such as
``tf.random.normal`` and ``tf.nn.dropout`` draw in compiled functions.
"""

from __future__ import annotations

import copy
import functools
import gc
import random
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import tensorflow as tf

from detcost.workers.contract import CellError

T = TypeVar("T")


class Held(Generic[T]):
    """Objects of the program and a value for each, until the program drops the object."""

    def __init__(self) -> None:
        self._entries: list[tuple[weakref.ref[Any], T]] = []

    def add(self, held: Any, value: T) -> None:
        """Add an object and its value."""
        self._entries.append((weakref.ref(held), value))

    def __iter__(self) -> Iterator[tuple[Any, T]]:
        self._entries = [(held, value) for held, value in self._entries if held() is not None]
        for reference, value in self._entries:
            if (held := reference()) is not None:
                yield held, value

    def clear(self) -> None:
        """Drop every object."""
        self._entries.clear()


class Resetting:
    """The state that a program makes from :meth:`watch` on.

    Parameters
    ----------
    reseed
        Repeats the seeding code of the setting. It does nothing if the setting has none.

    Attributes
    ----------
    active
        Whether state is put back: :meth:`begin` was called.
    grew
        Whether a call of the step has made variables.
    """

    def __init__(self, reseed: Callable[[], None]):
        self.active = False
        self.grew = False
        self._reseed = reseed
        self._watching = False
        self._values: Held[Any] = Held()
        self._without_value: Held[None] = Held()
        self._iterators: Held[None] = Held()
        self._orders: Held[ShuffledOrder] = Held()
        self._generators: list[tuple[Any, Any]] = []

    def watch(self) -> None:
        """Note variables, iterators and data sets as they are made. Changes no result."""
        self._watching = True
        self._watch_variables()
        self._watch_iterators()
        self._watch_shuffling()

    def release(self) -> None:
        """Forget everything, and note nothing more."""
        self._watching = False
        for held in (self._values, self._without_value, self._iterators, self._orders):
            held.clear()

    def begin(self) -> None:
        """Keep the present values, to which the state is put back. Call it after the build.

        A variable that a later call makes is put back to its first value.
        """
        self.active = True
        self._keep_values()
        for _, order in self._orders:
            order.keep()
        self._generators = [(held, _state(held)) for held in _random_generators()]

    def put_back(self) -> None:
        """Put back variables and generators, and begin again with iterators.

        Raises
        ------
        CellError
            If a variable cannot be put back, because its first value is unknown.
        """
        for variable, _ in self._without_value:
            if _has_value(variable):
                raise CellError(
                    "failed",
                    f"reset=True cannot put {variable.name} back: a tf.function gave it its first "
                    "value; make the variable before the step",
                )
        for variable, value in self._values:
            with tf.device(variable.device):
                copied = tf.raw_ops.DeepCopy(x=value)  # ops may write to a variable's own memory
                tf.raw_ops.AssignVariableOp(resource=variable.handle, value=copied)
        for generator, state in self._generators:
            _set_state(generator, state)
        for iterator, _ in self._iterators:
            self._put_orders_back()  # some iterators draw their order when they are made
            dataset = iterator._dataset._variant_tensor
            with tf.device(dataset.device):
                tf.raw_ops.MakeIterator(dataset=dataset, iterator=iterator._iterator_resource)
        self._put_orders_back()

    def _put_orders_back(self) -> None:
        for _, order in self._orders:
            order.put_back()

    def restart_random(self) -> None:
        """Begin again with the global random numbers.

        TensorFlow then makes the operations of every function anew in their next call, which
        takes much longer. So this is only for calls whose duration does not count.
        """
        if self.active:
            self._reseed()

    def _watch_variables(self) -> None:
        from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
        from tensorflow.python.ops import resource_variable_ops

        base = resource_variable_ops.BaseResourceVariable
        make, initialise = base.__init__, Function._initialize_uninitialized_variables

        @functools.wraps(make)
        def made(variable: Any, *args: Any, **kwargs: Any) -> None:
            make(variable, *args, **kwargs)
            unread = isinstance(variable, resource_variable_ops._UnreadVariable)
            in_eager = not tf.is_symbolic_tensor(variable.handle)
            if self._watching and in_eager and not unread:
                self.grew = self.active
                self._without_value.add(variable, None)
                self._keep_values()

        @functools.wraps(initialise)
        def initialised(function: Any, initializers: Any) -> Any:
            result = initialise(function, initializers)
            self._keep_values()
            return result

        base.__init__, Function._initialize_uninitialized_variables = made, initialised

    def _keep_values(self) -> None:
        """Keep the values of variables that have one now, even while a function is traced."""
        if not self.active:
            return
        waiting, self._without_value = self._without_value, Held()
        with tf.init_scope():
            for variable, _ in waiting:
                if _has_value(variable):
                    self._values.add(variable, _copied(variable))
                else:
                    self._without_value.add(variable, None)

    def _watch_iterators(self) -> None:
        from tensorflow.python.data.ops.iterator_ops import OwnedIterator

        make = OwnedIterator.__init__

        @functools.wraps(make)
        def made(iterator: Any, *args: Any, **kwargs: Any) -> None:
            make(iterator, *args, **kwargs)
            if (
                self._watching
                and hasattr(iterator, "_dataset")
                and not tf.is_symbolic_tensor(iterator._iterator_resource)
            ):
                self._iterators.add(iterator, None)

        OwnedIterator.__init__ = made

    def _watch_shuffling(self) -> None:
        from tensorflow.python.ops import gen_dataset_ops

        make = gen_dataset_ops.shuffle_dataset_v3

        @functools.wraps(make)
        def made(*args: Any, **kwargs: Any) -> Any:
            if not self._watching or not tf.executing_eagerly():
                return make(*args, **kwargs)
            order = ShuffledOrder(
                kwargs["seed"], kwargs["seed2"], bool(kwargs["reshuffle_each_iteration"])
            )
            dataset = make(*args, **{**kwargs, "seed_generator": order.handle})
            if self.active:
                order.keep()
            self._orders.add(dataset, order)
            return dataset

        gen_dataset_ops.shuffle_dataset_v3 = made


class ShuffledOrder:
    """The generator of the seeds with which a data set shuffles each of its iterations.

    TensorFlow makes this generator inside the data set, where nothing can reach it. Here it is
    made before the data set, which then uses it. The orders are the same.
    """

    def __init__(self, seed: Any, seed2: Any, reshuffles: bool):
        self._arguments = {"seed": seed, "seed2": seed2, "reshuffle_each_iteration": reshuffles}
        self.handle, self._deleter = tf.raw_ops.AnonymousSeedGenerator(
            seed=seed, seed2=seed2, reshuffle=reshuffles
        )

    def keep(self) -> None:
        """Keep the present state, in an iterator over nothing that shares the generator."""
        of_elements = {"output_types": [tf.int64], "output_shapes": [[]]}
        nothing = tf.raw_ops.ShuffleDatasetV3(
            input_dataset=tf.data.Dataset.range(0)._variant_tensor,
            buffer_size=1,
            seed_generator=self.handle,
            **self._arguments,
            **of_elements,
        )
        self._iterator = tf.raw_ops.AnonymousIteratorV3(**of_elements)
        tf.raw_ops.MakeIterator(dataset=nothing, iterator=self._iterator)
        self._state = tf.raw_ops.SerializeIterator(resource_handle=self._iterator)

    def put_back(self) -> None:
        """Put the kept state back."""
        tf.raw_ops.DeserializeIterator(resource_handle=self._iterator, serialized=self._state)


def _has_value(variable: Any) -> bool:
    return bool(tf.raw_ops.VarIsInitializedOp(resource=variable.handle))


def _copied(variable: Any) -> Any:
    with tf.device(variable.device):
        value = tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)
        return tf.raw_ops.DeepCopy(x=value)


def _random_generators() -> list[Any]:
    """Return the generators of NumPy and Python in this process, but not their global ones."""
    kinds = (np.random.Generator, np.random.RandomState, random.Random)
    not_own = (np.random.mtrand._rand, random._inst)
    return [
        each
        for each in gc.get_objects()
        if issubclass(type(each), kinds)
        and not isinstance(each, random.SystemRandom)
        and not any(each is other for other in not_own)
    ]


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.RandomState):
        return generator.get_state()
    return copy.deepcopy(generator.bit_generator.state)


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state
