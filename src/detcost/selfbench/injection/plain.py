"""Runs programs in plain TensorFlow, without detcost, to see whether their outputs differ.

Each run is a fork of an interpreter that imported TensorFlow and ran nothing. Every interpreter
has its own hash seed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

#: Reads lines of JSON: the path of a program and the number of calls of its step. Answers each with
#: what the program printed, and with the error's last line if it failed.
_SERVER = """
import contextlib, io, json, os, runpy, sys
import tensorflow, keras

def run(path, calls):
    sys.argv = [path, str(calls)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(path, run_name="__main__")
    return printed.getvalue()

for line in sys.stdin:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.close(reading)
        with open(writing, "w") as answer:
            try:
                json.dump({"printed": run(*json.loads(line))}, answer)
            except BaseException as error:
                json.dump({"error": f"{type(error).__name__}: {error}"}, answer)
        os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    print(text or '{"error": "it crashed"}', flush=True)
"""


class PlainRunError(RuntimeError):
    """A program failed in plain TensorFlow."""


class PlainRuns:
    """Some interpreters. Each runs the same programs at the same time."""

    def __init__(self, interpreters: int = 2):
        self._servers = [
            subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVER],
                env={**os.environ, "PYTHONHASHSEED": str(number), "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for number in range(interpreters)
        ]

    def __enter__(self) -> PlainRuns:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.kill()
            server.communicate()

    def run(self, program: Path, calls: int = 3) -> list[str]:
        """Run a program in every interpreter, and return what each printed.

        Raises
        ------
        PlainRunError
            If it fails.
        """
        for server in self._servers:
            assert server.stdin is not None
            server.stdin.write(json.dumps([str(program), calls]) + "\n")
            server.stdin.flush()
        answers = [_answer(server) for server in self._servers]
        for answer in answers:
            if "error" in answer:
                raise PlainRunError(answer["error"])
        return [answer["printed"] for answer in answers]

    def differs(self, program: Path, calls: int = 3, times: int = 1) -> bool:
        """Run a program some times, and return whether any two runs printed other digests."""
        return len({each for _ in range(times) for each in self.run(program, calls)}) > 1


def _answer(server: subprocess.Popen[str]) -> dict[str, str]:
    assert server.stdout is not None
    answer: dict[str, str] = json.loads(server.stdout.readline())
    return answer


def differing(programs: Sequence[Path], calls: int = 3, times: int = 1) -> dict[Path, bool]:
    """Return whether each program's outputs differ between plain runs."""
    with PlainRuns() as runs:
        return {program: runs.differs(program, calls, times) for program in programs}
