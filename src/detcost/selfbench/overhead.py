"""Measures detcost itself: its speed, its memory and the bias of its costs.

Each figure compares detcost with something plain, and measures both in one run.
"""

from __future__ import annotations

import itertools
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from detcost.experiment.arm import Arm
from detcost.experiment.blocks import Experiment
from detcost.experiment.profiles import PROFILES, Profile
from detcost.experiment.scopes import POOL_SIZES
from detcost.experiment.supervisor import WorkerSupervisor
from detcost.experiment.trials import Trial, TrialRunner
from detcost.host import machine
from detcost.intervals import RatioEstimate
from detcost.outputs import digests, severity
from detcost.selfbench import independent
from detcost.settings import grammar
from detcost.settings.grammar import DEFAULT
from detcost.workers.contract import UNPERTURBED, Cell, Conditions
from detcost.workers.launch import start_workers

#: A small scenario, so that the time to start a process dominates.
CELL = Cell("matmul_square", DEFAULT, "CPU:0", size="small")

#: Moves any float32 by some units in the last place.
_A_LITTLE_MORE = np.float32(1 + 1e-6)

_FRESH_INTERPRETER = """
from detcost.selfbench.overhead import CELL
from detcost.workers.in_worker.program import Program
print(Program(CELL).build().digest)
"""


def trial_speedup(pairs: int = 5) -> float:
    """Return a fresh interpreter's time to the first digest ÷ a worker's, the median of pairs.

    Both apply the setting, build the same scenario, and run and digest its first step. The fork
    server starts before the measurement, because a run starts it only once.
    """
    factory = start_workers()
    try:

        def worker_trial() -> None:
            worker = factory.start(CELL)
            worker.build()
            worker.close()

        def interpreter_trial() -> None:
            subprocess.run(
                [sys.executable, "-c", _FRESH_INTERPRETER], check=True, capture_output=True
            )

        worker_trial()
        interpreter_trial()  # run both once, so that both read files from the page cache
        return _median_ratio(interpreter_trial, worker_trial, pairs)
    finally:
        factory.close()


def threads_trial_cost(pairs: int = 24) -> float:
    """Return the time of a trial of scope ``threads`` ÷ one of ``process``, the median of pairs.

    The trials are those of a standard run, one at a time. The pool sizes alternate.
    """
    factory = start_workers()
    arm = Arm(CELL)
    sizes = itertools.cycle(POOL_SIZES)
    try:
        with tempfile.TemporaryDirectory() as directory:
            supervisor = WorkerSupervisor(factory, Path(directory), PROFILES["standard"].calls)
            run = TrialRunner(supervisor, at_once=1, on_trial=lambda: None).run

            def threads() -> None:
                size = next(sizes)
                run([Trial(arm, "threads", Conditions(str(size), pool_size=size))])

            def process() -> None:
                run([Trial(arm, "process", UNPERTURBED)])

            process()  # the first process is the reference of the others
            return _median_ratio(threads, process, pairs)
    finally:
        factory.close()


def timing_overhead(pairs: int = 200) -> float:
    """Return the time that a sample adds to a step of 1 ms, as a share: 0.01 is 1 %.

    The worker's loop and a tight loop run the same step in turn, in this process. The step is
    arithmetic on registers.
    """
    from detcost.workers.in_worker.program import Program

    step = _busy_step()
    program = Program(CELL)
    program._step = step

    def tight_loop() -> float:
        start = time.perf_counter()
        for _ in range(10):
            step()
        return time.perf_counter() - start

    ratios = [program.run(10) / tight_loop() for _ in range(pairs)]
    return statistics.median(ratios) - 1


@dataclass(frozen=True)
class CostCheck:
    """One cost, measured in three ways: without detcost, by detcost, and by its former sampling.

    The former sampling timed bursts of 1 ms, and workers did not settle before a burst.
    """

    independent: independent.IndependentEstimate
    engine: RatioEstimate
    former: RatioEstimate


def check_cost(program: str, setting: str) -> CostCheck:
    """Measure the cost of a setting for one of the plain programs, in all three ways."""
    standard = PROFILES["standard"]
    former = msgspec.structs.replace(
        standard, settle_seconds=0.0, burst_seconds=1e-3, rounds=30, seconds=25
    )
    return CostCheck(
        independent.estimate(program, setting),
        _cost(program, setting, standard),
        _cost(program, setting, former),
    )


def cost_bias(cost: RatioEstimate, truth: independent.IndependentEstimate) -> float:
    """Return the share by which a cost lies above an independent estimate: 0.01 is 1 %."""
    return cost.ratio / truth.ratio - 1


def cost_bias_in_errors(cost: RatioEstimate, truth: independent.IndependentEstimate) -> float:
    """Return how far a cost lies above an independent estimate, in standard errors of both."""
    assert cost.low is not None
    assert cost.high is not None
    # The cost's interval is mean ± t·error on the log scale: see detcost.intervals.ratio.
    error = math.log(cost.high / cost.low) / (2 * float(stdtrit(cost.blocks - 1, 0.975)))
    return math.log(cost.ratio / truth.ratio) / math.hypot(error, truth.standard_error)


def _cost(program: str, setting: str, profile: Profile) -> RatioEstimate:
    """Measure a plain program with detcost: the blocks of a profile, without trials."""
    factory = start_workers()
    cells = [
        Cell(f"detcost.selfbench.plain_scenarios:{program}", chosen, "CPU:0")
        for chosen in (DEFAULT, grammar.parse(setting))
    ]
    experiment = Experiment(cells, profile, factory, scopes={})
    try:
        experiment.run()
    finally:
        factory.close()
    for arm in experiment.arms:
        if not arm.running:
            raise RuntimeError(f"{arm.cell.setting.name}: {arm.status}: {arm.reason}")
    return experiment.arms[1].ratio()


def digest_bandwidth(megabytes: int = 64, pairs: int = 15) -> float:
    """Return the bandwidth of the digest ÷ bandwidth of a plain read (a sum) of the same bytes."""
    numbers = np.random.default_rng(0).integers(0, 1 << 62, size=megabytes << 17)

    def digest() -> None:
        digests.digest(digests.leaves(numbers))

    return _median_ratio(numbers.sum, digest, pairs)


def severity_bandwidth(megabytes: int = 64, pairs: int = 15) -> float:
    """Return the bandwidth of ``severity.compare`` ÷ bandwidth of a plain copy of one output.

    The outputs are float32. Every element differs, as it does after sums in another order. Both
    bandwidths count the bytes of one output.
    """
    ours = _normal(megabytes)
    theirs = ours * _A_LITTLE_MORE
    reference, outputs, copy = digests.leaves(ours), digests.leaves(theirs), ours.copy()
    return _median_ratio(
        lambda: np.copyto(copy, ours), lambda: severity.compare(reference, outputs), pairs
    )


def severity_memory(megabytes: int = 512) -> float:
    """Return the peak memory of comparing two outputs, without the outputs, in a fresh process.

    The reference is a file mapped into memory, as in a worker. The figure is in resident bytes.
    """
    code = (
        f"from detcost.selfbench import overhead; print(overhead._growth_of_comparing({megabytes}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _growth_of_comparing(megabytes: int) -> int:
    numbers = _normal(megabytes)
    with tempfile.TemporaryDirectory() as folder:
        digests.save(digests.leaves(numbers), f"{folder}/reference")
        numbers *= _A_LITTLE_MORE
        reference, outputs = digests.load(f"{folder}/reference"), digests.leaves(numbers)
        reference[0].data.max()  # reads all mapped pages, so that they count as the outputs'
        before = machine.peak_memory()
        severity.compare(reference, outputs)
        return machine.peak_memory() - before


def _normal(megabytes: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(megabytes << 18, np.float32)


def coordinator_memory() -> float:
    """Return the peak resident bytes of a process that runs one quick experiment."""
    code = (
        "import detcost; from detcost.host import machine;"
        "detcost.measure('matmul_square', ['default'], ['CPU:0'], size='small', profile='quick');"
        "print(machine.peak_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _busy_step() -> Callable[[], object]:
    """Return a step of about 1 ms that neither allocates nor calls the system."""

    def step(times: int = 20_000) -> object:
        total = 0
        for number in range(times):
            total ^= number
        return np.zeros(1)

    start = time.perf_counter()
    step()
    times = int(20_000 * 1e-3 / (time.perf_counter() - start))
    return lambda: step(times)


def _median_ratio(
    dividend: Callable[[], object], divisor: Callable[[], object], pairs: int
) -> float:
    def seconds(action: Callable[[], object]) -> float:
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    return statistics.median(seconds(dividend) / seconds(divisor) for _ in range(pairs))
