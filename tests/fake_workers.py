"""Fake workers: tests of whole experiments need no process and no real time."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from detcost.evidence import recording
from detcost.host.noisy_neighbours import KINDS, NeighbourLost
from detcost.outputs import digests
from detcost.outputs.severity import Severity
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
from factories import recorded

Noise = Callable[[random.Random], float]


@dataclass
class Behaviour:
    """How the workers of a setting, or of a program, behave.

    Attributes
    ----------
    seconds
        The seconds of a step.
    spread
        The standard deviation of a process's speed.
    noise
        A function whose value multiplies the time of each burst.
    flips
        The probability that a repeat differs.
    process_flips
        The probability that a process has its own output, which it then repeats.
    output
        A function that returns the output in some conditions.
    python_output
        A function that returns an addition to the output, for the worker's Python process.
    state
        Whether the output changes with every call.
    call_output
        A function that returns an addition to the output, for the number of the call.
    distance
        A function that returns the distance of an output that differs, for the number of the call.
    begins_anew
        Whether each call begins the program anew.
    cold
        The first step after the worker was idle takes this many times as long.
    warms
        The seconds after which half of that excess is gone.
    errors
        A function that returns an error to raise, for the called method and the worker's number.
    refuses
        A function that returns an error to raise at the build, for the conditions.
    """

    seconds: float = 0.005
    spread: float = 0.0
    noise: Noise = lambda rng: 1.0
    flips: float = 0.0
    process_flips: float = 0.0
    output: Callable[[Conditions], str] = lambda conditions: "output"
    python_output: Callable[[int], str] = lambda python: ""
    state: bool = False
    call_output: Callable[[int], str] = lambda call: ""
    distance: Callable[[int], float | None] = lambda call: 1e-7
    begins_anew: bool = False
    cold: float = 1.0
    warms: float = 0.004
    errors: Callable[[str, int], CellError | None] = lambda method, worker: None
    refuses: Callable[[Conditions], CellError | None] = lambda conditions: None


@dataclass
class FakeWorkerFactory:
    """Starts fake workers, logs all method calls, and has the clock.

    ``saved`` has the output that a worker saved to each path, ``calls`` the calls of each worker
    by its number.
    """

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    seed: int = 0
    drift: float = 0.0
    start_seconds: float = 0.1
    now: float = 0.0
    log: list[tuple[str, int, str]] = field(default_factory=list)
    conditions: list[tuple[str, Conditions, str]] = field(default_factory=list)
    pythons: list[tuple[str, int]] = field(default_factory=list)
    lost_neighbours: set[str] = field(default_factory=set)
    saved: dict[str, str] = field(default_factory=dict)
    calls: Counter[int] = field(default_factory=Counter)
    alive: Counter[str] = field(default_factory=Counter)
    most_alive: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._numbers = itertools.count()
        self._neighbour = ""

    def start(
        self, cell: Cell, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> FakeWorker:
        self.conditions.append((cell.setting.name, conditions, self._neighbour))
        self.pythons.append((cell.setting.name, python))
        return FakeWorker(self, cell, conditions, python, next(self._numbers))

    @contextmanager
    def neighbour(self, kind: str) -> Iterator[None]:
        assert kind in KINDS
        self._neighbour = kind
        try:
            yield
        finally:
            self._neighbour = ""
        if kind in self.lost_neighbours:
            raise NeighbourLost(f"a {kind} neighbour was killed by SIGKILL")

    def close(self) -> None:
        pass

    def clock(self) -> float:
        return self.now

    def behaviour(self, cell: Cell) -> Behaviour:
        by_setting = self.behaviours.get(cell.setting.name, Behaviour())
        return self.behaviours.get(cell.scenario, by_setting)


class FakeWorker:
    def __init__(
        self,
        factory: FakeWorkerFactory,
        cell: Cell,
        conditions: Conditions,
        python: int,
        number: int,
    ):
        self.factory, self.setting, self.number = factory, cell.setting, number
        self.conditions = conditions
        self.behaviour = factory.behaviour(cell)
        self.speed = math.exp(self.behaviour.spread * factory.random.gauss(0, 1))
        usual = self.behaviour.output(conditions) + self.behaviour.python_output(python)
        self.output = self._maybe_other(self.behaviour.process_flips, usual)
        self.calls = 0
        self.closed = False
        factory.alive[cell.setting.name] += 1
        factory.most_alive = max(factory.most_alive, factory.alive.total())

    def build(self) -> Built:
        self._log("build")
        if refusal := self.behaviour.refuses(self.conditions):
            raise refusal
        self.factory.now += self.factory.start_seconds
        return Built(0.1, self._next_output(flips=0.0), {})

    def survey(self) -> Traits:
        built = self.build()
        return Traits(built.seconds, self.behaviour.seconds)

    def record(self, path: str, calls: int, watched: Watched) -> list[str]:
        self._log("record")
        outputs = [self._next_output(self.behaviour.flips) for _ in range(calls)]
        recording.write(recorded([], [], outputs), Path(path))
        return outputs

    def repeat(self, times: int) -> list[str]:
        self._log("repeat")
        return [self._next_output(self.behaviour.flips) for _ in range(times)]

    def burst(self, settle: float, seconds: float) -> Burst:
        self._log("burst")
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
        """Return the seconds of a step that begins this long after the worker was idle."""
        excess: float = (self.behaviour.cold - 1) * 0.5 ** (after / self.behaviour.warms)
        return self.behaviour.seconds * (1 + excess)

    def _next_output(self, flips: float) -> str:
        self.calls += 1
        self.factory.calls[self.number] += 1
        usual = f"{self.output} {self.calls}" if self.behaviour.state else self.output
        usual += self.behaviour.call_output(self.calls)
        self.last_output = self._maybe_other(flips, usual)
        return self.last_output

    def save_outputs(self, path: str) -> None:
        self._log("save_outputs")
        self.factory.saved[path] = self.last_output
        digests.save(digests.leaves(self.last_output), path)

    def severity(self, path: str) -> Severity:
        """Return a severity. It is measured only between outputs that differ."""
        self._log("severity")
        assert self.factory.saved[path] != self.last_output
        return Severity(1, 0.5, self.behaviour.distance(self.calls), outputs=["step()[0]"])

    def accuracy(self, path: str) -> float | None:
        self._log("accuracy")
        assert path in self.factory.saved
        return self.behaviour.distance(self.calls)

    def usage(self) -> Usage:
        self._log("usage")
        return Usage(1 << 28, None, 1, self.behaviour.begins_anew)

    def close(self) -> None:
        if not self.closed:
            self.factory.alive[self.setting.name] -= 1
        self.closed = True

    def _log(self, method: str) -> None:
        assert not self.closed, "a method of a closed worker was called"
        self.factory.log.append((self.setting.name, self.number, method))
        error = self.behaviour.errors(method, self.number)
        if error:
            raise error

    def _maybe_other(self, probability: float, usual: str) -> str:
        if self.factory.random.random() < probability:
            return f"other-{self.factory.random.random()}"
        return usual
