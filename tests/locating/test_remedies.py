"""Remedies are tried on the suspect, then on the whole step, whose time under them is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from detcost.locating import rewritings
from detcost.locating.proof import Replay
from detcost.locating.remedies import Healer
from detcost.locating.schema import Culprit, Proof, Rate
from detcost.locating.trying import Sides
from detcost.settings.grammar import DEFAULT, parse
from detcost.workers.contract import Cell, CellError
from fake_workers import Behaviour, FakeWorkerFactory

CELL = Cell("model.py:step", DEFAULT, "CPU:0")
ALONE = Cell("folder/replay.py:operation", DEFAULT, "CPU:0")
CULPRIT = Culprit(
    kind="operation",
    type="ResourceScatterAdd",
    name="scatter",
    graph="train",
    call=1,
    rate=Rate.of(5, 20),
)
DIFFERS = Replay(Proof(Rate.of(30, 100), 21, "it"), Sides(), ALONE, ("replayed", "operation"))
RACES, STEADY = Behaviour(flips=0.3), Behaviour()


@dataclass
class RemedyFactory(FakeWorkerFactory):
    """Fake workers whose behaviour depends on the whole cell."""

    of: Callable[[Cell], Behaviour] = lambda cell: STEADY

    def behaviour(self, cell: Cell) -> Behaviour:
        return self.of(cell)


def remedies(of: Callable[[Cell], Behaviour], replay: Replay = DIFFERS, cell: Cell = CELL):
    healer = Healer(RemedyFactory(of=of), cell)
    return {each.name: each for each in healer.try_remedies(CULPRIT, replay)}


def cured_by(*names: str, whole: tuple[str, ...] | None = None, slower: float = 1.0):
    def of(cell: Cell) -> Behaviour:
        cures = names if whole is None or "replay" in cell.scenario else whole
        applied = cell.rewriting.name if cell.rewriting else cell.setting.name
        if applied not in cures:
            return RACES
        return Behaviour(seconds=0.005 * slower)

    return of


def test_only_what_cures_it_alone_is_tried_on_the_whole_step():
    tried = remedies(cured_by("op_determinism", "add a dense sum", slower=2.0))
    assert {name for name, each in tried.items() if each.cures} == {
        *("op_determinism", "add a dense sum")
    }
    cure, other = tried["add a dense sum"], tried["threads=1"]
    assert cure.alone.trials >= 100
    assert cure.whole.trials >= 100
    assert cure.cost.low <= cure.cost.ratio <= cure.cost.high
    assert 1.9 < cure.cost.ratio < 2.1
    assert other.alone.divergent > 10
    assert (other.whole, other.cost) == (None, None)


def test_what_cures_the_suspect_but_not_the_step_is_no_cure():
    tried = remedies(cured_by("threads=1", whole=()))
    assert tried["threads=1"].alone.divergent == 0
    assert tried["threads=1"].whole.divergent > 10
    assert not tried["threads=1"].cures
    assert tried["threads=1"].cost is None


def test_nothing_may_cure_it():
    assert not any(each.cures for each in remedies(cured_by()).values())


def test_a_remedy_that_does_not_apply_has_a_reason_and_cures_nothing():
    refusal = CellError("not_applicable", "XLA compiled nothing")

    def of(cell: Cell) -> Behaviour:
        if cell.setting.has("xla"):
            return Behaviour(refuses=lambda conditions: refusal)
        return RACES

    assert remedies(of)["xla"].reason == "XLA compiled nothing"
    assert not remedies(of)["xla"].cures


def test_levers_are_added_to_the_cell_s_own_setting():
    own = msgspec.structs.replace(CELL, setting=parse("op_determinism"))
    tried = remedies(cured_by(), cell=own)
    assert {name for name, each in tried.items() if each.kind == "setting"} == {
        *("op_determinism+threads=1", "op_determinism+xla", "op_determinism+onednn=off")
    }


def test_without_a_replay_the_whole_step_is_tried_at_once():
    whole = Replay(Proof(Rate.of(30, 100), 21, "the whole step"), Sides())
    tried = remedies(cured_by("threads=1"), whole)
    assert tried["threads=1"].alone is None
    assert tried["threads=1"].cures
    assert not tried["xla"].cures


def test_nothing_is_tried_where_nothing_differs_again():
    assert remedies(cured_by(), Replay(Proof(Rate.of(0, 100), 21), Sides())) == {}


def test_a_rewriting_fits_types_as_a_whole():
    assert [way.name for way in rewritings.fitting("BiasAddGrad")] == [
        *("reduce_sum", "in float64", "an XLA island")
    ]
    assert [way.name for way in rewritings.fitting("RandomUniform")] == [
        *("a seed for this operation", "a stateless draw")
    ]
    assert [way.name for way in rewritings.fitting("ParallelMapDataset")] == [
        *("deterministic=True", "without num_parallel_calls")
    ]
    assert rewritings.fitting("StatefulPartitionedCall") == ()
    assert rewritings.fitting("PyFunc") == ()
