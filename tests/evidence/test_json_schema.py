"""The JSON schema fits the evidence, and the committed copy is the one that detcost writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from detcost.evidence.json_schema import json_schema
from detcost.evidence.schema import SCHEMA
from factories import failed, record
from paths import RESULTS, ROOT

FILES = sorted(RESULTS.rglob("*.jsonl"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def test_the_committed_schema_is_up_to_date():
    """To update the file: ``detcost schema > docs/evidence.schema.json``."""
    committed = (ROOT / "docs" / "evidence.schema.json").read_text(encoding="utf-8")
    assert json.loads(committed) == json_schema()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_committed_results_are_valid(validator, path):
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    present = [line for line in lines if line["schema"] == SCHEMA]
    assert [error.message for line in present for error in validator.iter_errors(line)] == []


def test_results_of_the_present_schema_are_committed():
    lines = (line for path in FILES for line in path.read_text(encoding="utf-8").splitlines())
    assert any(json.loads(line)["schema"] == SCHEMA for line in lines)


@pytest.mark.parametrize("kept", [record(), failed()], ids=["measured", "failed"])
def test_a_record_is_valid(validator, kept):
    validator.validate(msgspec.to_builtins(kept))


@pytest.mark.parametrize(
    "change", [{"status": "splendid"}, {"seed": "42"}, {"cost": {"ratio": 1.0}}, {"digest": 1}]
)
def test_a_line_of_another_form_is_invalid(validator, change):
    assert not validator.is_valid({**msgspec.to_builtins(record()), **change})


def descriptions(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, definition in schema["$defs"].items():
        yield name, definition["description"]
        for field, part in definition["properties"].items():
            yield f"{name}.{field}", part.get("description", "")


def test_every_object_and_every_field_has_a_description():
    texts = dict(descriptions(json_schema()))
    assert {name for name, text in texts.items() if not text} == set()
    assert not [text for text in texts.values() if re.search("---|``|None", text)]


def test_fields_documented_together_have_one_description():
    cost = json_schema()["$defs"]["Cost"]["properties"]
    assert cost["low"]["description"] == cost["high"]["description"]


def test_the_schema_has_no_id():
    assert "$id" not in json_schema()
