"""A suspect is replayed alone; if that differs in nothing, then what is around it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from detcost.evidence import captured
from detcost.evidence.captured import CapturedOperation
from detcost.evidence.recording import Graph, Operation, Recording
from detcost.locating.proof import ALONE, WHOLE, Prover, sides_of
from detcost.locating.schema import Culprit, Rate
from detcost.locating.trying import Sides, compare
from detcost.settings.grammar import DEFAULT
from detcost.workers.contract import UNPERTURBED, Cell, CellError, Conditions, Watched
from fake_workers import Behaviour, FakeWorker, FakeWorkerFactory

CELL = Cell("model.py:step", DEFAULT, "CPU:0")
CULPRIT = Culprit(
    kind="operation",
    type="ResourceScatterAdd",
    name="scatter",
    graph="train",
    call=3,
    rate=Rate.of(1, 5),
)
RECORDING = Recording(
    *("model.py:step", "default", "CPU:0", "medium", "float32", 42, "quiet", ("a",)),
    graphs=(
        Graph("train", "function", 0, (Operation("scatter", "ResourceScatterAdd"),)),
        Graph(
            "step",
            "eager",
            0,
            (Operation("train", "StatefulPartitionedCall", calls=("train",)),),
        ),
    ),
    frames=(),
)


@dataclass
class CapturingFactory(FakeWorkerFactory):
    """Fake workers that capture operations, unless there is a reason against it.

    ``forced`` is the probability that a repeat differs with more than ten threads.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    forced: float = 0.0
    watched: list[Watched] = field(default_factory=list)

    def start(
        self, cell: Cell, conditions: Conditions = UNPERTURBED, *, python: int = 0
    ) -> FakeWorker:
        worker = super().start(cell, conditions, python=python)
        if (conditions.pool_size or 0) > 10:
            worker.behaviour = replace(worker.behaviour, flips=self.forced)
        worker.record = self._record  # type: ignore[method-assign]
        return worker

    def _record(self, path: str, calls: int, watched: Watched) -> list[str]:
        self.watched.append(watched)
        assert watched.capture is not None
        (graph, name), folder = watched.capture
        Path(folder).mkdir(parents=True)
        operation = CapturedOperation(
            type="Op", name=name, graph=graph, reason=self.reasons.get(name)
        )
        captured.write(operation, Path(folder))
        return ["a"] * calls


def prove(factory: FakeWorkerFactory, tmp_path: Path, sides: Sides | None = None):
    return Prover(factory, CELL, RECORDING, sides or Sides()).prove(CULPRIT, tmp_path)


def test_an_operation_that_differs_alone_is_proved_by_its_replay(tmp_path):
    program = f"{tmp_path}/0/replay.py:operation"
    factory = CapturingFactory({program: Behaviour(flips=0.3)})
    replay = prove(factory, tmp_path)
    assert replay.proof.replayed == ALONE
    assert replay.proof.rate.trials >= 100
    assert replay.proof.rate.divergent > 10
    assert replay.proof.processes == 21
    assert replay.proof.severity
    assert replay.proof.folder == f"{tmp_path}/0"
    assert replay.cell.scenario == program
    assert replay.rewritten("in float64").rewriting.graph == "replayed"
    assert factory.watched[0].at == (3, 1)


def test_the_smallest_function_around_it_is_next(tmp_path):
    program = f"{tmp_path}/1/replay.py:operation"
    replay = prove(CapturingFactory({program: Behaviour(flips=0.3)}), tmp_path)
    assert replay.proof.replayed == "Op train around it"
    assert replay.proof.reason == f"{ALONE} gave equal outputs 104 times"
    assert replay.rewritten("in float64") is None


def test_what_cannot_be_captured_is_run_in_the_whole_step(tmp_path):
    reason = "PyFunc calls Python, which a file cannot hold"
    factory = CapturingFactory(
        {"model.py:step": Behaviour(flips=0.3)}, reasons={"scatter": reason, "train": reason}
    )
    replay = prove(factory, tmp_path)
    assert replay.proof.replayed == WHOLE
    assert replay.cell is None
    assert replay.proof.folder is None
    assert replay.proof.reason == f"scatter: {reason}; train: {reason}"


def test_a_divergence_that_must_be_forced_says_what_forced_it(tmp_path):
    replay = prove(CapturingFactory(forced=0.3), tmp_path)
    assert replay.proof.replayed == ALONE
    assert replay.proof.forced == "16 threads"
    assert replay.sides.reference.pool_size == 16


def test_what_never_differs_again_is_not_proved(tmp_path):
    replay = prove(CapturingFactory(), tmp_path)
    assert replay.proof.replayed is None
    assert replay.proof.rate.divergent == 0
    assert replay.proof.rate.trials >= 100


def test_two_conditions_that_differed_are_those_of_the_replay(tmp_path):
    program = f"{tmp_path}/0/replay.py:operation"
    factory = CapturingFactory({program: Behaviour(output=lambda conditions: conditions.label)})
    two, three = Conditions("2", pool_size=2), Conditions("3", pool_size=3)
    replay = prove(factory, tmp_path, sides_of("threads", (two, three)))
    assert (replay.proof.rate.divergent, replay.proof.rate.trials) == (100, 100)


def test_starts_of_a_program_come_from_two_pythons():
    sides = sides_of("process", (UNPERTURBED, UNPERTURBED))
    factory = FakeWorkerFactory({"default": Behaviour(python_output=str)})
    tried = compare(factory, CELL, sides)
    assert {python for _, python in factory.pythons} == {0, 1}
    assert 0 < tried.rate.divergent < tried.rate.trials


def test_state_is_compared_call_by_call():
    tried = compare(FakeWorkerFactory({"default": Behaviour(state=True)}), CELL, Sides())
    assert (tried.rate.divergent, tried.rate.trials) == (0, 100)


def test_a_cell_that_cannot_run_has_a_reason():
    refusal = CellError("not_applicable", "XLA compiled nothing")
    factory = FakeWorkerFactory({"default": Behaviour(refuses=lambda conditions: refusal)})
    tried = compare(factory, CELL, Sides())
    assert (tried.rate.trials, tried.reason) == (0, "XLA compiled nothing")


def test_python_values_are_sought_in_the_whole_step(tmp_path):
    factory = CapturingFactory({"model.py:step": Behaviour(flips=1.0)})
    culprit = msgspec.structs.replace(CULPRIT, kind="python")
    replay = Prover(factory, CELL, RECORDING, Sides()).prove(culprit, tmp_path)
    assert replay.proof.replayed == WHOLE
    assert factory.watched == []
