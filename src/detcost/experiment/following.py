"""Follows programs over many steps: where two processes of a cell part, and how fast.

A fresh process of a cell and others in other conditions are alive side by side. Each runs one step
in turn, and their outputs are compared before the next one. So memory does not grow with the
number of steps. Nothing is timed.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detcost.evidence.following import FollowedProcess, Following
from detcost.experiment import perturbations
from detcost.experiment.arm import Arm
from detcost.experiment.profiles import Profile
from detcost.experiment.progress import Progress
from detcost.experiment.request import Request
from detcost.host.machine import usable_core_numbers
from detcost.host.noisy_neighbours import NeighbourLost
from detcost.outputs import growth
from detcost.workers.contract import (
    UNPERTURBED,
    Cell,
    CellError,
    Conditions,
    Worker,
    WorkerFactory,
)

#: Most steps of a process whose distance is measured.
POINTS = 200


@dataclass(frozen=True)
class Follower:
    """A process to compare with the reference: its scope and its conditions."""

    scope: str
    conditions: Conditions
    python: int = 0


@dataclass(frozen=True)
class FollowingPlan:
    """What to follow of every cell.

    Attributes
    ----------
    steps
        How many steps.
    followers
        The processes to compare with a reference.
    together
        The number of these that may be alive at once, beside the reference.
    """

    steps: int
    followers: tuple[Follower, ...]
    together: int

    def batches(self) -> Iterator[tuple[str, tuple[Follower, ...]]]:
        """Give followers that run beside one reference, with the neighbour that they need."""

        def neighbour(follower: Follower) -> str:
            return follower.conditions.neighbour or ""

        ordered = sorted(self.followers, key=neighbour)
        for kind, group in itertools.groupby(ordered, key=neighbour):
            followers = tuple(group)
            for begin in range(0, len(followers), self.together):
                yield kind, followers[begin : begin + self.together]


def plan(request: Request, profile: Profile, *, two_at_a_time: bool) -> FollowingPlan:
    """Return what to follow: scope ``process``, and ``threads`` if it is among the scopes.

    Parameters
    ----------
    request
        How many steps to follow, and the scopes that are measured.
    profile
        How many Python processes workers come from, and how many processes run perturbed. Each
        kind of perturbation is followed at most once.
    two_at_a_time
        Whether device memory holds only two workers.
    """
    perturbed = perturbations.plan(min(profile.perturbed, len(perturbations.KINDS)), request.seed)
    followers = [
        Follower("process", UNPERTURBED, python=profile.pythons - 1),
        *(Follower("process", conditions) for conditions in perturbed),
    ]
    if "threads" in request.scopes:
        size = 1 if len(usable_core_numbers()) > 1 else 2
        followers.append(Follower("threads", Conditions(str(size), pool_size=size)))
    return FollowingPlan(
        request.steps or 0, tuple(followers), 1 if two_at_a_time else len(followers)
    )


def follow(
    arms: Sequence[Arm],
    factory: WorkerFactory,
    planned: FollowingPlan,
    *,
    checkpoint: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Follow the cell of every arm that can run.

    ``checkpoint`` is called after each cell, and ``on_progress`` after each step.
    """

    def on_step(cell: Cell, step: int) -> None:
        doing = f"step {step} of {planned.steps} under {cell.setting}"
        on_progress(Progress(cell.scenario, cell.device, doing, 1.0))

    with tempfile.TemporaryDirectory(prefix="detcost-following-") as directory:
        for arm in arms:
            if arm.running:
                note = partial(on_step, arm.cell)
                arm.following = _follow_cell(arm.cell, factory, planned, Path(directory), note)
                checkpoint()


def _follow_cell(
    cell: Cell,
    factory: WorkerFactory,
    planned: FollowingPlan,
    directory: Path,
    on_step: Callable[[int], None],
) -> Following:
    found: dict[Follower, FollowedProcess] = {}
    skipped: dict[str, str] = {}
    for kind, batch in planned.batches():
        comparison = _Comparison(cell, factory, directory / "reference", planned.steps)
        try:
            with factory.neighbour(kind) if kind else nullcontext():
                comparison.run(batch, on_step)
        except (CellError, NeighbourLost) as error:
            skipped |= dict.fromkeys((f.conditions.label for f in batch), str(error))
            continue
        skipped |= comparison.skipped
        found |= {pair.follower: pair.result() for pair in comparison.pairs}
    processes = [found[follower] for follower in planned.followers if follower in found]
    return Following(planned.steps, processes, skipped)


class _Distance(NamedTuple):
    relative: float | None
    max_ulp: int | None


class _FollowedPair:
    """A follower with its worker, and its distances from the reference so far."""

    def __init__(self, follower: Follower, worker: Worker, steps: int):
        self.follower = follower
        self.worker = worker
        self._steps = steps
        self._differing = 0
        self._outputs: list[str] = []
        self._distances: dict[int, _Distance] = {}
        self._shown: frozenset[int] = frozenset()

    def needs_outputs(self, step: int, differs: bool) -> bool:
        """Count a step, and return whether its distance is to be measured."""
        self._differing += differs
        if differs and not self._shown:
            self._shown = _shown(step, self._steps)
        if step in self._shown and not differs:
            self._distances[step] = _Distance(0.0, 0)
        return differs and step in self._shown

    def measure(self, step: int, reference_file: str) -> None:
        """Measure the distance of the last outputs."""
        severity = self.worker.severity(reference_file)
        if not self._distances:
            self._outputs = severity.outputs
        relative = self.worker.accuracy(reference_file)
        self._distances[step] = _Distance(relative, severity.max_ulp)

    def result(self) -> FollowedProcess:
        steps = list(self._distances)
        relative = [distance.relative for distance in self._distances.values()]
        return FollowedProcess(
            scope=self.follower.scope,
            label=self.follower.conditions.label,
            differing=self._differing,
            first_step=steps[0] if steps else None,
            outputs=self._outputs,
            steps=steps,
            relative=relative,
            max_ulp=[distance.max_ulp for distance in self._distances.values()],
            growth=growth.estimate(steps, relative),
        )


@dataclass
class _Comparison:
    """A reference and the followers beside it."""

    cell: Cell
    factory: WorkerFactory
    reference_file: Path
    steps: int
    pairs: list[_FollowedPair] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def run(self, followers: Sequence[Follower], on_step: Callable[[int], None]) -> None:
        """Run all steps. Raises :class:`CellError` if the reference cannot run."""
        with ExitStack() as stack:
            reference = stack.enter_context(self._worker(UNPERTURBED))
            digest = reference.build().digest
            for follower in followers:
                with self._skipping(follower):
                    worker = stack.enter_context(self._worker(follower.conditions, follower.python))
                    pair = _FollowedPair(follower, worker, self.steps)
                    self._compare(pair, reference, 1, worker.build().digest, digest)
                    self.pairs.append(pair)
            on_step(1)
            for step in range(2, self.steps + 1):
                [digest] = reference.repeat(1)
                self._step(reference, step, digest)
                on_step(step)

    def _step(self, reference: Worker, step: int, digest: str) -> None:
        for pair in list(self.pairs):
            try:
                with self._skipping(pair.follower):
                    [own] = pair.worker.repeat(1)
                    self._compare(pair, reference, step, own, digest)
            finally:
                if pair.follower.conditions.label in self.skipped:
                    self.pairs.remove(pair)

    def _compare(
        self, pair: _FollowedPair, reference: Worker, step: int, digest: str, expected: str
    ) -> None:
        if pair.needs_outputs(step, digest != expected):
            reference.save_outputs(str(self.reference_file))
            pair.measure(step, str(self.reference_file))

    @contextmanager
    def _worker(self, conditions: Conditions, python: int = 0) -> Iterator[Worker]:
        worker = self.factory.start(self.cell, conditions, python=python)
        try:
            yield worker
        finally:
            worker.close()

    @contextmanager
    def _skipping(self, follower: Follower) -> Iterator[None]:
        """Record why a follower cannot run."""
        try:
            yield
        except CellError as error:
            self.skipped[follower.conditions.label] = error.reason


def _shown(first: int, last: int) -> frozenset[int]:
    """Return up to 200 steps whose distances are measured, from the first difference to the last.

    If there are more steps, the spacing grows with the time since the first difference. A
    difference grows fastest in the beginning.
    """
    count = last - first + 1
    if count <= POINTS:
        return frozenset(range(first, last + 1))
    offsets = np.geomspace(1, count, POINTS).round().astype(int)
    return frozenset((first - 1 + offsets).tolist())
