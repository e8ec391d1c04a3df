"""How long a search goes on, and with what, until something differs."""

from __future__ import annotations

import itertools

from detcost.evidence.recording import Frame, Graph, Operation
from detcost.experiment.sequences import CallDigests
from detcost.locating.searching import Search
from factories import recorded

GRAPH = Graph("step", "function", 2, (
    Operation("x", "Argument", (), (0,)),
    Operation("y", "Sum", (0,), (1,), place=("m.py:3 in step",)),
), (0,), (1,))  # fmt: skip


class RareRuns:
    """Runs that always differ without a probe, and with one after ``quiet`` runs only.

    Sets of outputs hide the difference.
    """

    scope = "process"

    def __init__(self, quiet):
        self._quiet = quiet
        self._plain, self._probed = itertools.count(), itertools.count()

    def find_conditions(self, calls):
        pass

    def plain(self, seen, calls):
        self._add(seen, next(self._plain))
        return 1.0

    def probed(self, seen, calls, watched=None):
        value = 0 if watched else max(0, next(self._probed) - self._quiet)
        columns = b"".join(each.to_bytes(8, "little") for each in (7, 100 + value))
        output = [f"output {value}"]
        seen.recordings.append(recorded([GRAPH], [Frame(0, 1, columns)], output))
        self._add(seen, value)

    @staticmethod
    def _add(seen, value):
        seen.sequences.add(CallDigests(0, "quiet", (f"output {value}",)))


def found(quiet, seconds):
    search = Search(RareRuns(quiet), seconds, lambda doing: None)
    return [each.name for each in search.culprits()], search


def test_a_race_that_the_probe_makes_rare_is_found_by_patience():
    names, search = found(quiet=170, seconds=20.0)  # more than the search usually makes
    assert names == ["y"]
    assert search.method == "all"
    assert search.probed.rate.divergent


def test_a_difference_that_every_probe_hides_ends_with_the_time():
    names, search = found(quiet=10**9, seconds=0.05)
    assert names == []
    assert search.plain.rate.divergent
    assert not search.probed.rate.divergent
