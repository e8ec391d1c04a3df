"""Every ``tf.function`` of a program, pinned to the setting, and proof of how it was executed.

A program was written before its author heard of detcost: by its own decorator, by Keras's
``compile`` or by loading a saved model. The lever ``xla`` decides for all of these alike.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

#: TensorFlow prints it when XLA has compiled something, once in a process.
_COMPILED = b"Compiled cluster using XLA!"
#: Libraries whose own functions stay as they are. Keras wraps a compiled step in a function that
#: fetches batches, which XLA cannot compile, and compiles kernels that a CPU lacks otherwise.
_LIBRARIES = ("keras", "tf_keras")
_MUST_COMPILE = "_XlaMustCompile"


class Functions:
    """The functions that a program makes from now on.

    Parameters
    ----------
    compiled
        Whether XLA compiles them. ``None`` leaves each as it is written.
    note
        Called with what an author asks for against that, and where.
    """

    def __init__(
        self, compiled: bool | None, note: Callable[[str, str], None] = lambda call, place: None
    ):
        self._compiled = compiled
        self._note = note
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
        """Leave every function as it is written, those made before included."""
        self._compiled = None
        for function, own in self._made:
            function._jit_compile = own

    def forget(self) -> None:
        """Keep no function alive any longer; what is made from now on is still pinned."""
        self._watching = False
        self._made.clear()
        self._of_libraries.clear()

    @property
    def ran_as_graph(self) -> bool:
        """Whether any was traced, or one traced before was called."""
        traced = (function.experimental_get_tracing_count() for function, _ in self._made)
        return self._called_directly or any(traced)

    @property
    def compiled_by_libraries(self) -> bool:
        """Whether a library had XLA compile a function of its own."""
        return any(function.experimental_get_tracing_count() for function in self._of_libraries)

    @property
    def any_called(self) -> bool:
        """Whether any was called since :meth:`watch_calls`, as a graph or eagerly."""
        return self._called or self._called_directly

    def watch_calls(self) -> None:
        """Note whether functions are called, at a price that no timed step should pay."""
        from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

        call = Function.__call__

        def noted(function: Any, *args: Any, **kwargs: Any) -> Any:
            self._called = self._called or any(function is made for made, _ in self._made)
            return call(function, *args, **kwargs)

        Function.__call__ = noted

    def _watch_making(self) -> None:
        from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

        make = Function.__init__
        signature = _parameters(make)

        @functools.wraps(make)
        def init(function: Any, *args: Any, **kwargs: Any) -> None:
            given = dict(zip(signature, args, strict=False)) | kwargs
            own = given.get("jit_compile")
            watched = _is_the_programs(function, given["python_function"])
            package = _package(given["python_function"])
            if watched and self._compiled is not None and package not in (*_LIBRARIES, "detcost"):
                given["jit_compile"] = self._compiled
                if own not in (None, self._compiled):
                    self._note(f"tf.function(…, jit_compile={own})", _place(given))
            make(function, **given)
            if watched and self._watching:
                self._made.append((function, own))
                if own and package in _LIBRARIES:
                    self._of_libraries.append(function)

        Function.__init__ = init

    def _leave_pipelines(self) -> None:
        """Leave functions as they are written where ``tf.data`` calls them.

        XLA compiles no pipeline. What decides is where a function is traced first.
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
            self._note("jit_compile of a Keras model", "")
        return self._compiled

    def _watch_direct_calls(self) -> None:
        """See calls of what was traced elsewhere, such as the signature of a saved model."""
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
    """Have XLA compile a function whose graph was made already; it is asked once."""
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
    """Decide for Keras, which compiles by device and model, and never under op determinism."""
    trainer = next(each for each in tf.keras.Model.__mro__ if "jit_compile" in vars(each))
    own = vars(trainer)["jit_compile"]

    def pinned(model: Any) -> bool:
        return False if model.run_eagerly else decide(own.fget(model))

    trainer.jit_compile = property(pinned, own.fset)


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[1 : code.co_argcount]


def _is_the_programs(function: Any, python_function: Any) -> bool:
    """Whether it is the program's own or its libraries', and none of TensorFlow's internals."""
    from tensorflow.python.saved_model.function_deserialization import RestoredFunction

    return isinstance(function, RestoredFunction) or _package(python_function) != "tensorflow"


def _place(given: dict[str, Any]) -> str:
    """Return where the function stands that is made a ``tf.function``."""
    code = getattr(given["python_function"], "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code else ""


def _package(python_function: Any) -> str:
    return str(getattr(python_function, "__module__", None) or "").partition(".")[0]


def xla_compiled() -> bool | None:
    """Whether XLA has compiled anything in this process, by TensorFlow's own word.

    ``None`` where that word cannot be read: not in a worker, whose errors go to a file.
    """
    try:
        return _COMPILED in os.pread(2, os.fstat(2).st_size, 0)
    except OSError:
        return None
