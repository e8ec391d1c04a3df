"""What a comparison of two programs prints: the sentence, the table and the advice."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from rich.console import Console

from detcost.outputs.severity import Severity
from detcost.pairing.schema import PairEvidence, ProgramResult
from detcost.tables import compare_tables
from factories import cost, divergence

DISTANCE = Severity(max_ulp=16, fraction_differing=0.953125, mean_relative=2e-7)


def program(name: str = "a.py:x", varies: int = 0, **changes: Any) -> ProgramResult:
    fields: dict[str, Any] = {
        "scenario": name,
        "dtype": "float32",
        "status": "ok",
        "sequence": ["0"] * 13,
        "divergence": {"repeat": divergence(varies, 84), "process": divergence(0, 6)},
        "severity": DISTANCE if varies else None,
    }
    return ProgramResult(**{**fields, **changes})


def pair(bits: str | None = "equal", setting: str = "default", **changes: Any) -> PairEvidence:
    apart = bits in ("different", "varies")
    fields: dict[str, Any] = {
        "run_id": "run",
        "measured_at": "2026-01-02T03:04:05+00:00",
        "setting": setting,
        "device": "CPU:0",
        "size": "medium",
        "seed": 42,
        "first": program(),
        "second": program("b.py:y"),
        "bits": bits,
        "first_call": 1 if apart else None,
        "severity_at_first": DISTANCE if apart else None,
        "severity_at_last": DISTANCE if apart else None,
        "cost": cost(3.1, 3.0, 3.2),
        "same_program": cost(1.0, 0.99, 1.01),
    }
    return PairEvidence(**{**fields, **changes})


def printed(*records: PairEvidence) -> str:
    console = Console(width=100, record=True, emoji=False)
    with console.capture() as capture:
        console.print(compare_tables.terminal(records))
    return capture.get()


def advice(*records: PairEvidence) -> list[str]:
    return list(compare_tables.advice(records))


def test_the_sentence_says_what_was_seen_of_the_bits_and_the_time():
    assert compare_tables.headline([pair(), pair(setting="op_determinism")]) == (
        "x and y on CPU:0: the same bits in 13 calls, under default and op_determinism. "
        "The time of y ÷ the time of x is 3.10 [3.00, 3.20] under default."
    )


def test_the_sentence_tells_settings_apart():
    line = compare_tables.headline([pair("different"), pair(setting="op_determinism")])
    assert "different bits by up to 16 ulp, from call 1 on, under default; " in line
    assert "the same bits in 13 calls, under op_determinism." in line


def test_a_program_that_differs_from_itself_has_no_bits_to_compare():
    record = pair("varies", first=program(varies=12))
    line = compare_tables.headline([record])
    assert "no bits to compare, since x differs from itself in 12 of 84 repeats, under" in line
    assert printed(record).count("16 ulp") == 2  # from the other program, and from itself


def test_a_program_that_failed_is_named_with_its_reason():
    failed = program("b.py:y", status="failed", reason="ValueError: no", divergence={})
    line = compare_tables.headline([pair(None, second=failed, cost=None)])
    assert "not compared (y failed: ValueError: no), under default" in line


def test_a_row_without_a_figure_is_left_out():
    nothing: dict[str, Any] = {"status": "failed", "divergence": {}}
    first, second = program(**nothing), program("b.py:y", **nothing)
    text = printed(pair(None, first=first, second=second, cost=None, same_program=None))
    assert "with itself" not in text
    assert "÷" not in text
    assert "step" not in text


@pytest.mark.parametrize(
    ("first_call", "last", "row"),
    [(1, DISTANCE, False), (4, msgspec.structs.replace(DISTANCE, max_ulp=99), True)],
)
def test_the_last_call_has_a_row_where_its_distance_is_another(first_call, last, row):
    text = printed(pair("different", first_call=first_call, severity_at_last=last))
    assert f"different from call {first_call} of 13" in text
    assert ("in the last call" in text) == row


def test_a_last_call_with_equal_bits_is_said_to_be_so():
    text = printed(pair("different", first_call=2, severity_at_last=None))
    assert re.search(r"in the last call +│ equal", text)


def test_great_distances_are_short():
    far = Severity(max_ulp=2_006_379_556, fraction_differing=1.0, mean_relative=0.3)
    text = printed(pair("different", severity_at_first=far, severity_at_last=far))
    assert "2.0e+09 ulp" in text
    assert "100 % of elements" in text


def test_outputs_that_differ_are_named_up_to_three():
    named = msgspec.structs.replace(DISTANCE, outputs=[f"step()[{n}]" for n in range(5)])
    text = printed(pair("different", severity_at_first=named, severity_at_last=named))
    assert "in step()[0], step()[1], step()[2] and 2 more" in text


def test_the_verdict_is_about_programs_and_not_about_a_setting():
    assert "slower" in printed(pair())
    assert "as fast, within 2 %" in printed(pair(cost=cost(1.0, 0.99, 1.01)))


def test_equal_bits_need_no_advice_and_no_distance():
    assert "apart by" not in printed(pair())
    assert advice(pair(), pair(setting="op_determinism")) == []


def test_a_setting_that_makes_the_bits_equal_is_advised():
    (line,) = advice(pair("different"), pair(setting="op_determinism"))
    assert line.endswith("detcost measure a.py:x b.py:y --settings op_determinism")


def test_a_program_that_varies_is_to_be_measured_or_compared_where_it_does_not():
    racing = pair("varies", first=program(varies=12))
    assert advice(racing) == [
        "To find a setting in which a.py:x keeps its own bits: detcost measure a.py:x",
        "to find the operation that differs: detcost locate a.py:x --scope repeat",
    ]
    stays = pair("different", setting="op_determinism")
    assert advice(racing, stays) == ["a.py:x keeps its own bits under op_determinism"]


def test_where_bits_differ_everywhere_nothing_follows_from_what_was_seen():
    assert advice(pair("different")) == []


def test_every_device_and_run_has_a_table_of_its_own():
    text = printed(pair(), pair(device="GPU:0"), pair(run_id="later"))
    assert text.count("x and y on") == 3


def test_programs_of_one_name_keep_their_files():
    text = printed(pair(first=program("old/m.py:x"), second=program("new/m.py:x")))
    assert "old/m.py:x with itself" in text


@pytest.mark.parametrize("text", ["<b>|a`", "[red]x", "http://a.b/"])
def test_names_stay_text(text):
    record = pair(first=program(text), second=program(f"b.py:{text}", status="failed", reason=text))
    assert "<b>" not in compare_tables.markdown([record])
    assert "://" not in compare_tables.markdown([record])
    assert text.split("\n")[0][:4] in printed(record)


def test_markdown_and_json_have_all_settings():
    records: Sequence[PairEvidence] = [pair(), pair("different", setting="op_determinism")]
    text = compare_tables.markdown(records)
    assert text.startswith("**x and y on CPU:0: ")
    assert "|  | `default` | `op_determinism` |" in text
    assert [each["bits"] for each in json.loads(compare_tables.json_text(records))] == [
        "equal",
        "different",
    ]


def test_nothing_is_called_deterministic():
    records = [pair("different"), pair("varies", first=program(varies=3)), pair()]
    assert "deterministic" not in printed(*records) + compare_tables.markdown(records)
