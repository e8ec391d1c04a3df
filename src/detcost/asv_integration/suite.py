"""The base class of the asv benchmarks. Each class runs one experiment, and asv gets its figures.

asv times every combination of parameters in its own process, minutes apart from the others. The
intervals of such unpaired figures are several times as wide as those of paired figures. So each
class measures all its settings side by side, once, in ``setup_cache``. Every benchmark of the class
gives asv one figure of that measurement. ``time_step`` replays the medians of the blocks through
asv's ``timer`` hook, so asv stores, compares and plots measured seconds.
"""

from __future__ import annotations

import abc
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from detcost.asv_integration.progress_relay import relay
from detcost.choosing.scope_checks import differs_anyway
from detcost.evidence.schema import Evidence
from detcost.experiment import profiles
from detcost.experiment.request import Request
from detcost.experiment.run import Run
from detcost.settings import grammar

#: The list is fixed, so that results of different machines merge. Absent devices are skipped.
#: Other devices are measured too, but only the evidence has their figures.
DEVICES = ("CPU:0", "GPU:0")
GRID = tuple(setting.name for setting in grammar.default_grid())
#: May give the same bits on different processors. The quick profile leaves it out.
ACROSS_PROCESSORS = "onednn=off+isa=AVX2"
SETTINGS = (*GRID, ACROSS_PROCESSORS)
#: The maximum seconds of a class: several times the time that its profile takes on a slow machine.
TIMEOUTS = {"quick": 900, "standard": 3600, "full": 6 * 3600}

Cache = dict[tuple[str, str], Evidence]


class ScenarioSuite(abc.ABC):
    """The benchmarks of one scenario, over device × setting.

    A subclass names its scenario, and defines ``setup_cache`` as ``return self.measure()``. It
    cannot inherit ``setup_cache``, because asv keeps one cache for each definition in the source.
    """

    scenario: ClassVar[str]
    dtype: ClassVar[str | None] = None
    params = (DEVICES, SETTINGS)
    param_names = ("device", "setting")
    timeout = TIMEOUTS[profiles.from_environment().name]
    version = "1"
    # Each call replays one measured figure: asv has nothing to calibrate or repeat.
    rounds = 1
    number = 1
    warmup_time = 0

    @abc.abstractmethod
    def setup_cache(self) -> Cache:
        """Return ``self.measure()``."""

    def measure(self) -> Cache:
        """Run the scenario's experiment on every device of this machine."""
        profile = profiles.from_environment()
        request = Request.parse(
            [self.scenario],
            GRID if profile.name == "quick" else SETTINGS,
            None,
            scopes=None,
            profile=profile,
            size=os.environ.get("DETCOST_SIZE", "medium"),
            dtype=self.dtype,
            seed=42,
        )
        out = os.environ.get("DETCOST_EVIDENCE")
        run = Run(
            request,
            out=Path(out) if out else None,
            on_progress=lambda progress: relay(str(progress)),
        )
        return {(record.device, record.setting): record for record in run}

    def setup(self, cache: Cache, device: str, setting: str) -> None:
        """Find the cell's evidence. asv calls this before every replayed figure."""
        self.evidence = _measured(cache, device, setting)
        if not hasattr(self, "_clock") and self.evidence.step_seconds:
            samples = self.evidence.step_seconds.samples
            self._clock = _Replay(samples)
            self.timer = self._clock.now
            self.repeat = len(samples)

    def time_step(self, cache: Cache, device: str, setting: str) -> None:
        """Seconds of a step in a loop: the medians of the blocks."""
        self._clock.advance()

    time_step.version = "2"  # type: ignore[attr-defined] # 1 was of a step after idleness

    def track_cost(self, cache: Cache, device: str, setting: str) -> float:
        """Step time ÷ step time under ``default``; for ``default``, the A/A comparison."""
        return _known(self.evidence.cost and self.evidence.cost.ratio)

    track_cost.unit = "ratio"  # type: ignore[attr-defined]
    track_cost.version = "2"  # type: ignore[attr-defined]

    def track_divergence_repeat(self, cache: Cache, device: str, setting: str) -> float:
        """Share of repeats in one process whose bytes differ."""
        return self._rate("repeat")

    track_divergence_repeat.unit = "rate"  # type: ignore[attr-defined]

    def track_divergence_process(self, cache: Cache, device: str, setting: str) -> float:
        """Share of fresh processes whose bytes differ."""
        return self._rate("process")

    track_divergence_process.unit = "rate"  # type: ignore[attr-defined]

    def track_divergence_threads(self, cache: Cache, device: str, setting: str) -> float:
        """Share of trials with other sizes of the thread pools whose bytes differ."""
        return self._rate("threads")

    track_divergence_threads.unit = "rate"  # type: ignore[attr-defined]

    def track_divergence_load(self, cache: Cache, device: str, setting: str) -> float:
        """Share of trials beside a busy neighbour whose bytes differ."""
        return self._rate("load")

    track_divergence_load.unit = "rate"  # type: ignore[attr-defined]

    def track_divergence_isa(self, cache: Cache, device: str, setting: str) -> float:
        """Share of trials with an older instruction set whose bytes differ."""
        return self._rate("isa")

    track_divergence_isa.unit = "rate"  # type: ignore[attr-defined]

    def track_divergence_execution(self, cache: Cache, device: str, setting: str) -> float:
        """Share of trials run eagerly, as a graph or by XLA whose bytes differ."""
        return self._rate("execution")

    track_divergence_execution.unit = "rate"  # type: ignore[attr-defined]
    track_divergence_execution.version = "2"  # type: ignore[attr-defined] # 1: against default

    def track_first_call(self, cache: Cache, device: str, setting: str) -> float:
        """Seconds of the first call: tracing, compiling, autotuning."""
        return _known(self.evidence.first_call_seconds)

    track_first_call.unit = "seconds"  # type: ignore[attr-defined]

    def track_peak_memory(self, cache: Cache, device: str, setting: str) -> float:
        """Peak resident bytes of the worker's process."""
        return _known(self.evidence.peak_memory_bytes)

    track_peak_memory.unit = "bytes"  # type: ignore[attr-defined]

    def track_accuracy(self, cache: Cache, device: str, setting: str) -> float:
        """Relative error of the output against the same program in float64."""
        return _known(self.evidence.accuracy)

    track_accuracy.unit = "relative error"  # type: ignore[attr-defined]

    def _rate(self, scope: str) -> float:
        """Return the rate of a scope; NaN if the bits differ without the scope as the cause."""
        if differs_anyway(self.evidence, scope):
            return math.nan
        divergence = self.evidence.divergence.get(scope)
        return _known(divergence and divergence.rate)


class _Replay:
    """A clock that each call of ``advance`` moves by the next measured duration."""

    def __init__(self, samples: list[float]):
        self._samples: Iterator[float] = iter(samples)
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def advance(self) -> None:
        self._now += next(self._samples)


def _measured(cache: Cache, device: str, setting: str) -> Evidence:
    """Return the evidence of a cell, or raise what makes asv skip or fail the benchmark.

    asv skips a benchmark on ``NotImplementedError``, and fails it on any other exception.
    """
    record = cache.get((device, setting))
    if record is None:
        raise NotImplementedError(f"no {device} here")
    if record.status in ("not_applicable", "unimplemented"):
        raise NotImplementedError(record.reason)
    if record.status != "ok":
        raise RuntimeError(f"{record.status}: {record.reason}")
    return record


def _known(value: Any) -> float:
    """Return a figure, or NaN, which asv shows as skipped.

    asv prints every digit. Four are finer than any interval, and the evidence has the others.
    """
    return math.nan if value is None else float(f"{value:.4g}")
