"""Pin every ``tf.function`` of a program to the setting, and detect how it was executed.

A program makes functions by its own decorators, by Keras's ``compile`` or by loading a saved
model, without any knowledge of detcost. The lever ``xla`` applies to all of these.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

#: TensorFlow logs this line at XLA's first compilation in a process.
_COMPILED = b"Compiled cluster using XLA!"
#: Libraries whose own functions are not changed. Keras wraps a compiled step in a function that
#: fetches batches, which XLA cannot compile. It also compiles kernels that the CPU lacks.
_LIBRARIES = ("keras", "tf_keras")
_MUST_COMPILE = "_XlaMustCompile"


class Functions:
    """The functions that a program makes from now on.

    Parameters
    ----------
    compiled
        Whether XLA compiles them. ``None`` leaves each function unchanged.
    record
        Called for every contrary request of the program, with the call and its location.
    """

    def __init__(
        self,
        compiled: bool | None,
        record: Callable[[str, str], None] = lambda call, location: None,
    ):
        self._compiled = compiled
        self._record = record
        self._made: list[tuple[Any, bool | None]] = []
        self._of_libraries: list[Any] = []
        self._watching = True
        self._called = False
        self._called_directly = False
        self._in_pipeline = False
        self._watch_making()
        self._watch_direct_calls()
        self._leave_pipelines()
        if compiled is not None:
            _pin_keras(self._decide_for_keras)

    def release(self) -> None:
        """Undo the pinning of every function, including those made before."""
        self._compiled = None
        for function, own in self._made:
            function._jit_compile = own

    def forget(self) -> None:
        """Drop references to functions. Functions made from now on are still pinned."""
        self._watching = False
        self._made.clear()
        self._of_libraries.clear()

    @property
    def ran_as_graph(self) -> bool:
        """Whether any function was traced, or an already traced one was called."""
        traced = (function.experimental_get_tracing_count() for function, _ in self._made)
        return self._called_directly or any(traced)

    @property
    def compiled_by_libraries(self) -> bool:
        """Whether a library compiled a function of its own with XLA."""
        return any(function.experimental_get_tracing_count() for function in self._of_libraries)

    @property
    def any_called(self) -> bool:
        """Whether any function was called since :meth:`watch_calls`, as a graph or eagerly."""
        return self._called or self._called_directly

    def watch_calls(self) -> None:
        """Record whether functions are called. This slows calls, so never use it for timing."""
        from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

        call = Function.__call__

        def recorded(function: Any, *args: Any, **kwargs: Any) -> Any:
            self._called = self._called or any(function is made for made, _ in self._made)
            return call(function, *args, **kwargs)

        Function.__call__ = recorded

    def _watch_making(self) -> None:
        from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

        make = Function.__init__
        signature = _parameters(make)

        @functools.wraps(make)
        def init(function: Any, *args: Any, **kwargs: Any) -> None:
            arguments = dict(zip(signature, args, strict=False)) | kwargs
            own = arguments.get("jit_compile")
            watched = not _is_internal(function, arguments["python_function"])
            package = _package(arguments["python_function"])
            if watched and self._compiled is not None and package not in (*_LIBRARIES, "detcost"):
                arguments["jit_compile"] = self._compiled
                if own not in (None, self._compiled):
                    self._record(f"tf.function(…, jit_compile={own})", _location(arguments))
            make(function, **arguments)
            if watched and self._watching:
                self._made.append((function, own))
                if own and package in _LIBRARIES:
                    self._of_libraries.append(function)

        Function.__init__ = init

    def _leave_pipelines(self) -> None:
        """Undo the pinning of functions that ``tf.data`` traces first.

        XLA cannot compile pipelines.
        """
        from tensorflow.python.data.ops.structured_function import StructuredFunctionWrapper
        from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

        wrap, trace = StructuredFunctionWrapper.__init__, Function._initialize

        def wrapped(wrapper: Any, *args: Any, **kwargs: Any) -> None:
            outside, self._in_pipeline = self._in_pipeline, True
            try:
                wrap(wrapper, *args, **kwargs)
            finally:
                self._in_pipeline = outside

        def traced(function: Any, *args: Any, **kwargs: Any) -> Any:
            if self._in_pipeline and self._compiled:
                own = [own for made, own in self._made if made is function]
                function._jit_compile = own[0] if own else function._jit_compile
            return trace(function, *args, **kwargs)

        StructuredFunctionWrapper.__init__, Function._initialize = wrapped, traced

    def _decide_for_keras(self, own: bool) -> bool:
        if self._compiled is None:
            return own
        if own and not self._compiled:
            self._record("jit_compile of a Keras model", "")
        return self._compiled

    def _watch_direct_calls(self) -> None:
        """Watch calls of functions traced elsewhere, such as the signature of a saved model."""
        from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction

        call = ConcreteFunction.__call__

        def watched(function: Any, *args: Any, **kwargs: Any) -> Any:
            if tf.executing_eagerly():
                self._called_directly = True
                if self._compiled and "_detcost_compiled" not in vars(function):
                    function._detcost_compiled = _compile(function)
            return call(function, *args, **kwargs)

        ConcreteFunction.__call__ = watched


def _compile(function: Any) -> bool:
    """Make XLA compile a function whose graph exists already. Call it once per function."""
    from tensorflow.python.eager.polymorphic_function import atomic_function

    traced = function._inference_function
    if function.function_def.attr[_MUST_COMPILE].b:
        return True
    function._inference_function = atomic_function.from_func_graph(
        f"detcost_{traced.name.decode()}",
        function.graph,
        {**traced.attributes, _MUST_COMPILE: True, "_noinline": True},
        traced.function_type,
    )
    return True


def _pin_keras(decide: Callable[[bool], bool]) -> None:
    """Pin Keras models. Keras decides by device and model, and never compiles deterministic ops."""
    trainer = next(base for base in tf.keras.Model.__mro__ if "jit_compile" in vars(base))
    own = vars(trainer)["jit_compile"]

    def pinned(model: Any) -> bool:
        return False if model.run_eagerly else decide(own.fget(model))

    trainer.jit_compile = property(pinned, own.fset)


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[1 : code.co_argcount]


def _is_internal(function: Any, python_function: Any) -> bool:
    """Return whether a function belongs to TensorFlow, and not to the program or a library."""
    from tensorflow.python.saved_model.function_deserialization import RestoredFunction

    return _package(python_function) == "tensorflow" and not isinstance(function, RestoredFunction)


def _location(arguments: dict[str, Any]) -> str:
    """Return the file and line of the Python function of a new ``tf.function``."""
    code = getattr(arguments["python_function"], "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code else ""


def _package(python_function: Any) -> str:
    return str(getattr(python_function, "__module__", None) or "").partition(".")[0]


def xla_compiled() -> bool | None:
    """Return whether XLA has compiled in this process, according to TensorFlow's log.

    ``None`` if the log cannot be read. In a worker it can, because standard error is a file.
    """
    try:
        return _COMPILED in os.pread(2, os.fstat(2).st_size, 0)
    except OSError:
        return None
