"""The loop of a worker: one request in, one answer out. A failure is an answer too."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Literal

from detcost.errors import NotApplicable, UsageError
from detcost.evidence.schema import Status
from detcost.workers.contract import CellError

#: ``(status, value)``: the request's result, or the reason why there is none. ``raised`` is
#: what the program raised, whose words tell no other status.
Answer = tuple[Status | Literal["raised"], Any]


#: TensorFlow's words for "XLA cannot compile this" and "op determinism forbids this".
_REFUSALS = (
    "unsupported operations when trying to compile",
    "must be a compile-time constant",
    "when determinism is enabled",
)
#: How TensorFlow begins to say where in a graph an error is from.
_WHERE = ("Graph execution error", "Exception encountered when calling", "in user code")
#: How it begins lines that stand beside what is wrong.
_NO_WORDS = ("[[", "File ", "Detected at", "Stack trace", "<stack traces", "Arguments received")


def request_loop(connection: Connection, handler: Any, *, until_failure: bool = False) -> None:
    """Answer requests by calling the handler's methods, until the connection closes."""
    me = os.getpid()
    while True:
        try:
            method, arguments = connection.recv()
        except (EOFError, OSError):
            return
        answer = _answer(getattr(handler, method), arguments)
        if os.getpid() != me:
            os._exit(0)  # a child the scenario forked, back in our loop by mistake
        connection.send(answer)
        if until_failure and answer[0] != "ok":
            return


def _answer(request: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    try:
        return "ok", request(*arguments)
    except CellError as error:
        return error.status, error.reason
    except NotApplicable as error:
        last = str(error).strip().splitlines()[-1]  # AutoGraph writes its traceback above
        return "not_applicable", last.strip().removeprefix("NotApplicable: ")
    except UsageError as error:  # whatever the user's file raises when it is loaded, too
        return "raised", str(error)
    except BaseException as error:  # a scenario may raise anything, SystemExit included
        return classify(error)


def classify(error: BaseException) -> Answer:
    """Return the status an exception means, and its own words in one line."""
    import tensorflow as tf

    reason = f"{type(error).__name__}: {_own_words(error)}"[:500]
    reason = reason.encode("utf-8", "replace").decode()  # a file's name may be any bytes
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return "out_of_memory", reason
    if isinstance(error, NotImplementedError | tf.errors.UnimplementedError):
        return "unimplemented", reason
    if any(words in str(error) for words in _REFUSALS):
        return "unimplemented", reason
    return "raised", reason


def _own_words(error: BaseException) -> str:
    """Return the line that says what is wrong; TensorFlow may put where it was above it."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [""]
    if not lines[0].startswith(_WHERE):
        return lines[0]
    said = [line for line in lines[1:] if not line.startswith(_NO_WORDS)]
    refusals = [line for line in said if any(words in line for words in _REFUSALS)]
    return next(iter(refusals or said[::-1]), lines[0])
