"""The worker's loop: one request in, one answer out; a failure is an answer too."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Literal

from detcost.errors import NotApplicable, UsageError
from detcost.workers.contract import Cell, CellError, Circumstances, Status

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


def serve(
    connection: Connection, cell: Cell | None, circumstances: Circumstances, log: str
) -> None:
    """Obey until the connection closes. Runs in a fresh process.

    With a cell, requests go to its :class:`~detcost.workers.program.Program`;
    without one, to a :class:`~detcost.workers.survey.Survey`.
    """
    die_with_parent()
    _redirect_output(log)
    _be_the_first_to_go()
    obey(connection, _servant(cell, circumstances))


def obey(connection: Connection, servant: Any, *, until_failure: bool = False) -> None:
    """Answer requests by calling the servant's methods, until the connection closes."""
    me = os.getpid()
    while True:
        try:
            verb, arguments = connection.recv()
        except (EOFError, OSError):
            return
        answer = _answer(getattr(servant, verb), arguments)
        if os.getpid() != me:
            os._exit(0)  # a child the scenario forked, back in our loop by mistake
        connection.send(answer)
        if until_failure and answer[0] != "ok":
            return


def _servant(cell: Cell | None, circumstances: Circumstances) -> Any:
    from detcost.workers.program import Program
    from detcost.workers.survey import Survey

    return Survey() if cell is None else Program(cell, circumstances)


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


def _redirect_output(log: str) -> None:
    """Send what the scenario and TensorFlow print to files; the tail explains a crash."""
    for stream, path in ((sys.stdout, f"{log}.out"), (sys.stderr, f"{log}.err")):
        stream.flush()
        # To be read as well: TensorFlow prints there whether XLA compiled anything.
        target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(target, 1 if stream is sys.stdout else 2)
        os.close(target)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - open for the process's life
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, even in the middle of a step."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


def _be_the_first_to_go() -> None:
    """Offer this process to the kernel when memory runs out, not the coordinating one."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:
        pass
