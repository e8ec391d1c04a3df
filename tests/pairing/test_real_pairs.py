"""Programs whose bits their authors expect to be equal, and what TensorFlow makes of each pair.

A plain script without detcost found the same of every pair.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detcost.errors import UsageError
from detcost.evidence.schema import OWN_SCOPES
from detcost.experiment.profiles import Profile
from detcost.experiment.request import Request
from detcost.pairing.comparing import PairRun
from detcost.pairing.schema import PairEvidence
from detcost.settings.grammar import DEFAULT
from detcost.workers.launch import ForkWorkerFactory
from paths import PROGRAMS, ROOT

pytestmark = pytest.mark.tensorflow

PAIRS = PROGRAMS / "pairs.py"
#: Enough calls to pass the checkpoint, and one more process. No test here depends on timings.
BRIEF = Profile(
    *("brief", (1,), 1.0, 0),
    rounds=1,
    calls=4,
    pythons=1,
    processes=1,
    perturbed=0,
    trials=1,
    quiet_builds=0,
    settle_seconds=0.0,
    burst_seconds=1e-4,
)


def compare(
    factory: ForkWorkerFactory, first: str, second: str, file: Path = PAIRS
) -> PairEvidence:
    request = Request.parse(
        *([f"{file}:{first}", f"{file}:{second}"], ["default"], ["CPU:0"]),
        scopes=OWN_SCOPES,
        profile=BRIEF,
        size="medium",
        dtype=None,
        seed=42,
    )
    (record,) = PairRun(request, [DEFAULT], factory=factory)
    assert record.first.status == record.second.status == "ok", record
    assert record.cost is not None
    return record


def test_a_row_alone_has_other_bits_than_in_a_batch(factory):
    record = compare(factory, "alone", "batched")
    assert record.first.outputs == record.second.outputs == ["step() float32[1,64]"]
    assert record.bits == "different"
    assert record.severity_at_first is not None
    assert (record.severity_at_first.mean_relative or 1) < 1e-4


def test_rows_that_nobody_named_are_refused_with_what_to_do(factory):
    with pytest.raises(UsageError, match=r"float32\[1,64\] and .* float32\[32,64\].*rows="):
        compare(factory, "alone", "whole_batch")


def test_a_model_keeps_its_bits_when_it_is_saved_and_loaded(factory):
    assert compare(factory, "whole_batch", "loaded").bits == "equal"


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that docs/comparing.md shows."""
    document = (ROOT / "docs" / "comparing.md").read_text()
    program = re.search(r"^```python\n(# pairs\.py\n.*?)^```", document, re.DOTALL | re.MULTILINE)
    assert program
    file = tmp_path_factory.mktemp("docs") / "pairs.py"
    file.write_text(program[1])
    return file


def test_a_training_resumed_from_a_checkpoint_has_the_bits_of_one_run_through(factory, trainings):
    record = compare(factory, "through", "resumed", trainings)
    assert record.bits == "equal"
    assert record.first.carries_state
    assert len(set(record.first.sequence)) == BRIEF.calls


def test_a_checkpoint_without_the_momentum_parts_at_the_call_after_it(factory, trainings):
    record = compare(factory, "through", "half_saved", trainings)
    assert (record.bits, record.first_call) == ("different", 3)
    assert record.severity_at_first is not None
    assert record.severity_at_last is not None
    # The loss of the third call is of the weights before it.
    assert record.severity_at_first.outputs == ["step()['weights']"]
    assert record.severity_at_last.outputs == ["step()['loss']", "step()['weights']"]


def test_two_ops_for_one_sum_round_differently(factory):
    record = compare(factory, "segment_sum", "unsorted_segment_sum")
    assert (record.bits, record.first_call) == ("different", 1)
    assert not record.first.varies


def test_a_program_without_a_seed_has_no_bits_to_compare(factory):
    record = compare(factory, "drawn_anew", "whole_batch")
    assert record.bits == "varies"
    assert record.first.varies
    assert not record.second.varies
