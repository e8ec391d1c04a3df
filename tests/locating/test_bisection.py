"""Which operation is to blame, where watching all of them hides what differs."""

from __future__ import annotations

import itertools
import time

import pytest

from detcost.evidence.recording import Frame, Graph, Operation, Pass
from detcost.experiment.sequences import CallDigests
from detcost.locating import bisection
from detcost.locating.runs import Seen
from factories import recorded

#: Operations in a chain: each takes what the one before it gives.
CHAIN = tuple("abcdefgh")


class ChainRuns:
    """Runs of a function whose operations stand in a chain, one of which differs in each run.

    Parameters
    ----------
    culprit
        The operation that differs.
    hides
        Whether watching some operations hides the difference.
    """

    scope = "process"

    def __init__(self, culprit, hides=lambda names: False):
        self._culprit = CHAIN.index(culprit)
        self._hides = hides
        self._runs = itertools.count()
        self.sizes: list[int] = []

    def probed(self, seen, calls, watched=None):
        names = {n for _, n in watched.operations} if watched else set(CHAIN)
        self.sizes.append(len(names))
        run = 0 if self._hides(names) else next(self._runs)
        operations, digests = [], []
        column: dict[int, int] = {}
        for number, name in enumerate(CHAIN):
            before = number - 1
            reads = (column[before],) if before in column else ()
            unseen = (before,) if number and before not in column else ()
            if name in names:
                column[number] = len(digests)
                digests.append(10 * number + 1 + (1000 * run if number >= self._culprit else 0))
            gives = (column[number],) if number in column else ()
            operations.append(
                Operation(name, "Square", reads, gives, unseen, place=(f"m.py:{number} in step",))
            )
        returns = (column[len(CHAIN) - 1],) if len(CHAIN) - 1 in column else ()
        graph = Graph("step", "function", len(digests), tuple(operations), (), returns)
        data = b"".join(each.to_bytes(8, "little") for each in digests)
        output = [f"output of run {run}"]
        seen.recordings.append(recorded([graph], [Frame(0, 1, data)], output))
        seen.sequences.add(CallDigests(0, "quiet", tuple(output)))


def searched(runs, seconds=30.0):
    full = Seen("process")
    ChainRuns("a").probed(full, 1)
    return bisection.search(runs, full, 1, time.monotonic() + seconds)


@pytest.mark.parametrize("culprit", CHAIN)
def test_the_culprit_is_found_by_sets_that_leave_others_unwatched(culprit):
    runs = ChainRuns(culprit, hides=lambda names: len(names) == len(CHAIN))
    found, seen = searched(runs)
    assert [each.name for each in found.culprits] == [culprit]
    assert found.unmatched == ()
    assert seen.rate.divergent


def test_an_operation_with_unwatched_inputs_is_not_named_if_watching_them_hides_the_difference():
    found, seen = searched(ChainRuns("b", hides=lambda names: len(names) > 1))
    assert found.culprits == ()
    [reason] = found.unmatched
    assert reason.startswith("Square at m.py:7 in step differs, or one of the 7 operations before")
    assert seen.rate.divergent


def test_nor_is_it_named_if_the_time_is_up(monkeypatch):
    runs = ChainRuns("b")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60 * (len(runs.sizes) > 1))
    found, seen = searched(runs)
    assert found.culprits == ()
    assert len(found.unmatched) == 1
    assert len(runs.sizes) == 2
    assert seen.rate.divergent


def test_without_any_time_nothing_is_named():
    found, _ = searched(ChainRuns("b"), seconds=0.0)
    assert (found.culprits, found.unmatched) == ((), ())


class PipelineRuns:
    """Runs of a line that takes one element of range → map → batch. The ``map`` differs."""

    scope = "process"

    def __init__(self):
        self._runs = itertools.count()

    def probed(self, seen, calls, watched):
        run = next(self._runs)
        tapped = any(graph.startswith("pipeline") for graph, _ in watched.operations)
        seen.recordings.append(self.recording(run, tapped))
        seen.sequences.add(CallDigests(0, "quiet", (f"output of run {run}",)))

    @staticmethod
    def recording(run, tapped):
        names = ("range", "map", "batch")
        steps = tuple(
            Operation(
                name, name, (*([number - 1] if number else []), 3 + number), (number,),
                stateful=True, place=(f"m.py:{number} in build",),
            )
            for number, name in enumerate(names)
        )  # fmt: skip
        take = (
            Operation("resources", "Argument"),
            Operation(
                "IteratorGetNext", "IteratorGetNext", gives=(0,), after=(0,), stateful=True,
                calls=("pipeline",) if tapped else (), place=("m.py:9 in step",),
            ),
        )  # fmt: skip
        graphs = [Graph("m.py:9 IteratorGetNext", "eager", 1, take, (), (0,))]
        passes = []
        if tapped:
            graphs.append(Graph("pipeline", "pipeline", 6, steps, (3, 4, 5), (2,)))
            given = (1, 1000 + run, 2000 + run)
            passes = [
                Pass(1, number, 1, 7, value.to_bytes(8, "little"), True)
                for number, value in enumerate(given)
            ]
        frame = Frame(0, 1, (2000 + run).to_bytes(8, "little"))
        return recorded(graphs, [frame], [f"output of run {run}"], passes=tuple(passes))


def test_what_takes_elements_is_not_named_before_the_pipelines_have_been_watched():
    runs = PipelineRuns()
    full = Seen("process", recordings=[runs.recording(0, tapped=True)])
    found, _ = bisection.search(runs, full, 1, time.monotonic() + 30)
    assert [each.name for each in found.culprits] == ["map"]
    assert found.unmatched == ()
