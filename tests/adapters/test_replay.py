"""A captured operation is a stranger's file: what may not be run is refused in one line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import detcost
from detcost.evidence import captured
from detcost.evidence.captured import CapturedOperation
from detcost.scenarios.registry import Scenario

OPERATION = CapturedOperation(
    type="MatMul", name="MatMul", graph="step", place=("model.py:41 in step",)
)


def written(folder: Path, **changes: object) -> Path:
    (folder / captured.GRAPH).write_bytes(b"graph")
    (folder / captured.INPUTS).write_bytes(b"inputs")
    fields = {"checksum": captured.checksum(folder), **changes}
    captured.write(msgspec.structs.replace(OPERATION, **fields), folder)
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(detcost.UsageError) as raised:
        detcost.replay(folder)
    return str(raised.value)


def test_a_captured_operation_is_a_scenario(tmp_path):
    scenario = detcost.replay(written(tmp_path))
    assert isinstance(scenario, Scenario)
    assert scenario.summary == "MatMul, captured at model.py:41 in step"


def test_a_folder_is_found_from_the_file_that_calls_it():
    assert refusal(Path("nothing")).startswith(f"{Path(__file__).parent}/nothing/operation.json:")


def test_a_changed_file_is_refused(tmp_path):
    written(tmp_path)
    (tmp_path / captured.GRAPH).write_bytes(b"another graph")
    assert refusal(tmp_path).endswith("its files were changed or are cut off")


def test_what_could_not_be_captured_says_why(tmp_path):
    assert refusal(written(tmp_path, reason="it calls Python")).endswith(
        "cannot be replayed: it calls Python"
    )


def test_a_newer_or_broken_description_is_refused(tmp_path):
    assert "its schema is 99" in refusal(written(tmp_path, schema=99))
    (tmp_path / captured.DESCRIPTION).write_bytes(b'{"schema": 1}')
    assert "is no captured operation" in refusal(tmp_path)


@pytest.mark.parametrize(
    "type",
    [
        *("WriteFile", "SaveV2", "TFRecordDataset", "TextLineDataset", "PyFunc", "EagerPyFunc"),
        *("PrintV2", "RemoteCall", "XlaCallModule", "SummaryWriter", "IteratorGetNext", "Send"),
    ],
)
def test_operations_that_reach_out_of_the_graph_are_refused(type):
    assert captured.why_not({"MatMul": False, type: True})


@pytest.mark.parametrize(
    "type", ["ReadFile", "ImmutableConst", "DecodeProtoV2", "DebugIdentity", "_Send"]
)
def test_some_that_reach_out_are_not_even_stateful(type):
    assert captured.why_not({type: False})


@pytest.mark.parametrize(
    "type",
    [
        *("ResourceScatterAdd", "ReadVariableOp", "AssignAddVariableOp", "RandomUniform", "While"),
        *("StatefulPartitionedCall", "ResourceApplyAdam", "VarIsInitializedOp", "CudnnRNNV3"),
    ],
)
def test_states_inside_the_graph_are_run(type):
    assert captured.why_not({type: True}) is None


def test_python_has_a_reason_of_its_own():
    assert captured.why_not({"PyFunc": True}) == "PyFunc calls Python, which a file cannot hold"
