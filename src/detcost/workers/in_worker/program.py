"""The program of a cell: it builds and runs the cell inside a worker."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import tensorflow as tf

from detcost.host import devices, machine
from detcost.outputs import digests
from detcost.outputs.float64_error import relative_error
from detcost.outputs.severity import Severity, compare
from detcost.outputs.trajectory import is_trajectory, trace
from detcost.scenarios.bench import Bench
from detcost.scenarios.loading import load
from detcost.scenarios.registry import Rows, Scenario, find_built_in, is_external
from detcost.workers.contract import (
    UNPERTURBED,
    Built,
    Burst,
    Cell,
    CellError,
    Conditions,
    Traits,
    Usage,
    Watched,
)
from detcost.workers.in_worker.applied_setting import AppliedSetting
from detcost.workers.in_worker.bursts import timed_burst
from detcost.workers.in_worker.probe.recorder import ProbeRecorder
from detcost.workers.in_worker.redrawing import VariableCount
from detcost.workers.in_worker.resetting import Resetting
from detcost.workers.in_worker.survey import OpRecorder
from detcost.workers.peers import Peers, start_peers


class Program:
    """One cell in this process, which must not have run an op before.

    Parameters
    ----------
    cell, conditions
        The cell to run, and the conditions around it.
    leads
        Whether this process starts the peers, if the scenario needs several processes.

    Raises
    ------
    CellError
        If the device is absent, a lever did not take effect, or the scenario violates its
        contract.
    """

    def __init__(self, cell: Cell, conditions: Conditions = UNPERTURBED, *, leads: bool = True):
        self._leads = leads
        self._peers = Peers()
        self._cell = cell
        self._conditions = conditions
        # Built-in programs have no Python loops or branches on tensors. Searching for them would
        # double the time that a fresh process takes.
        self._converts = is_external(cell.scenario)
        # Not for a user's file: it may run ops when loaded, which is too early here.
        self._built_in = None if self._converts else find_built_in(cell.scenario)
        self._bench = Bench(
            cell.setting,
            cell.seed,
            cell.size,
            cell.dtype,
            device=cell.device,
            jit_compile=conditions.execution == "xla",
            float64=conditions.float64,
            input_offset=conditions.input_offset,
            autograph=self._converts,
        )
        self._step: Callable[[], Any] = lambda: None
        self._synchronise: Callable[[], None] = lambda: None
        self._outputs: Any = None
        self._signature: tuple[str, ...] | None = None
        self._trajectory = False
        self._rows: Rows = None
        self._resetting = Resetting(self._bench.reseed)
        self._forked = False
        self._step_seconds = 0.0
        self._variables: VariableCount | None = None
        self._recorder: ProbeRecorder | None = None

    def build(self) -> Built:
        """Apply the setting, build the scenario and time its first call."""
        if self._leads:
            count = self._built_in.processes - 1 if self._built_in else 0
            self._peers = start_peers(
                count, lambda: Program(self._cell, self._conditions, leads=False)
            )
        os.register_at_fork(after_in_parent=self._note_fork)
        with self._peers.broadcast("build"):
            return self._build()

    def _build(self) -> Built:
        setting = self._applied = AppliedSetting(self._cell, self._conditions)
        setting.apply()
        self._place()
        setting.enter(external=self._built_in is None)
        if self._built_in is None or self._built_in.reset:
            self._resetting.watch()
        if self._recorder:
            self._recorder.watch()
        scenario = load(self._cell.scenario)
        setting.loaded(scenario)
        self._step = self._make_step(scenario)
        setting.built()
        if self._recorder:
            self._recorder.built()
        (self._resetting.begin if scenario.reset else self._resetting.release)()
        printed = _bytes_printed()
        seconds = self._step_seconds = self._run_once()
        if self._resetting.grew:  # such a call draws numbers that later calls do not draw
            self._run_once()
        digest = self._digest()
        if _bytes_printed() > printed:
            raise CellError("failed", "step() prints, which would be timed; remove it")
        self._check_seeded()
        if self._conditions.draws_anew:
            self._variables = VariableCount()
        return Built(seconds, digest, setting.check(), setting.overridden)

    def _place(self) -> None:
        device = self._cell.device
        devices.select(device)
        if self._built_in and self._built_in.strategy:
            self._bench.strategy = self._built_in.strategy(self._bench)
        # Never exited, so that the timed step does not include entering the context.
        tf.device(f"/device:{device}").__enter__()
        if not device.startswith("CPU"):
            self._synchronise = tf.test.experimental.sync_devices

    def _make_step(self, scenario: Scenario) -> Callable[[], Any]:
        self._trajectory, self._rows = scenario.trajectory, scenario.rows
        build = scenario.build
        if not self._converts:
            # Needed for functions of tf.data.
            build = tf.autograph.experimental.do_not_convert(build)
        step = build(self._bench)
        if not callable(step):
            raise CellError("failed", "the scenario returned no step; end it with 'return step'")
        return step

    def _check_seeded(self) -> None:
        if not self._bench.seeded:
            raise CellError(
                "not_applicable",
                f"seeding={self._cell.setting.strategy} applies where numbers are drawn; "
                "the scenario does not use bench.draw",
            )

    def survey(self) -> Traits:
        """Build the program and run it twice; return what it is made of."""
        recorder = OpRecorder()
        start = perf_counter()
        with recorder.recording():
            self.build()
        seconds = perf_counter() - start
        return recorder.traits(seconds, self.run(1), self._applied.ran_as_graph)

    def record(self, path: str, calls: int, watched: Watched) -> list[str]:
        """Build the cell with a probe in it, run the step, and write what the probe saw."""
        self._recorder = ProbeRecorder(watched)
        digests = [self.build().digest]
        digests += self.repeat(calls - 1)
        self._recorder.write(path, self._cell, self._conditions)
        return digests

    def repeat(self, times: int) -> list[str]:
        """Run the step repeatedly and return the digest of each call's outputs."""
        return [self._repeat_once() for _ in range(times)]

    def _repeat_once(self) -> str:
        with self._peers.broadcast("repeat", 1):
            self._step_seconds = self._run_once()
            return self._digest()

    def _run_once(self) -> float:
        """Run a step whose outputs are compared, and return its seconds."""
        self._resetting.restart_random()
        return self._run(1)

    def burst(self, settle: float, seconds: float) -> Burst:
        """Time steps in a burst; see :func:`~detcost.workers.in_worker.bursts.timed_burst`.

        If the scenario is reset, each step is timed alone, and the time between two steps does
        not count. A step that pulls from an iterator then includes the start of its pipeline.
        The global random numbers go on, since a step after their restart would take longer.
        """
        return timed_burst(self.run, self._step_seconds, settle, seconds)

    def run(self, steps: int) -> float:
        """Run consecutive steps, in every process of the cell, and return their seconds."""
        with self._peers.broadcast("run", steps):
            return self._run(steps)

    def _run(self, steps: int) -> float:
        """Run consecutive steps and return their seconds, without digesting or comparing."""
        gc.disable()
        if self._resetting.active:
            seconds = sum(self._timed_after_reset() for _ in range(steps))
        else:
            seconds = self._timed(steps)
        gc.enable()
        return seconds

    def _timed_after_reset(self) -> float:
        self._resetting.put_back()
        self._synchronise()
        return self._timed(1)

    def _timed(self, steps: int) -> float:
        step, synchronise = self._step, self._synchronise
        self._outputs = None  # else gigabytes of output are held once more
        start = perf_counter()
        for _ in range(steps):
            outputs = step()
        synchronise()
        seconds = perf_counter() - start
        self._outputs = outputs
        return seconds

    def save_outputs(self, path: str) -> None:
        """Write the last outputs to a file."""
        digests.save(self._leaves(), path)

    def severity(self, path: str) -> Severity:
        """Compare the last outputs with those saved in a file."""
        reference, leaves = digests.load(path), self._leaves()
        severity = compare(reference, leaves)
        if not self._trajectory:
            return severity
        return msgspec.structs.replace(severity, trajectory=trace(reference, leaves))

    def accuracy(self, path: str) -> float | None:
        """Return the relative error of the last outputs, given saved ones."""
        return relative_error(digests.load(path), self._leaves())

    def _leaves(self) -> list[digests.Leaf]:
        """Return what is compared: the last outputs, or the scenario's rows of them."""
        return digests.leaves(self._outputs, self._rows)

    def usage(self) -> Usage:
        """Return peak memory and trace counts so far."""
        return Usage(
            peak_memory_bytes=machine.peak_memory(),
            device_memory_bytes=devices.peak_memory(self._cell.device),
            traces=self._bench.traces,
            begins_anew=self._begins_anew,
        )

    @property
    def _begins_anew(self) -> bool:
        made = self._variables.made if self._variables else 0
        return self._resetting.active or self._bench.reseeds or made > 0

    def _digest(self) -> str:
        if self._recorder:
            return self._recorder.called(self._outputs, self._digested)
        return self._digested()

    def _digested(self) -> str:
        if self._forked:
            raise CellError(
                "failed", "the scenario forked, and a forked TensorFlow hangs; use subprocess"
            )
        try:
            leaves = self._leaves()
        except digests.UnusableOutput as error:
            raise CellError("failed", str(error)) from None
        signature = digests.signature(leaves)
        if self._signature not in (None, signature):
            was, now = (" ".join(s or ()) for s in (self._signature, signature))
            raise CellError(
                "failed", f"step() returned {was} and then {now}; it must return one shape"
            )
        self._signature = signature
        if self._trajectory and not is_trajectory(leaves):
            shown = " ".join(signature)
            raise CellError("failed", f"step() returned {shown}; stack those of all training steps")
        return digests.digest(leaves)

    def _note_fork(self) -> None:
        self._forked = True


def _bytes_printed() -> int:
    """Return the size of the file that receives this worker's standard output."""
    sys.stdout.flush()
    return os.fstat(1).st_size
