"""Agreement: the same letter in a row means the same bits, and pairs count such rows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from detcost.choosing import agreement
from detcost.errors import UsageError
from detcost.evidence.journal import Journal
from detcost.evidence.schema import Evidence
from detcost.tables import agreement_tables, readme
from factories import divergence, failed, record
from paths import ROOT

DOCUMENT = (ROOT / "docs" / "agreement.md").read_text(encoding="utf-8")
RACES = {"repeat": divergence(310, 315, 0.9, 1.0), "process": divergence(20, 20, 0.8, 1.0)}
CURE = "onednn=off+isa=AVX2"


def on(machine: str, **changes: Any) -> Evidence:
    """Return a record of a machine, whose run has the machine's name."""
    return record(run_id=machine, machine={"name": machine, "cpu": f"CPU of {machine}"}, **changes)


def of_state(machine: str, *digests: str, **changes: Any) -> Evidence:
    """Return a record of a cell that carries state, with the outputs of its first calls."""
    sequence = list(digests)
    return on(machine, digest=digests[0], carries_state=True, sequence=sequence, **changes)


def letters(*records: Evidence, **asked: Any) -> list[list[str]]:
    """Return the letter or the status of every cell, row by row."""
    rows = agreement.compare(records, **asked).rows
    return [[cell.letter or cell.status for cell in row.cells] for row in rows]


def shown(*records: Evidence, **asked: Any) -> str:
    console = Console(width=300)
    with console.capture() as text:
        console.print(agreement_tables.terminal(agreement.compare(records, **asked)))
    return text.get()


# Letters.


def test_the_same_digest_in_a_row_is_the_same_letter():
    assert letters(
        on("amd", digest="1"),
        on("amd", setting="xla", digest="2"),
        on("intel", digest="3"),
        on("intel", setting="xla", digest="2"),
        on("intel", setting=CURE, digest="1"),
    ) == [["A", "B", "C", "B", "A"]]


def test_letters_start_again_in_every_row():
    assert letters(
        on("amd", digest="1"),
        on("amd", scenario="conv", digest="2"),
        on("intel", digest="2"),
        on("intel", scenario="conv", digest="2"),
    ) == [["A", "B"], ["A", "A"]]


def test_a_cell_that_races_has_no_letter():
    assert letters(on("amd", digest="1"), on("intel", digest="1", divergence=RACES)) == [
        ["A", "races"]
    ]


def test_a_cell_without_bits_has_its_status():
    never_ran = failed(machine={"name": "intel"}, setting="xla", status="unimplemented")
    assert letters(on("amd"), on("intel"), on("intel", setting=CURE), never_ran) == [
        ["A", "A", "unimplemented", "A"]
    ]
    assert letters(on("amd"), on("intel", scenario="conv")) == [
        ["A", "not_measured"],
        ["not_measured", "A"],
    ]


def test_the_newest_record_of_a_cell_counts():
    old = on("amd", digest="old", measured_at="2025-01-01T00:00:00+00:00")
    assert letters(old, on("intel", digest="new"), on("amd", digest="new")) == [["A", "A"]]


@pytest.mark.parametrize(
    "change",
    [
        {"size": "small"},
        {"dtype": "bfloat16"},
        {"versions": {"tensorflow": "2.20.0"}},
        {"seed": 7},
    ],
)
def test_another_program_has_a_row_of_its_own(change):
    """Different inputs or versions give different bits on the same machine, too."""
    cells = letters(on("amd"), on("intel", **change))
    assert sorted(cells) == [["A", "not_measured"], ["not_measured", "A"]]


def test_devices_are_compared_as_machines_are():
    cpu, gpu = on("amd"), on("amd", device="GPU:0", digest="other")
    assert letters(cpu, gpu) == [["A", "B"]]
    text = shown(cpu, gpu, on("intel", digest="other"))
    assert "amd default = intel default in 0 of 1 scenario" in text
    assert "amd GPU:0 default = intel default in 1 of 1 scenario" in text
    assert "device CPU:0 unless named" in text


def test_more_kinds_than_letters_go_on_with_two():
    records = [on(f"box{i:02}", digest=str(i)) for i in range(29)]
    [row] = letters(*records)
    assert row[24:] == ["Y", "Z", "AA", "AB", "AC"]


# State.


def test_cells_that_carry_state_agree_while_all_calls_do():
    assert letters(of_state("amd", "1", "2", "3"), of_state("intel", "1", "2", "3")) == [["A", "A"]]
    assert letters(of_state("amd", "1", "2", "3"), of_state("intel", "1", "2", "4")) == [["A", "B"]]


def test_calls_that_only_one_kept_are_not_compared():
    assert letters(of_state("amd", "1", "2"), of_state("intel", "1", "2", "3")) == [["A", "A"]]


def test_a_short_sequence_hides_no_difference_of_longer_ones():
    assert letters(
        of_state("amd", "1", "2"), of_state("arm", "1", "2", "3"), of_state("intel", "1", "2", "4")
    ) == [["A", "A", "B"]]


def test_a_cell_with_state_never_equals_one_without():
    still = on("amd", digest="1", carries_state=False)
    assert letters(still, of_state("intel", "1", "2")) == [["A", "B"]]


# Which columns and rows there are.


def columns(*records: Evidence, **asked: Any) -> list[str]:
    return [str(column) for column in agreement.compare(records, **asked).columns]


def test_by_default_usual_settings_and_isa_caps_are_compared():
    measured = ["xla", "threads=1", CURE, "isa=SSE41", "default", "op_determinism"]
    assert columns(*(on("amd", setting=name) for name in measured)) == [
        "amd default",
        "amd isa=SSE41",
        "amd op_determinism",
        "amd xla",
        f"amd {CURE}",
    ]


def test_settings_may_be_named_in_any_spelling():
    records = [on("amd"), on("amd", setting="threads=1+xla"), on("intel", setting="threads=1+xla")]
    assert columns(*records, wanted=["xla+single_thread"]) == [
        "amd threads=1+xla",
        "intel threads=1+xla",
    ]


def test_evidence_without_a_usual_setting_is_shown_too():
    assert columns(on("amd", setting="seeding=tf")) == ["amd seeding=tf"]


def test_scenarios_and_families_narrow_it_down():
    records = [on("amd"), on("amd", scenario="a", family="conv"), on("amd", scenario="b")]
    found = agreement.compare(records, scenarios=["conv", "b"])
    assert [row.scenario for row in found.rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("asked", "thing", "remedy"),
    [
        ({"scenarios": ["matmul_sqare"]}, '"matmul_sqare"', 'did you mean "matmul_square"?'),
        ({"wanted": ["xl"]}, '"xl"', 'did you mean "xla"?'),
        ({"wanted": ["op_determinism"]}, 'setting "op_determinism"', "there is default, xla"),
    ],
)
def test_a_name_without_evidence_is_refused(asked, thing, remedy):
    with pytest.raises(UsageError) as caught:
        agreement.compare([on("amd"), on("amd", setting="xla")], **asked)
    assert thing in str(caught.value)
    assert remedy in str(caught.value)


# The headline.


def headline(*records: Evidence, **asked: Any) -> list[str]:
    return agreement.compare(records, **asked).headline


def two_machines() -> list[Evidence]:
    """Return three scenarios: one is equal, one is equal after the cure, and one races."""
    records = []
    for name, amd, intel in (("sum", "1", "1"), ("product", "2", "3")):
        records += [
            on("amd", scenario=name, digest=amd),
            on("intel", scenario=name, digest=intel),
            on("intel", scenario=name, setting=CURE, digest=amd),
        ]
    race = {"scenario": "scatter", "divergence": RACES}
    return [*records, on("amd", **race), on("intel", **race), on("intel", setting=CURE, **race)]


def test_the_headline_has_the_best_pair_and_the_defaults():
    assert headline(*two_machines()) == [
        f"amd default = intel {CURE} in 2 of 2 scenarios; "
        "amd default = intel default in 1 of 2 scenarios"
    ]


def test_the_defaults_are_listed_once_if_nothing_is_better():
    assert headline(on("amd"), on("intel"), on("intel", setting="xla", digest="other")) == [
        "amd default = intel default in 1 of 1 scenario"
    ]


def test_pairs_that_differ_least_come_first():
    found = agreement.compare(two_machines()).pairs
    assert [(str(p.left), str(p.right), p.equal, p.comparable) for p in found] == [
        ("amd default", f"intel {CURE}", 2, 2),
        ("amd default", "intel default", 1, 2),
    ]


def test_a_scenario_is_equal_if_all_its_rows_are():
    small = {"size": "small", "digest": "2"}
    assert headline(on("amd"), on("intel"), on("amd", **small), on("intel", **small)) == [
        "amd default = intel default in 1 of 1 scenario"
    ]
    other = {"size": "small", "digest": "3"}
    assert headline(on("amd"), on("intel"), on("amd", **small), on("intel", **other)) == [
        "amd default = intel default in 0 of 1 scenario"
    ]


def test_every_pair_of_machines_has_a_line():
    assert headline(on("amd"), on("arm", digest="2"), on("intel")) == [
        "amd default = intel default in 1 of 1 scenario",
        "amd default = arm default in 0 of 1 scenario",
        "arm default = intel default in 0 of 1 scenario",
    ]


def test_the_headline_of_many_machines_stays_short():
    lines = headline(*(on(f"box{i}") for i in range(7)))
    assert len(lines) == agreement.LISTED + 1
    assert lines[-1] == "and 9 more pairs of machines, which --json prints"


def test_the_headline_of_one_machine_asks_for_another():
    [line] = headline(on("amd"), on("amd", setting="xla"))
    assert "one machine, amd; add another" in line


def test_machines_without_a_common_scenario_are_not_equal():
    assert headline(on("amd"), on("intel", scenario="conv")) == [
        "no scenario has bits to compare on two machines"
    ]


# What is printed.


def test_the_table_has_letters_races_and_dashes():
    text = shown(*two_machines(), on("amd", setting="xla", scenario="sum", digest="9"))
    assert re.search(r"sum .* A .* B .* A .* A", text)
    assert re.search(r"product .* A .* – .* B .* A", text)
    assert re.search(r"scatter .* races .* – .* races .* races", text)
    assert "amd: CPU of amd; intel: CPU of intel. device CPU:0, size medium" in text


def test_rows_of_one_machine_alone_are_left_out_and_counted():
    """A row with a version that only one machine has compares nothing."""
    alone = on("amd", scenario="product", versions={"tensorflow": "2.20.0"})
    text = shown(*two_machines(), alone)
    assert "2.20.0" not in text
    assert "Left out: 1 rows of one machine alone" in text


def test_what_differs_between_rows_has_a_column():
    assert " size " not in shown(on("amd")).splitlines()[2]
    assert re.search(r" scenario .* size ", shown(on("amd"), on("amd", size="small")))


def test_packages_with_unlike_versions_are_listed():
    unlike = {"versions": {"tensorflow": "2.21.0", "numpy": "2.4.6"}}
    older = {"versions": {"tensorflow": "2.21.0", "numpy": "1.26.0"}}
    assert "numpy 1.26.0, 2.4.6" in shown(on("amd", **unlike), on("intel", **older))
    assert "Versions differ" not in shown(on("amd", **unlike), on("intel", **unlike))


def test_untrusted_text_stays_text():
    evil = "<b>x</b>|[y](http://z)`[bold]\x1b[2J\n"
    records = [on(evil, scenario=evil), on("amd", scenario=evil)]
    text = agreement_tables.markdown(agreement.compare(records))
    outside = re.sub(r"`[^`]*`", "", text.replace(r"\`", "").replace(r"\]", ""))
    assert "<b>" not in outside
    assert "](" not in outside
    assert "\x1b" not in text
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {4, 5}  # of two tables
    assert "\x1b" not in shown(*records)
    assert "[bold]" in shown(*records)


# The command.


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a results folder with two machines, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for kept in two_machines():
        Journal(Path("results", kept.machine_name, "x.trials.jsonl"), kept.run_id).append([kept])
    return tmp_path / "results"


@pytest.mark.parametrize("format_", [[], ["--markdown"], ["--json"]])
def test_the_command_prints_the_headline(detcost, results, format_):
    code, out, err = detcost("agreement", *format_)
    assert (code, err) == (0, "")
    assert f"amd default = intel {CURE} in 2 of 2 scenarios" in out


def test_options_narrow_it_down(detcost, results):
    _, out, _ = detcost("agreement", "--scenario", "sum, scatter", "-s", "default", "--json")
    found = json.loads(out)
    assert [row["scenario"] for row in found["rows"]] == ["sum", "scatter"]
    assert {column["setting"] for column in found["columns"]} == {"default"}


def test_it_writes_between_its_marks(detcost, results):
    Path("page.md").write_text("before\n" + "\n".join(readme.marks("agreement")) + "\nafter\n")
    assert detcost("agreement", "--write", "page.md") == (0, "", "")
    _, printed, _ = detcost("agreement", "--markdown")
    assert Path("page.md").read_text() == (
        f"before\n{readme.section('agreement', printed.rstrip())}\nafter\n"
    )


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--scenario", "sun"], 'did you mean "sum"?'),
        (["--results", "nowhere"], "name one"),
        (["--results", "empty"], "detcost measure --out"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(detcost, results, words, remedy):
    Path("empty").mkdir()
    code, out, err = detcost("agreement", *words)
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert remedy in line


def test_json_has_the_fields_of_the_document_and_no_others(detcost, results):
    _, out, _ = detcost("agreement", "--json")
    found = json.loads(out)
    documented = re.findall(r"^\| (`[^|]*) \|", DOCUMENT, re.MULTILINE)
    row, cell, pair = found["rows"][0], found["rows"][0]["cells"][0], found["pairs"][0]
    assert [set(re.findall(r"`(\w+)`", names)) for names in documented] == [
        {"schema"},
        {"fleet"},
        {"isa"},
        {"headline"},
        {"machines"},
        {"versions"},
        {"columns"},
        {"rows"},
        {"pairs"},
    ]
    assert set(found) == set().union(*(re.findall(r"`(\w+)`", names) for names in documented))
    for keys in (row, cell, pair, found["columns"][0], found["fleet"][0], found["isa"]):
        assert all(f"`{key}`" in DOCUMENT for key in keys)


# Limits and missing fields.


def test_every_two_columns_of_different_machines_are_a_pair():
    pairs = agreement.compare(
        [on("amd"), on("amd", setting="xla"), on("intel"), on("intel", setting="xla")]
    ).pairs
    assert {(str(pair.left), str(pair.right)) for pair in pairs} == {
        ("amd default", "intel default"),
        ("amd default", "intel xla"),
        ("amd xla", "intel default"),
        ("amd xla", "intel xla"),
    }


@pytest.mark.parametrize(
    ("limit", "rest"),
    [(3, []), (2, ["and 1 more pairs of machines, which --json prints"])],
)
def test_pairs_of_machines_are_counted_only_beyond_the_limit(monkeypatch, limit, rest):
    monkeypatch.setattr(agreement, "LISTED", limit)
    lines = headline(on("amd"), on("arm"), on("intel"))
    assert len(lines) == limit + len(rest)
    assert lines[limit:] == rest


def test_a_cell_has_the_digest_of_its_record():
    [row] = agreement.compare([on("amd", digest="1"), on("intel", digest="2")]).rows
    assert [cell.digest for cell in row.cells] == ["1", "2"]


def test_of_a_cell_without_its_sequence_the_digests_are_compared():
    """Evidence of older schemas kept the first output only."""
    old = {"carries_state": True, "sequence": []}
    assert letters(of_state("amd", "1", "2"), on("intel", digest="1", **old)) == [["A", "A"]]
    assert letters(of_state("amd", "1", "2"), on("intel", digest="9", **old)) == [["A", "B"]]


def test_an_unknown_processor_or_version_is_called_so():
    bare = on("amd", versions={"tensorflow": "2.21.0"})
    bare.machine.pop("cpu")
    more = on("intel", versions={"tensorflow": "2.21.0", "numpy": "2.4.6"})
    comparison = agreement.compare([bare, more])
    assert comparison.machines == {"amd": "unknown CPU", "intel": "CPU of intel"}
    assert comparison.versions == {"numpy": ["2.4.6", "none"]}


def test_a_comparison_without_evidence_is_refused_in_one_line():
    with pytest.raises(UsageError) as caught:
        agreement.compare([])
    assert str(caught.value) == ("no evidence to compare; run make bench, or detcost measure --out")


def a_pair(equal: int, comparable: int, left: str = "default", right: str = "default"):
    one = agreement.AgreementColumn("amd", "CPU:0", left)
    other = agreement.AgreementColumn("intel", "CPU:0", right)
    return agreement.AgreementPair(one, other, equal, comparable)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (a_pair(1, 1), a_pair(8, 9)),
        (a_pair(9, 10), a_pair(1, 2)),
        (a_pair(2, 2, "xla"), a_pair(2, 2, "xla", "op_determinism")),
        (a_pair(2, 2, right="xla"), a_pair(2, 2, right="op_determinism+xla")),
    ],
    ids=["fewest that differ", "most that are equal", "fewest levers", "fewest levers, right"],
)
def test_the_better_pair_of_columns_comes_first(better, worse):
    assert better.rank < worse.rank
