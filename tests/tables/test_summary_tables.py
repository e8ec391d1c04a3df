"""The table of settings: a mean with its range, and a share of scenarios for each scope."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from detcost.choosing.question import Question
from detcost.choosing.summary import summarise
from detcost.evidence.journal import Journal
from detcost.evidence.schema import Control, Controls, Cost, Evidence
from detcost.tables import readme, summary_tables
from factories import cost, divergence, failed, record


def cell(setting: str, scenario: str, ratio: float) -> Evidence:
    blocks = Cost(None, None, None, 3, [ratio] * 3, "costs")
    nothing = msgspec.structs.replace(divergence(0, 0), reason="it means nothing")
    scopes = {
        "repeat": divergence(0, 315),
        "process": divergence(0, 20),
        "threads": divergence(1, 6) if scenario == "b" else divergence(0, 6),
        "execution": nothing,
    }
    return record(setting=setting, scenario=scenario, cost=blocks, divergence=scopes)


EVIDENCE = [
    *(cell("default", name, 1.0) for name in "abc"),
    cell("xla", "a", 2.0),
    cell("xla", "b", 0.5),
    failed(setting="xla", scenario="c", status="unimplemented"),
]


def markdown(*records: Evidence) -> str:
    return summary_tables.markdown(summarise(records, Question()))


def terminal(*records: Evidence) -> str:
    console = Console(width=300)
    with console.capture() as text:
        console.print(summary_tables.terminal(summarise(records, Question())))
    return text.get()


def test_a_row_has_the_cost_the_shares_and_what_was_left_out():
    lines = markdown(*EVIDENCE).splitlines()
    assert lines[0].startswith("| setting | cost, mean (range) | repeat | process | threads |")
    same = "3 of 3 | 3 of 3 | 2 of 3 | – | – | n/a"
    assert lines[2] == f"| `default` | 1 | {same} |  |"
    same = "2 of 2 | 2 of 2 | 1 of 2 | – | – | n/a"
    assert lines[3] == f"| `xla` | 1.00 (0.50 to 2.00) | {same} | 1 unimplemented |"


def test_the_terminal_has_the_same():
    text = terminal(*EVIDENCE)
    assert "cost, mean (range)" in text, "which is no markup"
    assert re.search(r"xla .*1.00 \(0.50 to 2.00\).*2 of 2 .*1 of 2 .*n/a .*1 unimplemented", text)


def test_the_notes_have_the_machine_and_the_noise_floor():
    controls = Controls(cost(1.03, 1.0, 1.06), Control(20, 20, True), Control(0, 20, True))
    noisy = msgspec.structs.replace(EVIDENCE[0], controls=controls)
    *_, notes = markdown(noisy, *EVIDENCE[1:]).splitlines()
    for words in (
        "3 scenarios on CPU:0; Some CPU @ 2.00GHz, 2 cores; TensorFlow 2.21.0; profile standard",
        "The mean is geometric",
        "at most 3 % off",
        "Left out: ",
    ):
        assert words in notes
    *_, notes = markdown(EVIDENCE[0]).splitlines()
    assert "1 scenario on CPU:0" in notes
    assert "Left out" not in notes


HOSTILE = ["<b>", "a|b", "a\nb", "`|`", "[x](javascript:y)", "[red]x[/red]", "a\x1b[2J"]


@pytest.mark.parametrize("text", HOSTILE)
def test_untrusted_text_leaves_the_table_a_table(text):
    records = [
        record(scenario=text, machine={"name": text, "cpu": text}),
        record(scenario=text, setting=text, machine={"name": text, "cpu": text}),
    ]
    written = markdown(*records)
    assert len(written.splitlines()) == 2 + 2 + 2
    rows = written.splitlines()[:4]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert not re.search(r"<b>|(?<!\\)\[x\]", re.sub(r"`[^`]*`", "", written))
    assert "\x1b" not in written + terminal(*records)


# The command.


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Journal(tmp_path / "results" / "box" / "x.trials.jsonl", "run").append(EVIDENCE)
    return tmp_path / "results"


def test_the_command_prints_a_row_a_setting(detcost, results):
    code, out, err = detcost("summary", "--results", str(results))
    assert (code, err) == (0, "")
    assert re.search(r"default .*\n.* xla .*1.00 \(0.50 to 2.00\)", out)
    assert "…" not in out
    assert detcost("summary")[1] == out


def test_the_command_writes_between_its_marks(detcost, results):
    Path("page.md").write_text("before\n" + "\n".join(readme.marks("summary")) + "\nafter\n")
    assert detcost("summary", "--write", "page.md") == (0, "", "")
    _, printed, _ = detcost("summary", "--markdown")
    section = readme.section("summary", printed.rstrip())
    assert Path("page.md").read_text() == f"before\n{section}\nafter\n"


def test_the_command_can_be_narrowed_down(detcost, results):
    _, out, _ = detcost("summary", "--scenario", "a,b", "--machine", "box", "--markdown")
    assert "2 scenarios on CPU:0" in out


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--scenario", "q"], "there is a, b, c"),
        (["--machine", "bix"], 'did you mean "box"?'),
        (["--results", "nowhere"], "name one"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(detcost, results, words, remedy):
    code, out, err = detcost("summary", *words)
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert remedy in line
