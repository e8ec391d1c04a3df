"""What ``locate`` prints: who is to blame, the proof, the remedies, and what to do next."""

from __future__ import annotations

import json

import msgspec
import pytest
from rich.console import Console

from detcost.evidence.schema import SCOPES
from detcost.locating.schema import Hop, Location, Rate
from detcost.tables import locate_tables, located
from detcost.tables.located_words import headline
from locations import location, proof, python_value, remedy, scatter


def printed(found: Location) -> str:
    console = Console(width=400, emoji=False)
    with console.capture() as capture:
        console.print(locate_tables.terminal(found))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def everywhere(found: Location) -> list[str]:
    """Return the text as a terminal, Markdown and plain lines have it."""
    return [printed(found), locate_tables.markdown(found), "\n".join(locate_tables.lines(found))]


def test_the_headline_names_the_operation_its_line_and_how_often_it_differed():
    assert headline(location(scatter())) == (
        "ResourceScatterAdd at model.py:41 is the first operation that differs between two runs "
        "of one process: its inputs were equal, and its outputs differed in 37 of 120 comparisons "
        "(31 %; 95 %: 23 to 40 %)."
    )


def test_a_value_from_python_has_its_line_and_the_usual_cures_and_blames_no_operation():
    for text in everywhere(location(python_value())):
        assert "A value that Python code gives at model.py:12 differs" in text
        assert "no operation is to blame" in text
        assert "sorted(…)" in text


def test_a_compiled_function_and_a_transformation_are_named_as_such():
    function = scatter(kind="function", type="step", name="step")
    assert "step at model.py:41 is the first compiled function" in headline(location(function))
    pipeline = scatter(kind="transformation", type="ShuffleDataset")
    assert "first transformation of the pipeline" in headline(location(pipeline))


def test_the_rates_with_the_probe_and_without_stand_side_by_side():
    for text in everywhere(location(scatter())):
        plain = text.replace("\\", "")
        assert "with the probe 37 of 120 = 31 % [23, 40]" in plain
        assert "without it 38 of 120 = 32 % [23, 41]" in plain


def test_the_path_leads_from_the_origin_to_the_outputs():
    for text in everywhere(location(scatter())):
        places = [
            text.index(words)
            for words in (
                "● ResourceScatterAdd at model.py:41 in step",
                "│ ReadVariableOp at model.py:44",
                "│ MatMul at model.py:45 in while_body",
                "▼ the outputs of the step",
            )
        ]
        assert places == sorted(places)


def test_a_long_path_is_shown_by_its_ends_with_the_number_left_out():
    hops = tuple(Hop("AddV2", f"add_{i}", "step") for i in range(40))
    found = located.account(location(scatter(path=hops))).culprits[0].path
    assert found[0].startswith("ResourceScatterAdd")
    assert "… 31 operations …" in found
    assert found[-2:] == ["AddV2 add_39", located.OUTPUTS]
    assert len(found) == 12


def test_a_difference_that_reaches_no_output_has_no_picture():
    assert located.account(location(scatter(path=()))).culprits[0].path == []


def test_the_proof_says_how_often_it_differed_alone_and_what_forced_it():
    for text in everywhere(location(scatter())):
        plain = text.replace("\\", "")
        assert "96 of 100 = 96 % [90, 99] in 100 fresh processes, forced by 16 threads" in plain
        assert "differs by up to 3 ulp" in plain
        assert "detcost.replay('located/1')" in plain


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"rate": Rate.of(0, 100), "replayed": None, "severity": None},
            "not reproduced: 0 of 100 ≤ 3 % in 100 fresh processes",
        ),
        ({"replayed": "while_body"}, "while_body: 96 of 100"),
        (
            {"rate": Rate.of(0, 0), "replayed": None, "reason": "it holds a table"},
            "not replayed: it holds a table",
        ),
    ],
)
def test_a_proof_that_fails_says_so(changes: dict[str, object], said: str):
    for text in everywhere(location(scatter(proof=proof(**changes)))):
        assert said in text.replace("\\", "")


def test_remedies_that_cure_come_first_the_cheapest_before_the_others():
    rows = located.account(location(scatter())).culprits[0].remedies
    assert [row.name for row in rows] == ["op_determinism", "threads=1", "xla"]
    assert [row.seen for row in rows] == ["nothing differed", "nothing differed", "differs still"]


def test_the_code_of_the_cheapest_cure_of_each_kind_is_there_to_paste():
    rewriting = msgspec.structs.replace(remedy("segment_sum", ratio=1.3), kind="rewriting")
    for text in everywhere(location(scatter(remedies=(remedy(), remedy("t"), rewriting))))[:2]:
        assert [line for line in text.splitlines() if line.startswith("To paste")] == [
            "To paste for op_determinism:" if text[0] != "*" else "To paste for op\\_determinism:",
            "To paste for segment_sum:" if text[0] != "*" else "To paste for segment\\_sum:",
        ]


def test_a_culprit_that_nothing_cures_says_so():
    none = (remedy("xla", cures=False), remedy("threads=1", cures=False))
    for text in everywhere(location(scatter(remedies=none))):
        assert "Nothing tried cures it: it differs still under xla and threads=1" in text


def test_if_nothing_differed_the_bound_and_the_next_scope_are_named():
    found = location(setting="xla", size="small", scope="process", compared="two processes")
    for text in everywhere(found):
        assert (
            "Nothing differed between two processes: 0 of 120 comparisons (rate at most 2.5 %, "
            "95 %)" in text
        )
        command = "detcost locate model.py:step --scope threads --setting xla --size small"
        assert command in text
        assert "Further scopes: load, isa and execution." in text


def test_after_the_last_scope_no_other_is_advised():
    assert located.account(location(scope=SCOPES[-1])).next == []
    assert located.account(location(scope="a recording of box")).next == []


def test_a_difference_that_the_probe_hides_is_no_absence_of_a_difference():
    for text in everywhere(location(unprobed=Rate.of(3, 20))):
        assert "watching hides the difference" in text
        assert "Nothing differed" not in text


def test_a_difference_without_a_culprit_names_what_was_not_watched():
    found = location(probed=Rate.of(3, 20), unwatched=("Table: its content has no digest",))
    for text in everywhere(found):
        assert "no operation could be named" in text
        assert "Table: its content has no digest" in text


def test_two_culprits_have_a_number_each():
    found = location(scatter(), scatter(type="Other", place=("model.py:9",)))
    assert headline(found) == (
        "2 origins differ between two runs of one process: ResourceScatterAdd at model.py:41 and "
        "Other at model.py:9."
    )
    for text in everywhere(found):
        assert "1 of 2: ResourceScatterAdd at model.py:41 is the first operation" in text
        assert "2 of 2: Other at model.py:9 is the first operation" in text


def test_nothing_that_a_program_names_is_markup():
    hostile = "<img src=x>[red]`*\n```\x1b[31m"
    culprit = scatter(
        type=hostile,
        name=hostile,
        place=(hostile,),
        path=(Hop(hostile, hostile, hostile),),
        remedies=(msgspec.structs.replace(remedy(hostile), code=f"```\n{hostile}"),),
    )
    found = location(culprit, scenario=hostile, unwatched=(hostile,))
    terminal, markdown, lines = everywhere(found)
    assert "<img src=x>[red]" in terminal
    assert "\x1b[31m" not in terminal
    assert all("\n" not in line and "\x1b" not in line for line in locate_tables.lines(found))
    fences = [line for line in markdown.splitlines() if line.startswith("```")]
    assert [len(f) - len(f.lstrip("`")) for f in fences if f.endswith("python")] == [4]
    outside = markdown.split("````")[0].split("```text")[0]
    assert "<img" not in outside
    assert "[red]" not in outside
    assert lines


def test_json_has_the_whole_location():
    found = location(scatter())
    text = locate_tables.json_text(found)
    assert msgspec.json.decode(text, type=Location) == found
    assert json.loads(text)["schema"] == 1
