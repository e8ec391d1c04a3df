"""A cell, built and running inside a worker. The only room that runs TensorFlow."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
import tensorflow as tf

from detcost import devices, divergence, machine
from detcost.accuracy import relative_error
from detcost.scenarios.bench import Bench
from detcost.scenarios.registry import find_built_in, is_external, load
from detcost.settings import Setting
from detcost.severity import Severity, compare
from detcost.trajectory import is_trajectory, trace
from detcost.workers import surroundings
from detcost.workers.contract import (
    QUIET,
    Built,
    Cell,
    CellError,
    Circumstances,
    Sample,
    Usage,
)
from detcost.workers.peers import Peers, start_peers


class Program:
    """One cell in this process, which must not have run any op before.

    Parameters
    ----------
    cell, circumstances
        What to run, and what is changed around it.
    leads
        Whether it starts the other processes, where the scenario wants several.

    Raises
    ------
    CellError
        If the device is absent, a lever did not take, or the scenario does not
        keep to its contract.
    """

    def __init__(self, cell: Cell, circumstances: Circumstances = QUIET, *, leads: bool = True):
        self._leads = leads
        self._peers = Peers()
        self._cell = cell
        self._circumstances = circumstances
        # Built-in programs have no Python loops or branches on tensors to convert, and looking
        # for them would take as long as all the rest of a fresh process.
        self._converts = is_external(cell.scenario)
        # A user's file may run ops when it is loaded, too early for this.
        self._built_in = None if self._converts else find_built_in(cell.scenario)
        self._bench = Bench(
            cell.setting,
            cell.seed,
            cell.size,
            cell.dtype,
            device=cell.device,
            jit_compile=circumstances.execution == "xla",
            float64=circumstances.float64,
            input_offset=circumstances.input_offset,
            autograph=self._converts,
        )
        self._step: Callable[[], Any] = lambda: None
        self._synchronise: Callable[[], None] = lambda: None
        self._outputs: Any = None
        self._signature: tuple[str, ...] | None = None
        self._trajectory = False
        self._forked = False

    def build(self) -> Built:
        """Apply the setting, build the scenario and time its first call."""
        if self._leads:
            count = self._built_in.processes - 1 if self._built_in else 0
            self._peers = start_peers(count, self._cell, self._circumstances)
        os.register_at_fork(after_in_parent=self._note_fork)
        with self._peers.doing("build"):
            return self._build()

    def _build(self) -> Built:
        cell = self._cell
        surroundings.prepare(self._circumstances)
        exec(cell.setting.python(cell.seed), {"tf": tf, "np": np})
        devices.select(cell.device)
        if self._built_in and self._built_in.strategy:
            self._bench.strategy = self._built_in.strategy(self._bench)
        # Entered for good: the step's own time must not hold a context switch.
        tf.device(f"/device:{cell.device}").__enter__()
        if not cell.device.startswith("CPU"):
            self._synchronise = tf.test.experimental.sync_devices
        surroundings.enter(self._circumstances, cell.setting)
        scenario = load(cell.scenario)
        self._trajectory = scenario.trajectory
        build = scenario.build
        if not self._converts:
            build = tf.autograph.experimental.do_not_convert(build)  # for functions of tf.data
        step = build(self._bench)
        if not callable(step):
            raise CellError("failed", "the scenario returned no step; end it with 'return step'")
        self._step = step
        printed = _bytes_printed()
        first = self._sample(1)
        if _bytes_printed() > printed:
            raise CellError("failed", "step() prints, which would be timed; remove it")
        if not self._bench.seeded:
            raise CellError(
                "not_applicable",
                f"seeding={cell.setting.strategy} is written where numbers are drawn; "
                "the scenario does not draw them by bench.draw",
            )
        return Built(first.seconds, first.digest, _check_taken(cell.setting))

    def warm_up(self, steps: int) -> float:
        """Run steps whose times are not kept; return the last one's seconds."""
        seconds = 0.0
        for _ in range(steps):
            seconds = self.sample(1).seconds
        return seconds

    def sample(self, steps: int) -> Sample:
        """Time consecutive steps. Digesting and comparing come after the clock has stopped."""
        with self._peers.doing("sample", steps):
            return self._sample(steps)

    def _sample(self, steps: int) -> Sample:
        step, synchronise = self._step, self._synchronise
        gc.disable()
        start = perf_counter()
        for _ in range(steps):
            outputs = step()
        synchronise()
        seconds = perf_counter() - start
        gc.enable()
        self._outputs = outputs
        return Sample(seconds, self._digest())

    def repeat(self, times: int) -> list[str]:
        """Run the step again and again; return each output's digest."""
        return [self.sample(1).digest for _ in range(times)]

    def save_outputs(self, path: str) -> None:
        """Write the last outputs to a file."""
        divergence.save(divergence.leaves(self._outputs), path)

    def severity(self, path: str) -> Severity:
        """Compare the last outputs with those saved in a file."""
        reference, leaves = divergence.load(path), divergence.leaves(self._outputs)
        found = compare(reference, leaves)
        if not self._trajectory:
            return found
        return msgspec.structs.replace(found, trajectory=trace(reference, leaves))

    def accuracy(self, path: str) -> float | None:
        """Return the relative error of the last outputs against those saved in a file."""
        return relative_error(divergence.load(path), divergence.leaves(self._outputs))

    def usage(self) -> Usage:
        """Return memory and trace counts so far."""
        return Usage(
            peak_memory_bytes=machine.peak_memory(),
            device_memory_bytes=devices.peak_memory(self._cell.device),
            traces=self._bench.traces,
        )

    def _digest(self) -> str:
        if self._forked:
            raise CellError(
                "failed", "the scenario forked, and a forked TensorFlow hangs; use subprocess"
            )
        try:
            leaves = divergence.leaves(self._outputs)
        except divergence.UnusableOutput as error:
            raise CellError("failed", str(error)) from None
        signature = divergence.signature(leaves)
        if self._signature not in (None, signature):
            was, now = (" ".join(s or ()) for s in (self._signature, signature))
            raise CellError("failed", f"step() gave {was} and then {now}; it must give one shape")
        self._signature = signature
        if self._trajectory and not is_trajectory(leaves):
            raise CellError(
                "failed",
                f"step() gave {' '.join(signature)}; stack what each step of training gave",
            )
        return divergence.digest(leaves)

    def _note_fork(self) -> None:
        self._forked = True


def read_back() -> dict[str, Any]:
    """Return what TensorFlow says is in force, by the names levers use."""
    from tensorflow.python.framework import config  # no public getter for op determinism
    from tensorflow.python.util import _pywrap_util_port as build

    return {
        "intra": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter": tf.config.threading.get_inter_op_parallelism_threads(),
        "op_determinism": config.is_op_determinism_enabled(),
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "onednn": build.IsMklEnabled(),
    }


def _bytes_printed() -> int:
    """Return the size of the file that this worker's standard output goes to."""
    sys.stdout.flush()
    return os.fstat(1).st_size


def _check_taken(setting: Setting) -> dict[str, Any]:
    applied = read_back()
    for key, wanted in setting.expects().items():
        if applied[key] != wanted:
            raise CellError(
                "failed", f"{setting} did not take: TensorFlow says {key} is {applied[key]}"
            )
    return applied
