"""Measures the cost of a setting for a plain program, without detcost.

The harness benchmarks compare detcost's costs with these figures. So this file imports nothing of
detcost: no workers, no sampling, no intervals. Both sides share only the text of the programs.

A pair is two fresh interpreters, alive side by side, one under ``default`` and one under the
setting. They run bursts of steps in turn. Each turn reverses the order of the previous turn. The
first part of each burst is discarded, because caches and cores were in use by the other program.
A pair gives one log ratio, and pairs are independent of each other.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from scipy import special

#: The programs run from their text, so that the interpreters of a pair import no detcost.
_PROGRAMS = Path(__file__).with_name("plain_programs.py")

#: A burst ends with the first step that begins after its time, so it has at least one step.
_RUN_BURSTS = """
import json, sys, time
import tensorflow as tf

program, setting = sys.argv[1:]
if setting == "threads=1":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
step = globals()[program](tf, lambda f: tf.function(f, jit_compile=setting == "xla"))
for _ in range(5):
    step()
print("ready", flush=True)
for seconds in map(float, sys.stdin):
    marks, begin = [0.0], time.perf_counter()
    while len(marks) < 2 or marks[-2] < seconds:
        step()
        marks.append(time.perf_counter() - begin)
    print(json.dumps(marks), flush=True)
"""

#: glibc either keeps a kernel's scratch memory or returns it to the system at every step. This
#: depends on the random layout of the heap, and doubles the time of a convolution in some
#: processes. These variables keep the memory in all processes, as in detcost's workers.
_KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

PROGRAMS = ("conv", "mlp")
SETTINGS = ("default", "threads=1", "xla")


class ProgramDied(RuntimeError):
    """A program ended before its last burst."""


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes
    ----------
    pairs
        Pairs of processes.
    turns
        Turns in a pair.
    burst
        Seconds of a burst.
    discarded
        Seconds at the beginning of a burst that are not measured.
    """

    pairs: int = 6
    turns: int = 8
    burst: float = 0.35
    discarded: float = 0.12

    def __post_init__(self) -> None:
        if self.pairs < 2:
            raise ValueError("an interval needs at least two pairs")
        if self.turns < 1 or not 0 <= self.discarded < self.burst:
            raise ValueError("a pair needs a turn, and a burst needs more time than is discarded")


@dataclass(frozen=True)
class IndependentEstimate:
    """Step time under a setting ÷ step time under ``default``, with its 95 % interval.

    ``standard_error`` is the standard error of the log ratio.
    """

    ratio: float
    low: float
    high: float
    standard_error: float


class Bursts(Protocol):
    """A program that runs bursts of steps on request."""

    def burst(self, seconds: float) -> Sequence[float]:
        """Run for the given time; return 0 and the time after each step, in seconds."""


class PlainProgram:
    """A program in its own interpreter. It ends when the context is left."""

    def __init__(self, name: str, command: Sequence[str]):
        self._name = name
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            env={**_KEEP_FREED_MEMORY, **os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> PlainProgram:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()  # closes the pipes, and waits for the end
        self._errors.close()

    def wait_until_ready(self) -> None:
        """Wait until the program is built and warm."""
        self._read_line()

    def burst(self, seconds: float) -> Sequence[float]:
        """See :class:`Bursts`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        marks: list[float] = json.loads(self._read_line())
        return marks

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._death()
        return line

    def _death(self) -> ProgramDied:
        code = self._process.wait()
        self._errors.seek(0)
        last_line = self._errors.read().strip().rpartition("\n")[2] or "it wrote no error"
        return ProgramDied(f"{self._name} ended with exit code {code}: {last_line}")


def estimate(program: str, setting: str, plan: Plan | None = None) -> IndependentEstimate:
    """Measure the cost of a setting for a plain program, by fresh pairs of processes.

    Parameters
    ----------
    program, setting
        One of ``PROGRAMS`` and one of ``SETTINGS``.
    plan
        How much to measure. By default a pair takes about ten seconds.

    Raises
    ------
    ValueError
        For an unknown program or setting.
    ProgramDied
        If a program ends before its last burst.
    """
    plan = plan or Plan()
    commands = command(program, "default"), command(program, setting)
    return from_log_ratios([_run_pair(commands, plan) for _ in range(plan.pairs)])


def command(program: str, setting: str) -> list[str]:
    """Return the command line that runs a program under a setting."""
    if program not in PROGRAMS or setting not in SETTINGS:
        raise ValueError(f"{program} under {setting}: one of {PROGRAMS} under one of {SETTINGS}")
    # -P: the program must not import a module of the current directory by mistake.
    code = _PROGRAMS.read_text("utf-8") + _RUN_BURSTS
    return [sys.executable, "-P", "-c", code, program, setting]


def _run_pair(commands: Sequence[Sequence[str]], plan: Plan) -> float:
    with ExitStack() as stack:
        pair = [
            stack.enter_context(PlainProgram(" under ".join(command[-2:]), command))
            for command in commands
        ]
        for program in pair:
            program.wait_until_ready()
        default, other = pair
        return log_ratio(default, other, plan)


def log_ratio(default: Bursts, other: Bursts, plan: Plan) -> float:
    """Return the mean over turns of ln(step time of ``other`` ÷ step time of ``default``)."""
    logs = []
    for turn in range(plan.turns):
        order = (other, default) if turn % 2 else (default, other)
        seconds = {
            program: step_seconds(program.burst(plan.burst), plan.discarded) for program in order
        }
        logs.append(math.log(seconds[other] / seconds[default]))
    return statistics.fmean(logs)


def step_seconds(marks: Sequence[float], discarded: float) -> float:
    """Return the mean seconds of the steps that begin after the first part of a burst.

    ``marks`` are 0 and the time after each step. A step begins when the previous step ends.
    """
    kept = [mark for mark in marks if mark >= discarded]
    return (kept[-1] - kept[0]) / (len(kept) - 1)


def from_log_ratios(log_ratios: Sequence[float]) -> IndependentEstimate:
    """Return exp(mean), with Student's interval over independent pairs."""
    mean = statistics.fmean(log_ratios)
    standard_error = statistics.stdev(log_ratios) / math.sqrt(len(log_ratios))
    margin = float(special.stdtrit(len(log_ratios) - 1, 0.975)) * standard_error
    low, high = math.exp(mean - margin), math.exp(mean + margin)
    return IndependentEstimate(math.exp(mean), low, high, standard_error)
