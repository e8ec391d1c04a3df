"""WorkerFactory made of numbers: the whole experiment without a process or a real second."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from detcost.host.noisy_neighbours import NeighbourLost
from detcost.outputs.severity import Severity
from detcost.settings.grammar import Setting
from detcost.workers.contract import UNPERTURBED, Built, Burst, Cell, CellError, Conditions, Usage

Noise = Callable[[random.Random], float]


@dataclass
class Behaviour:
    """How a setting's workers behave.

    ``spread`` is the standard deviation of a process's own speed, ``noise`` multiplies each
    burst, ``flips`` is the probability that a repeat differs, ``process_flips`` that a
    process has an output of its own, which it then repeats. ``output`` is what conditions
    give otherwise, ``state`` whether it moves on with every call, ``python_output`` what the
    Python a worker is from makes of it. After idleness a step takes ``cold`` times as long at
    first, and half as much of that after ``warms`` seconds. ``errors`` is asked before each
    request and may return what to raise, ``refuses`` once the conditions are known.
    """

    seconds: float = 0.005
    spread: float = 0.0
    noise: Noise = lambda rng: 1.0
    flips: float = 0.0
    process_flips: float = 0.0
    output: Callable[[Conditions], str] = lambda conditions: "output"
    python_output: Callable[[int], str] = lambda python: ""
    state: bool = False
    cold: float = 1.0
    warms: float = 0.004
    errors: Callable[[str, int], CellError | None] = lambda verb, worker: None
    refuses: Callable[[Conditions], CellError | None] = lambda conditions: None


@dataclass
class FakeWorkerFactory:
    """Starts fake workers, keeps a log of all they were asked, and owns the clock."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    seed: int = 0
    drift: float = 0.0
    start_seconds: float = 0.1
    now: float = 0.0
    log: list[tuple[str, int, str]] = field(default_factory=list)
    conditions: list[tuple[str, Conditions, str]] = field(default_factory=list)
    pythons: list[tuple[str, int]] = field(default_factory=list)
    lost_neighbours: set[str] = field(default_factory=set)
    alive: Counter[str] = field(default_factory=Counter)
    most_alive: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._numbers = itertools.count()
        self._beside = ""

    def start(
        self, cell: Cell, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> FakeWorker:
        self.conditions.append((cell.setting.name, conditions, self._beside))
        self.pythons.append((cell.setting.name, python))
        return FakeWorker(self, cell.setting, conditions, python, next(self._numbers))

    @contextmanager
    def neighbour(self, kind: str) -> Iterator[None]:
        self._beside = kind
        try:
            yield
        finally:
            self._beside = ""
        if kind in self.lost_neighbours:
            raise NeighbourLost(f"a {kind} neighbour was killed by SIGKILL")

    def close(self) -> None:
        pass

    def clock(self) -> float:
        return self.now

    def behaviour(self, setting: Setting) -> Behaviour:
        return self.behaviours.get(setting.name, Behaviour())


class FakeWorker:
    def __init__(
        self,
        factory: FakeWorkerFactory,
        setting: Setting,
        conditions: Conditions,
        python: int,
        number: int,
    ):
        self.factory, self.setting, self.number = factory, setting, number
        self.conditions = conditions
        self.behaviour = factory.behaviour(setting)
        self.speed = math.exp(self.behaviour.spread * factory.random.gauss(0, 1))
        usual = self.behaviour.output(conditions) + self.behaviour.python_output(python)
        self.output = self._maybe_other(self.behaviour.process_flips, usual)
        self.calls = 0
        self.closed = False
        factory.alive[setting.name] += 1
        factory.most_alive = max(factory.most_alive, factory.alive.total())

    def build(self) -> Built:
        self._ask("build")
        if refusal := self.behaviour.refuses(self.conditions):
            raise refusal
        self.factory.now += self.factory.start_seconds
        return Built(0.1, self._next_output(flips=0.0), {})

    def repeat(self, times: int) -> list[str]:
        self._ask("repeat")
        return [self._next_output(self.behaviour.flips) for _ in range(times)]

    def burst(self, settle: float, seconds: float) -> Burst:
        self._ask("burst")
        step, cold = self.behaviour.seconds, self.behaviour.cold
        spent, first = 0.0, step * cold
        while spent < settle:
            spent += self._warming(spent)
        times = [self._warming(spent)]
        while sum(times) < seconds:
            times.append(self._warming(spent + sum(times)))
        slow = 1 + self.factory.drift * self.factory.now
        factor = self.speed * slow * self.behaviour.noise(self.factory.random)
        self.factory.now += spent + sum(times)
        return Burst(factor * sum(times) / len(times), first)

    def _warming(self, after: float) -> float:
        """Seconds of a step that begins so long after idleness."""
        excess: float = (self.behaviour.cold - 1) * 0.5 ** (after / self.behaviour.warms)
        return self.behaviour.seconds * (1 + excess)

    def _next_output(self, flips: float) -> str:
        self.calls += 1
        usual = f"{self.output} {self.calls}" if self.behaviour.state else self.output
        return self._maybe_other(flips, usual)

    def save_outputs(self, path: str) -> None:
        self._ask("save_outputs")

    def severity(self, path: str) -> Severity:
        self._ask("severity")
        return Severity(max_ulp=1, fraction_differing=0.5, mean_relative=1e-7)

    def accuracy(self, path: str) -> float:
        self._ask("accuracy")
        return 1e-7

    def usage(self) -> Usage:
        self._ask("usage")
        return Usage(1 << 28, None, 1)

    def close(self) -> None:
        if not self.closed:
            self.factory.alive[self.setting.name] -= 1
        self.closed = True

    def _ask(self, verb: str) -> None:
        assert not self.closed, "a dead worker was asked"
        self.factory.log.append((self.setting.name, self.number, verb))
        error = self.behaviour.errors(verb, self.number)
        if error:
            raise error

    def _maybe_other(self, probability: float, usual: str) -> str:
        if self.factory.random.random() < probability:
            return f"other-{self.factory.random.random()}"
        return usual
