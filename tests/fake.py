"""Workers made of numbers: the whole experiment without a process or a real second."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from detcost.settings import Setting
from detcost.severity import Severity
from detcost.workers.contract import Built, Cell, CellError, Sample, Usage

Noise = Callable[[random.Random], float]


@dataclass
class Behaviour:
    """How a setting's workers behave.

    ``spread`` is the standard deviation of a process's own speed, ``noise`` multiplies each
    sample, ``flips`` is the probability that a repeat differs, ``process_flips`` that a
    process has an output of its own, which it then repeats. ``errors`` is asked before each
    request and may return what to raise.
    """

    seconds: float = 0.005
    spread: float = 0.0
    noise: Noise = lambda rng: 1.0
    flips: float = 0.0
    process_flips: float = 0.0
    errors: Callable[[str, int], CellError | None] = lambda verb, worker: None


@dataclass
class FakeWorkers:
    """Starts fake workers, keeps a log of all they were asked, and owns the clock."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    seed: int = 0
    drift: float = 0.0
    start_seconds: float = 0.1
    now: float = 0.0
    log: list[tuple[str, int, str]] = field(default_factory=list)
    alive: Counter[str] = field(default_factory=Counter)
    most_alive: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._numbers = itertools.count()

    def start(self, cell: Cell) -> FakeWorker:
        return FakeWorker(self, cell.setting, next(self._numbers))

    def close(self) -> None:
        pass

    def clock(self) -> float:
        return self.now

    def behaviour(self, setting: Setting) -> Behaviour:
        return self.behaviours.get(setting.name, Behaviour())


class FakeWorker:
    def __init__(self, pool: FakeWorkers, setting: Setting, number: int):
        self.pool, self.setting, self.number = pool, setting, number
        self.behaviour = pool.behaviour(setting)
        self.speed = 1 + self.behaviour.spread * pool.random.gauss(0, 1)
        self.output = self._maybe_other(self.behaviour.process_flips, "output")
        self.closed = False
        pool.alive[setting.name] += 1
        pool.most_alive = max(pool.most_alive, pool.alive.total())

    def build(self) -> Built:
        self._ask("build")
        self.pool.now += self.pool.start_seconds
        return Built(0.1, self.output, {})

    def warm_up(self, steps: int) -> float:
        self._ask("warm_up")
        return self.behaviour.seconds

    def sample(self, steps: int) -> Sample:
        self._ask("sample")
        rng = self.pool.random
        slow = 1 + self.pool.drift * self.pool.now
        seconds = steps * self.behaviour.seconds * self.speed * slow * self.behaviour.noise(rng)
        self.pool.now += seconds
        return Sample(seconds, self._maybe_other(self.behaviour.flips, self.output))

    def repeat(self, times: int) -> list[str]:
        self._ask("repeat")
        return [self._maybe_other(self.behaviour.flips, self.output) for _ in range(times)]

    def save_outputs(self, path: str) -> None:
        self._ask("save_outputs")

    def severity(self, path: str) -> Severity:
        self._ask("severity")
        return Severity(max_ulp=1, fraction_differing=0.5, mean_relative=1e-7)

    def usage(self) -> Usage:
        self._ask("usage")
        return Usage(1 << 28, None, 1)

    def close(self) -> None:
        if not self.closed:
            self.pool.alive[self.setting.name] -= 1
        self.closed = True

    def _ask(self, verb: str) -> None:
        assert not self.closed, "a dead worker was asked"
        self.pool.log.append((self.setting.name, self.number, verb))
        error = self.behaviour.errors(verb, self.number)
        if error:
            raise error

    def _maybe_other(self, probability: float, usual: str) -> str:
        if self.pool.random.random() < probability:
            return f"other-{self.pool.random.random()}"
        return usual
