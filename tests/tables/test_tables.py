"""Tables of evidence: figures have their intervals, and untrusted text stays text."""

from __future__ import annotations

import io
import re

import msgspec
import pytest
from rich.console import Console

from detcost.evidence.schema import Control, Controls, Cost, Evidence
from detcost.outputs.severity import Severity
from detcost.outputs.trajectory import Trajectory
from detcost.tables import evidence_tables, partitions, readme
from factories import cost, divergence, failed, protocol, racing, record, variant


def terminal(*records: Evidence) -> str:
    """Return the text of a wide terminal."""
    console = Console(file=io.StringIO(), width=300, color_system="truecolor", force_terminal=True)
    for table in evidence_tables.terminal_tables(records):
        console.print(table)
    return console.file.getvalue()


def plain(text: str) -> str:
    """Remove the styles of rich."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def words_of(text: str) -> str:
    """Remove line breaks."""
    return " ".join(text.split())


# Figures.


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        (cost(1.34, 1.29, 1.40), "1.34 [1.29, 1.40]"),
        (cost(12.3456, 11.0, 14.999), "12.35 [11.00, 15.00]"),
        (cost(1.0, None, None), "1.00 [?, ?]"),
        (cost(1.0, 0.9, None), "1.00 [?, ?]"),
        (cost(None, None, None), "–"),
        (None, "–"),
    ],
)
def test_a_cost_has_its_interval(kept, text):
    assert evidence_tables.cost_text(kept) == text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (divergence(0, 315, 0.0, 0.0095), "0/315 ≤ 0.95 %"),
        (divergence(0, 6, 0.0, 0.393), "0/6 ≤ 39 %"),
        (divergence(203, 315, 0.59, 0.70), "203/315 = 64 % [59, 70]"),
        (divergence(315, 315, 0.988, 1.0), "315/315 = 100 % [99, 100]"),
        (divergence(1, 315, 0.0001, 0.0176), "1/315 = 0.32 % [0.01, 1.8]"),
        (divergence(0, 0), "–"),
        (None, "–"),
    ],
)
def test_a_divergence_is_a_count_with_its_bound(found, text):
    assert evidence_tables.divergence_text(found) == text


def test_a_count_of_zero_has_its_bound():
    assert "≤ 0.95 %" in terminal(record())


def test_the_table_has_costs_counts_and_notes():
    threads = divergence(3, 6, 0.1, 0.9)
    threads.variants.extend(map(variant, "1248", "abcc"))
    shown = plain(
        terminal(
            record(accuracy=1.5e-7),
            record(
                setting="xla",
                divergence={"repeat": divergence(203, 315, 0.59, 0.70)},
            ),
            record(setting="threads=1", divergence={"threads": threads}),
            failed(setting="op_determinism", status="out_of_memory", reason="MemoryError: 9 GiB"),
        )
    )
    assert re.search(r"default .*0/315 .*1.5e-07.*\n.*\(A/A\) .*≤ 0.95 %", shown)
    assert re.search(
        r"xla .*1.34 \[1.29, 1.40\].*203/315 .*3 ulp.*\n.*costs.*64 % \[59, 70\]", shown
    )
    assert re.search(r"threads=1 .*3/6.*\n.*50 % \[10, 90\].*threads 1 \| 2 \| 4–8", shown)
    assert re.search(r"op_determinism .*MemoryError: 9 GiB.*\n.*out of memory", shown)
    assert "default against itself: 1.00 [0.99, 1.01]; controls passed" in words_of(shown)
    assert "deterministic" not in shown.replace("op_determinism", "")


@pytest.mark.parametrize(
    ("labels", "digests", "text"),
    [
        (("1", "2", "3", "4", "8", "16"), "abcddd", "1 | 2 | 3 | 4–16"),
        (("1", "2", "3", "4", "8", "16"), "aabaaa", "1–2, 4–16 | 3"),
        (("1", "2", "3"), "aaa", ""),
        (("1", "2", "3"), [None, "a", None], "1 | 2 | 3"),
        (("eager", "graph", "xla"), "aab", "eager, graph | xla"),
        ((), "", ""),
    ],
)
def test_a_partition_has_ranges_of_variants_that_agree(labels, digests, text):
    found = divergence(1, 6, 0.0, 1.0)
    found.variants.extend(map(variant, labels, digests))
    assert partitions.partition_text(found.variants) == text


def test_a_cell_that_races_has_no_partition():
    """Every trial of such a cell may differ, so equal bits would be chance."""
    threads = divergence(3, 3, 0.3, 1.0)
    threads.variants.extend(map(variant, "123", "abc"))
    racy = record(divergence={"process": divergence(20, 20), "threads": threads})
    assert "1 | 2 | 3" not in plain(terminal(racy))
    assert "1 \\|" not in evidence_tables.markdown_overview([racy])


ANYWAY = "(k/n): the bits differ in repeat or process already, so this count is no evidence"


def test_the_count_of_a_cell_that_races_is_in_parentheses():
    racy = record(divergence=racing(threads=divergence(6, 6), load=divergence(0, 4, 0.0, 0.53)))
    shown, (*_, row) = terminal(racy), rows(evidence_tables.markdown_overview([racy]))[:3]
    assert re.search(r"\x1b\[2m *\(6/6\)", shown), "dim"
    assert re.search(r"\x1b\[31m *300/315", shown), "red: the race itself"
    assert row[3:7] == ["**300/315**", "**20/20**", "(6/6)", "0/4"]
    for words in (words_of(plain(shown)), evidence_tables.markdown_overview([racy])):
        assert words.count(ANYWAY) == 1


def test_without_a_race_a_count_stands_out():
    steady = record(divergence={"repeat": divergence(0, 315), "threads": divergence(6, 6)})
    assert re.search(r"\x1b\[31m *6/6", terminal(steady))
    assert "**6/6**" in evidence_tables.markdown_overview([steady])
    for words in (words_of(plain(terminal(steady))), evidence_tables.markdown_overview([steady])):
        assert ANYWAY not in words


def test_a_cell_that_carries_state_has_a_note():
    kept = record(carries_state=True, sequence=["a", "b"])
    words = "carries state, its sequence repeats"
    assert words in plain(terminal(kept))
    assert f"0/315<br>{words}" in evidence_tables.markdown_overview([kept])
    for other in (record(carries_state=True, divergence=racing()), record(), record(schema=2)):
        assert words not in plain(terminal(other))
        assert words not in evidence_tables.markdown_overview([other])


def test_the_first_call_that_differs_is_named():
    parted = msgspec.structs.replace(divergence(4, 6), first_call=7)
    steady = {"repeat": divergence(0, 315), "load": parted}
    assert "load first differs at call 7" in plain(
        terminal(record(carries_state=True, divergence=steady))
    )
    racy = plain(terminal(record(carries_state=True, divergence=racing(load=parted))))
    assert "first differs at call" not in racy, "it says nothing about the scope"


@pytest.mark.parametrize("same", ["yes", "no", "default varies", None])
def test_whether_a_setting_gives_the_bits_of_default_is_a_column(same):
    known = record(same_bits_as_default=same)
    shown = plain(terminal(known))
    assert re.search(r"same bits *┃(?s:.*)as default *┃", shown)
    assert re.search(rf"│ {same or '–'} +│", shown)
    heads, _, row = rows(evidence_tables.markdown_overview([known]))[:3]
    assert (heads[-1], row[-1]) == ("same bits as `default`", same or "–")


@pytest.mark.parametrize("kept", [record, failed])
def test_code_left_out_of_the_program_is_listed(kept):
    line = "mine.py:3: enable_op_determinism()"
    assert f"left out of the program: {line}" in plain(terminal(kept(overridden=[line])))
    assert "left out" not in plain(terminal(kept()))


def test_costs_of_cold_steps_have_a_note_below_the_table():
    words = "cost: of steps after idleness, as detcost measured before schema 3"
    for old in (record(schema=2), record(schema=1)):
        assert words in words_of(plain(terminal(old)))
        assert words in evidence_tables.markdown_overview([old])
    for none in (record(), failed(schema=2)):
        assert words not in words_of(plain(terminal(none)))
        assert words not in evidence_tables.markdown_overview([none])


def test_each_lever_s_own_effect_stands_below_the_table():
    ratios = {"default": [1.0, 1.0, 1.0], "op_determinism": [1.1, 1.12, 1.11]}
    shown = terminal(
        *(
            record(setting=setting, cost=msgspec.structs.replace(cost(), block_ratios=blocks))
            for setting, blocks in ratios.items()
        )
    )
    assert "each lever's own effect: op_determinism ×1.11" in words_of(plain(shown))


def test_a_scope_that_does_not_apply_is_not_a_missing_one():
    nothing = msgspec.structs.replace(divergence(0, 0), reason="the scenario itself says")
    assert evidence_tables.divergence_text(nothing) == "n/a"
    assert "n/a" in plain(terminal(record(divergence={"execution": nothing})))


@pytest.mark.parametrize(
    ("controls", "words"),
    [
        (Controls(None, Control(3, 20, False), None), "known to vary did not"),
        (Controls(None, None, Control(1, 20, False)), "known to be stable varied"),
        (Controls(cost(1.2, 1.1, 1.3), None, None), "default against itself has the cost 1.200"),
        (Controls(Cost(None, None, None, 0, [], "costs"), None, None), "default against itself"),
    ],
)
def test_failed_controls_are_a_warning(controls, words):
    shown = plain(terminal(record(controls=controls)))
    assert "CONTROLS FAILED" in shown
    assert words in words_of(shown)


def test_a_table_is_of_one_scenario_device_size_and_type():
    mixed = [
        record(),
        record(device="GPU:0"),
        record(setting="xla"),
        record(size="large", dtype="bfloat16"),
    ]
    titles = [str(table.title) for table in evidence_tables.terminal_tables(mixed)]
    assert titles == ["matmul_square", "matmul_square GPU:0", "matmul_square large bfloat16"]
    assert [table.row_count for table in evidence_tables.terminal_tables(mixed)] == [2, 1, 1]


def test_machines_have_tables_of_their_own():
    here = record(machine={"name": "here"})
    there = record(machine={"name": "there"}, setting="op_determinism")
    shown = plain(terminal(here, there))
    assert "matmul_square here" in shown
    assert "matmul_square there" in shown
    assert "here" not in plain(terminal(here))


@pytest.mark.parametrize(
    ("trajectory", "text"),
    [
        (
            Trajectory(2, [2, 7, 11], [1e-7, 3e-6, 2.4e-5]),
            "first differs at step 3 of 12; by 1e-07 at step 3, 2e-05 at step 12",
        ),
        (
            Trajectory(2, [5, 11], [1e-7, None]),
            "first differs at step 3 of 12; by 1e-07 at step 6, ? at step 12",
        ),
        (Trajectory(11, [11], [1e-7]), "first differs at step 12 of 12; by 1e-07 at step 12"),
    ],
    ids=["growing", "of two trainings, one blown up", "the last step"],
)
def test_a_note_has_the_step_at_which_trainings_diverge(trajectory, text):
    assert text in plain(terminal(record(severity=Severity(3, 0.25, 1e-7, trajectory))))


@pytest.mark.parametrize(
    ("severity", "text"),
    [
        (Severity(3, 0.25, 1e-7), "differs by up to 3 ulp"),
        (
            Severity(3, 0.25, 1e-7, outputs=["step()[0]", "step()['loss']"]),
            "differs by up to 3 ulp in step()[0], step()['loss']",
        ),
        (Severity(None, 0.25, None, outputs=["step()[2]"]), "differs in step()[2]"),
        (Severity(None, 0.25, None), ""),
    ],
    ids=["one output", "of several two", "whole numbers", "nothing known"],
)
def test_a_note_has_the_outputs_that_differ(severity, text):
    assert evidence_tables.severity_text(severity) == text
    shown = plain(terminal(record(severity=severity)))
    assert text in shown
    assert ("differs" in shown) is bool(text)


def test_a_note_of_many_outputs_is_cut_off():
    many = [*(f"step()[{i}]" for i in range(20)), "and at least 7 more"]
    shown = words_of(plain(terminal(record(severity=Severity(3, 0.25, 1e-7, outputs=many)))))
    assert "differs by up to 3 ulp in step()[0], step()[1], " in shown
    assert "step()[19]" not in shown
    assert " …" in shown


@pytest.mark.parametrize("text", ["[red]x[/red]", "a\x1b[2J", "<b>", "a\nb"])
def test_an_untrusted_key_is_shown_unchanged(text):
    shown = terminal(record(severity=Severity(3, 0.25, 1e-7, outputs=[f"step()[{text!r}]", "b"])))
    assert f"step()[{text!r}], b" in plain(shown)


def test_a_frame_has_a_row_a_record_and_a_column_a_figure():
    frame = evidence_tables.to_frame([record(), failed(setting="xla")])
    assert list(frame["setting"]) == ["default", "xla"]
    assert frame["cost.ratio"][0] == 1.34
    assert frame["divergence.repeat.trials"][0] == 315
    assert frame["cost.ratio"].isna()[1]


def rows(markdown: str) -> list[list[str]]:
    """Parse a table as GitHub does. An escaped bar is no border."""
    lines = markdown.split("\n")
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if line.startswith("|")
    ]


def test_the_overview_has_a_row_a_setting_and_a_column_a_scope():
    threads = divergence(2, 6, 0.0, 1.0)
    threads.variants.extend(map(variant, "123", "abb"))
    table = rows(
        evidence_tables.markdown_overview(
            [
                record(),
                record(
                    setting="op_determinism",
                    divergence={"repeat": divergence(0, 9), "threads": threads},
                ),
                failed(setting="op_determinism+threads=1", status="not_applicable"),
                record(scenario="conv2d_backward", device="GPU:0"),
            ]
        )
    )
    scopes = ("repeat", "process", "threads")
    assert table[0] == ["scenario", "setting", "cost [95 %]", *scopes, "same bits as `default`"]
    name, gpu = "`matmul_square`", "`conv2d_backward GPU:0`"
    one, two, three = "`default`", "`op_determinism`", "`op_determinism+threads=1`"
    pools = r"**2/6**<br>`1 \| 2–3`"
    assert table[2:] == [
        [name, one, "1.34 [1.29, 1.40]", "0/315", "0/20", "–", "yes"],
        [name, two, "1.34 [1.29, 1.40]", "0/9", "–", pools, "yes"],
        [name, three, "not applicable", "–", "–", "–", "–"],
        [gpu, one, "1.34 [1.29, 1.40]", "0/315", "0/20", "–", "yes"],
    ]


# Untrusted text.

MARKUP = [
    *("[red]x[/red]", "[/]", "[/foo]", r"\[red]x[/red]", "x[", "x\\", "[link=http://x]y"),
    *(":bug:", "file:100:"),
]


@pytest.mark.parametrize("field", ["scenario", "setting", "device", "size", "dtype", "reason"])
def test_markup_in_a_record_is_shown_unchanged(field):
    for text in MARKUP:
        shown = terminal(failed(**{field: text}))
        assert text in plain(shown)
        assert "\x1b]8;" not in shown, "a link"


@pytest.mark.parametrize("field", ["scenario", "setting", "device", "size", "dtype", "reason"])
def test_a_record_cannot_control_the_terminal(field):
    """The output has no escape codes except the styles of rich."""
    shown = terminal(failed(**{field: "a\x1b[2J\x1b]0;title\x07\rb\x9b"}))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", plain(shown))


def test_a_line_break_in_a_reason_breaks_no_table():
    assert "one two" in plain(terminal(failed(reason="one\ntwo")))


HTML = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!-- x -->", "&lt;b&gt;"]
BREAKERS = ["a|b", "a\nb", "a\r\n| b |", "a`b<b>c", "`|`", "a\\|b", "a\\", "x\n\n# Heading"]


@pytest.mark.parametrize("field", ["scenario", "device", "size", "dtype", "reason"])
def test_untrusted_text_leaves_the_overview_a_table(field):
    for text in [*MARKUP, *HTML, *BREAKERS]:
        markdown = evidence_tables.markdown_overview(
            [failed(**{field: text}), record(scenario="next")]
        )
        table = rows(markdown)
        assert len(table) == len(markdown.splitlines()) == 2 + 2
        assert {len(row) for row in table} == {4 + 2}, "two scopes were measured"
        for row in table[2:]:
            assert re.fullmatch(r"`[^`]*`", row[0]), "one code span: nothing in it is HTML"
            assert "<" not in "".join(row[1:]).replace("<br>", "")


def test_an_untrusted_label_leaves_the_overview_a_table():
    for text in [*MARKUP, *HTML, *BREAKERS]:
        threads = divergence(1, 2, 0.0, 1.0)
        threads.variants.extend([variant("1", "a"), variant(text, "b")])
        markdown = evidence_tables.markdown_overview([record(divergence={"threads": threads})])
        row = rows(markdown)[2]
        assert len(row) == 4 + 1
        assert "<" not in re.sub("`[^`]*`|<br>", "", row[3])


BEGIN, END = readme.marks("show")


def section(each: Evidence) -> str:
    return readme.section("show", readme.overview([each]))


@pytest.mark.parametrize("key", ["cpu", "virtualisation", "tensorflow", "profile", "measured_at"])
def test_an_untrusted_machine_cannot_write_into_the_readme(key):
    length = len(section(record()).splitlines())
    for text in [*HTML, *BREAKERS, BEGIN, END, "[x](javascript:y)"]:
        changes = {
            "cpu": {"machine": {"cpu": text}},
            "virtualisation": {"machine": {"cpu": "x", "virtualisation": text}},
            "tensorflow": {"versions": {"tensorflow": text}},
            "profile": {"protocol": protocol(text)},
            "measured_at": {"measured_at": text},
        }
        written = section(record(**changes[key]))
        assert len(written.splitlines()) == length
        assert not re.search(r"[<>]|(?<!\\)\[x\]", written.splitlines()[-3])
        assert written.count(BEGIN) == written.count(END) == 1
