"""The loop of a worker: it receives a request and sends an answer. A failure is an answer too."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Literal

from detcost.errors import NotApplicable, UsageError
from detcost.evidence.schema import Status
from detcost.workers.contract import CellError

#: ``(status, value)``: the result of the request, or the reason for its failure. ``raised``
#: is an exception of the program without a status of its own.
Answer = tuple[Status | Literal["raised"], Any]


#: TensorFlow's messages for "XLA cannot compile this" and "op determinism forbids this".
_REFUSALS = (
    "unsupported operations when trying to compile",
    "must be a compile-time constant",
    "when determinism is enabled",
)
#: XLA's refusal, which names the graph with all its attributes before the op.
_XLA_REFUSAL = re.compile(r"Detected unsupported operations .* on XLA_\w+: (\w+) \((.*)")
#: The beginnings of messages that start with the location of an error in a graph.
_LOCATIONS = ("Graph execution error", "Exception encountered when calling", "in user code")
#: The beginnings of lines that do not state the error.
_NO_REASONS = ("[[", "File ", "Detected at", "Stack trace", "<stack traces", "Arguments received")


def request_loop(connection: Connection, handler: Any, *, until_failure: bool = False) -> None:
    """Answer requests by calling the handler's methods, until the connection closes."""
    worker = os.getpid()
    while True:
        try:
            method, arguments = connection.recv()
        except (EOFError, OSError):
            return
        answer = _answer(getattr(handler, method), arguments)
        if os.getpid() != worker:
            os._exit(0)  # the scenario forked, and the child returned into this loop
        connection.send(answer)
        if until_failure and answer[0] != "ok":
            return


def _answer(request: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    try:
        return "ok", request(*arguments)
    except CellError as error:
        return error.status, error.reason
    except NotApplicable as error:
        last = str(error).strip().splitlines()[-1]  # AutoGraph puts its traceback first
        return "not_applicable", last.strip().removeprefix("NotApplicable: ")
    except UsageError as error:  # includes errors of loading the user's file
        return "raised", str(error)
    except BaseException as error:  # a scenario may raise anything, SystemExit included
        return classify(error)


def classify(error: BaseException) -> Answer:
    """Return the status of an exception, and its reason in one line."""
    import tensorflow as tf

    reason = f"{type(error).__name__}: {_reason(error)}"[:500]
    reason = reason.encode("utf-8", "replace").decode()  # a file name may contain any bytes
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return "out_of_memory", reason
    if isinstance(error, NotImplementedError | tf.errors.UnimplementedError):
        return "unimplemented", reason
    if any(refusal in str(error) for refusal in _REFUSALS):
        return "unimplemented", reason
    return "raised", reason


def _reason(error: BaseException) -> str:
    """Return the line that states the error. An op that XLA cannot compile comes first in it."""
    line = _stated(error)
    refused = _XLA_REFUSAL.search(line)
    return f"XLA cannot compile {refused[1]} ({refused[2]}" if refused else line


def _stated(error: BaseException) -> str:
    """Return the line that states the error. TensorFlow may put its location above that line."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [""]
    if not lines[0].startswith(_LOCATIONS):
        return lines[0]
    reasons = [line for line in lines[1:] if not line.startswith(_NO_REASONS)]
    refusals = [line for line in reasons if any(refusal in line for refusal in _REFUSALS)]
    return next(iter(refusals or reasons[::-1]), lines[0])
