"""``detcost choose`` answers in a terminal, in Markdown or in JSON, with an exit code for CI."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from detcost.choosing.scope_checks import percent
from detcost.evidence.journal import Journal
from detcost.evidence.schema import Control, Controls
from detcost.experiment.profiles import PROFILES
from detcost.intervals import upper_bound_of_zero
from detcost.tables import readme
from factories import cost, divergence, failed, record
from paths import ROOT

DOCUMENT = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
RACES = {"repeat": divergence(310, 315, 0.9, 1.0), "process": divergence(20, 20, 0.8, 1.0)}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make results in the working directory: a steady product, and a race with a cure."""
    monkeypatch.chdir(tmp_path)
    race = {"scenario": "scatter", "family": "irregular"}
    journal = Journal(tmp_path / "results" / "box" / "x.trials.jsonl", "run")
    journal.append(
        [
            record(),
            record(setting="op_determinism", cost=cost()),
            record(setting="xla", divergence=RACES),
            record(**race, divergence=RACES),
            record(**race, setting="op_determinism"),
            record(**race, setting="xla", divergence=RACES),
        ]
    )
    return tmp_path / "results"


@pytest.fixture
def hopeless(results: Path) -> Path:
    """Add a scenario that no setting cures."""
    path = results / "box" / "y.trials.jsonl"
    Journal(path, "run").append([record(scenario="hopeless", divergence=RACES)])
    return results


# Exit codes.


@pytest.mark.parametrize("words", [[], ["--json"], ["--markdown"]])
def test_an_answer_for_each_scenario_is_success(detcost, results, words):
    code, out, err = detcost("choose", *words)
    assert (code, err) == (0, "")
    assert "op_determinism" in out.replace("\\", "")


@pytest.mark.parametrize("words", [[], ["--json"], ["--markdown"]])
@pytest.mark.parametrize("asked", [[], ["--scenario", "all"], ["--scenario", "hopeless"]])
def test_no_answer_is_exit_code_1_with_the_reason(detcost, hopeless, asked, words):
    code, out, err = detcost("choose", *asked, *words)
    assert (code, err) == (1, "")
    assert "310 of 315 differed" in out


@pytest.mark.parametrize(
    ("words", "thing", "remedy"),
    [
        (["--scenario", "matmul_sqare"], '"matmul_sqare"', 'did you mean "matmul_square"?'),
        (["--scenario", "qqqq"], '"qqqq"', "detcost list scenarios"),
        (["--device", "GPU:0"], '"GPU:0"', "there is CPU:0"),
        (["--survive", "repeat,proces"], '"proces"', 'did you mean "process"?'),
        (["--survive", ""], '--survive ""', "leave --survive out"),
        (["--max-rate", "5"], "rate 5", "at most 1"),
        (["--max-rate", "0"], "rate 0", "0.05"),
        (["--machine", "bix"], '"bix"', 'did you mean "box"?'),
        (["--tensorflow", "2.12.0"], '"2.12.0"', 'did you mean "2.21.0"?'),
        (["--size", "big"], '"big"', "there is medium"),
        (["--dtype", "float23"], '"float23"', 'did you mean "float32"?'),
        (["--results", "/nowhere"], "/nowhere", "name one"),
    ],
)
@pytest.mark.parametrize("format_", [[], ["--json"]])
def test_a_wrong_word_is_one_line_that_names_it_and_the_remedy(
    detcost, results, words, thing, remedy, format_
):
    code, out, err = detcost("choose", *words, *format_)
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith("detcost: ")
    assert thing in line
    assert remedy in line


@pytest.mark.parametrize("words", [["--max-rate", "x"], ["--nonsense"]])
def test_a_command_cut_short_ends_with_2_and_shows_its_usage(detcost, results, words):
    code, out, err = detcost("choose", *words)
    assert (code, out) == (2, "")
    assert "--help" in err


def test_for_an_empty_folder_the_message_has_a_remedy(detcost, tmp_path):
    code, out, err = detcost("choose", "--results", str(tmp_path))
    assert (code, out) == (2, "")
    assert "detcost measure --out" in err


# Questions and answers.


def test_without_a_scenario_there_is_a_table_over_all(detcost, hopeless):
    code, out, _ = detcost("choose")
    assert code == 1
    assert "cheapest settings that survive repeat, process on CPU:0" in out
    assert re.search(r"matmul_square .* default .* repeat 0/315 ≤ 0.95 %, process 0/20", out)
    assert re.search(r"scatter .* op_determinism .* 1.35 ", out)
    assert re.search(r"hopeless .* none qualifies .* 310 of 315 differed", out)
    _, out, _ = detcost("choose", "--markdown")
    assert len(out.splitlines()) == 2 + 3
    assert all(line.startswith("| ") and line.endswith(" |") for line in out.splitlines())


def test_with_a_scenario_there_is_an_answer_and_what_to_paste(detcost, results):
    code, out, err = detcost("choose", "--scenario", "scatter")
    assert (code, err) == (0, "")
    assert out.startswith("scatter on CPU:0: op_determinism survives repeat, process at 1.35 ")
    assert "tf.config.experimental.enable_op_determinism()" in out
    assert "…" not in out


def test_several_names_want_one_setting_however_they_are_given(detcost, results):
    code, out, _ = detcost("choose", "--scenario", "matmul,scatter")
    assert code == 0
    assert out.startswith("2 scenarios on CPU:0: op_determinism survives")
    assert detcost("choose", "--scenario", "matmul", "--scenario", "scatter")[1] == out
    assert detcost("choose", "--scenario", "all")[1] == out


@pytest.mark.parametrize(
    "given",
    [
        ["--survive", "repeat,process,threads"],
        ["--survive", "repeat", "--survive", "process", "--survive", "threads"],
        ["--survive", "repeat, process", "--survive", " threads ,repeat"],
    ],
)
def test_scopes_to_survive_add_up_however_they_are_given(detcost, results, given):
    """If only the last value counted, a setting that races in the others would qualify."""
    _, out, _ = detcost("choose", "--scenario", "scatter", "--json", *given)
    assert json.loads(out)["survive"] == ["repeat", "process", "threads"]


@pytest.mark.parametrize("other", [["--markdown"], ["--write", "page.md"]])
def test_json_excludes_other_formats(detcost, results, other):
    Path("page.md").write_text("".join(readme.marks("choose")))
    code, out, err = detcost("choose", "--json", *other)
    assert (code, out) == (2, "")
    assert "choose one" in err
    assert Path("page.md").read_text() == "".join(readme.marks("choose"))


def test_a_rate_and_scopes_are_used(detcost, results):
    asked = ["--scenario", "matmul", "--survive", "repeat"]
    code, out, _ = detcost("choose", *asked, "--max-rate", "0.05")
    assert code == 0
    assert "default survives repeat at a rate of at most 5 % at" in out
    code, out, _ = detcost("choose", *asked, "--max-rate", "0.005")
    assert code == 1
    assert "--profile full would bound it at" in " ".join(out.split())


def test_markdown_is_for_a_page(detcost, results):
    code, out, err = detcost("choose", "--scenario", "scatter", "--markdown")
    assert (code, err) == (0, "")
    assert out.startswith("**scatter on CPU:0: op\\_determinism survives repeat, process at ")
    assert "\n| `op_determinism` | 1.35 \\[" in out
    assert "\n```python\nimport tensorflow as tf\n" in out


def test_missing_cells_are_written_beside_the_rest(detcost, results):
    asked = ["--scenario", "scatter", "--survive", "isa", "--json"]
    for where, file in (
        ("results", "results/more.trials.jsonl"),
        ("results/box/x.trials.jsonl", "results/box/x.trials.jsonl"),
    ):
        code, out, _ = detcost("choose", *asked, "--results", where)
        assert code == 1
        [command] = json.loads(out)["commands"]
        assert shlex.split(command)[-2:] == ["--out", file]


def test_an_unreadable_line_is_reported_and_the_rest_is_used(detcost, results):
    whole = detcost("choose", "--json")
    path = results / "box" / "x.trials.jsonl"
    path.write_bytes(path.read_bytes() + b'{"schema": 99}\n{"half')
    code, out, err = detcost("choose", "--json")
    assert (code, out) == whole[:2]
    newer, half = err.splitlines()
    assert newer.startswith("skipped results/box/x.trials.jsonl:7: schema 99 is newer")
    assert half.startswith("skipped results/box/x.trials.jsonl:8: ")


def test_failed_controls_are_a_warning(detcost, results):
    controls = Controls(None, Control(3, 20, False), None)
    Journal(results / "late.trials.jsonl", "run").append(
        [record(setting="threads=1", controls=controls)]
    )
    _, out, _ = detcost("choose", "--scenario", "matmul")
    assert "CONTROLS FAILED: the scenario known to vary did not" in out


def test_the_answer_names_its_machine(detcost, results):
    later = {"measured_at": "2026-09-09T00:00:00+00:00"}
    there = Journal(results / "there" / "x.trials.jsonl", "run")
    there.append([record(run_id="there", machine={"name": "there"}, divergence=RACES, **later)])
    code, out, _ = detcost("choose", "--scenario", "matmul_square")
    assert code == 1
    assert "measured on there" in out
    assert detcost("choose", "--machine", "box")[0] == 0
    assert detcost("choose", "--machine", "there")[0] == 1


# JSON.


def documented() -> dict[str, set[str]]:
    """Return the fields in the document's tables, by the path that leads to them."""
    fields: dict[str, set[str]] = {}
    under = ""
    for line in DOCUMENT.partition("\n## JSON\n")[2].splitlines():
        if place := re.fullmatch(r"Of .*, under `(.*)`:", line):
            under = place[1]
        elif line.startswith("| `"):
            first = line.split("|")[1]
            fields.setdefault(under, set()).update(re.findall(r"`(\w+)`", first))
    return fields


def keys_of(value: object, under: str = "") -> dict[str, set[str]]:
    """Return the keys of all objects in an answer, by the path that leads to them."""
    if isinstance(value, list):
        return merged(keys_of(item, under) for item in value)
    if not isinstance(value, dict):
        return {}
    inner = [keys_of(value[key], f"{under}.{key}".lstrip(".")) for key in value]
    return merged([{under: set(value)}, *inner])


def merged(parts: Iterable[dict[str, set[str]]]) -> dict[str, set[str]]:
    together: dict[str, set[str]] = {}
    for part in parts:
        for under, keys in part.items():
            together.setdefault(under, set()).update(keys)
    return together


@pytest.mark.parametrize("asked", [[], ["--scenario", "all"], ["--scenario", "scatter"]])
def test_json_has_the_fields_of_the_document_and_no_others(detcost, hopeless, asked):
    _, out, _ = detcost("choose", *asked, "--json")
    keys = keys_of(json.loads(out, parse_constant=pytest.fail))
    for cost_of in ("candidates.cost", "candidates.worst"):
        assert keys.pop(cost_of) == {"ratio", "low", "high"}
    assert keys.pop("candidates.on_each") == keys.pop("elsewhere") == set()  # of one machine
    assert keys.pop("source.noise") == set(cost().__struct_fields__)
    expected = documented()
    assert set(expected) == {"", "candidates", "candidates.findings", "snippets", "source"}
    if asked == ["--scenario", "all"]:  # it has no answer, so it has no code
        del expected["snippets"]
    assert keys == expected


def test_json_is_an_object_or_a_list_and_the_same_every_time(detcost, results):
    _, each, _ = detcost("choose", "--json")
    assert [one["best"] for one in json.loads(each)] == ["default", "op_determinism"]
    _, one, _ = detcost("choose", "--scenario", "scatter", "--json")
    assert json.loads(one) == json.loads(each)[1]
    assert json.loads(one)["schema"] == 1
    assert detcost("choose", "--json")[1] == each


def test_a_cell_that_failed_is_null_in_json_and_never_zero(detcost, results):
    Journal(results / "late.trials.jsonl", "run").append([failed(setting="threads=1")])
    _, out, _ = detcost("choose", "--scenario", "matmul", "--json")
    lost = next(c for c in json.loads(out)["candidates"] if c["setting"] == "threads=1")
    assert (lost["cost"], lost["worst"], lost["qualifies"]) == (None, None, False)


# The document.


def test_the_document_s_bounds_are_the_profiles():
    rows = re.findall(r"^\| (\w+) \| (\S+ %) \| (\S+ %) \| (\S+ %) \|$", DOCUMENT, re.MULTILINE)
    assert rows == [
        (name, *(percent(upper_bound_of_zero(n)) for n in trials))
        for name, profile in PROFILES.items()
        for trials in [(profile.repeats, profile.processes, profile.trials)]
    ]
