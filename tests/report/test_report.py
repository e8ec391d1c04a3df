"""The report's folder: what it reads and refuses, and that no untrusted text runs."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import msgspec
import pytest

from detcost.choosing.answers import choose
from detcost.choosing.question import Question
from detcost.errors import UsageError
from detcost.evidence import reading, schema
from detcost.evidence.schema import SCOPES, Controls, Cost, Evidence, Variant
from detcost.report import history, jsonp, site
from detcost.report.checks import CheckView
from detcost.report.machines import flat
from detcost.report.page import PROGRAM, START, STYLE
from detcost.report.projection import Projection
from detcost.report.views import View, views
from factories import cost, divergence, failed, racing, record, variant

HOSTILE = "</script><script>alert(1)</script>"


def write(path: Path, *records: Evidence) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in records))
    return path


def received(out: Path) -> dict[str, object]:
    """Return the data that a browser receives: every call in the page and beside it."""
    call = re.compile(r'^detcost\.receive\("([\w-]+)", JSON\.parse\((.*)\)\);$', re.M)
    calls = {}
    for path in (out / "index.html", *(out / "data").glob("*.js")):
        for key, data in call.findall(path.read_text()):
            calls[key] = json.loads(json.loads(data))
    return calls


def index(out: Path) -> dict:
    return received(out)["index"]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_machine_is_a_file_and_the_first_is_in_the_page(tmp_path, out):
    results = tmp_path / "results"
    write(results / "a" / "x.trials.jsonl", record(), record(setting="op_determinism"))
    other = record(machine={"name": "other"}, measured_at="2026-02-02T00:00:00+00:00")
    write(results / "b" / "x.trials.jsonl", other)
    page, problems = site.write(results, out)
    assert (page, problems) == (out / "index.html", [])
    assert [machine["name"] for machine in index(out)["machines"]] == ["other", "box"]
    keys = {machine["key"] for machine in index(out)["machines"]}
    assert {path.stem for path in (out / "data").glob("machine-*")} == keys
    assert index(out)["machines"][0]["key"] in page.read_text()


def test_a_machine_in_two_folders_is_one_machine(tmp_path, out):
    results = tmp_path / "results"
    write(results / "a" / "x.trials.jsonl", record())
    write(results / "b" / "x.trials.jsonl", record(setting="op_determinism"))
    write(results / "c" / "x.trials.jsonl", record(machine={"name": "third"}))
    site.write(results, out)
    machines = {machine["name"]: machine["key"] for machine in index(out)["machines"]}
    assert sorted(machines) == ["box", "third"]
    (view,) = received(out)[machines["box"]]["views"]
    assert view["settings"] == ["default", "op_determinism"]


def test_untrusted_text_is_no_html_and_ends_no_script(tmp_path, out):
    words = {"scenario": HOSTILE, "family": HOSTILE, "setting": HOSTILE, "device": HOSTILE}
    hostile = record(
        **words,
        machine={"name": HOSTILE, "cpu": f"{HOSTILE}\u2028\u2029", HOSTILE: [HOSTILE]},
        versions={"tensorflow": HOSTILE},
        status="failed",
        reason=HOSTILE,
    )
    write(tmp_path / "results" / "x.trials.jsonl", hostile, record(run_id=HOSTILE))
    page, _ = site.write(tmp_path / "results", out)
    for path in (page, *(out / "data").glob("*.js"), *(out / "plots").glob("*.svg")):
        text = path.read_text()
        assert "<script>alert" not in text
        assert "\u2028" not in text
    assert page.read_text().count("</script>") == 1
    assert index(out)["machines"][0]["name"] in (HOSTILE, "box")
    assert all(re.fullmatch(r"[\w.-]+", path.name) for path in out.rglob("*"))


def test_a_link_out_of_the_results_folder_is_refused(tmp_path, out):
    secret = write(tmp_path / "elsewhere.jsonl", record(scenario="secret"))
    inside = write(tmp_path / "results" / "a.trials.jsonl", record())
    (inside.parent / "b.trials.jsonl").symlink_to(secret)
    (inside.parent / "folder").symlink_to(tmp_path, target_is_directory=True)
    _, problems = site.write(inside.parent, out)
    assert "b.trials.jsonl: leads out of the results folder" in str(problems[0])
    assert list(index(out)["scenarios"]) == ["matmul_square"]
    assert all("secret" not in path.read_text() for path in out.rglob("*.*"))


def test_a_line_of_a_newer_schema_is_listed_and_skipped(tmp_path, out):
    path = write(tmp_path / "results" / "a.trials.jsonl", record(), record(schema=99))
    with open(path, "a") as file:
        file.write('{"schema": 99, "of": "another form"}\n{"schema": 2, "cut off')
    _, problems = site.write(path.parent, out)
    assert [(problem.line, problem.why[:9]) for problem in problems[:2]] == [
        (2, "schema 99"),
        (3, "schema 99"),
    ]
    assert len(problems) == 3
    assert len(index(out)["problems"]) == 3
    assert index(out)["machines"]


def test_a_second_report_replaces_only_its_own_files(tmp_path, out):
    results = tmp_path / "results"
    first = write(results / "a" / "x.trials.jsonl", record())
    site.write(results, out)
    before = {path.name for path in (out / "data").iterdir()}
    (out / "data" / "mine.js").write_text("kept")
    (out / "notes.txt").write_text("kept")
    write(first, record(machine={"name": "other"}))
    site.write(results, out)
    after = {path.name for path in (out / "data").iterdir()}
    assert "mine.js" in after
    assert (out / "notes.txt").read_text() == "kept"
    assert len(after - {"mine.js"}) == len(before)
    assert [machine["name"] for machine in index(out)["machines"]] == ["other"]


def test_the_same_results_give_the_same_bytes(tmp_path):
    results = tmp_path / "results"
    write(results / "a" / "x.trials.jsonl", record(), record(setting="op_determinism"))
    pages = []
    for name in ("one", "two"):
        site.write(results, tmp_path / name)
        pages.append(sorted((p.name, p.read_bytes()) for p in (tmp_path / name).rglob("*.*")))
    assert pages[0] == pages[1]


def test_without_evidence_the_error_names_a_remedy(tmp_path, out):
    (tmp_path / "results").mkdir()
    with pytest.raises(UsageError, match="no evidence here; run make bench"):
        site.write(tmp_path / "results", out)
    with pytest.raises(UsageError, match="no such file or folder"):
        site.write(tmp_path / "nothing", out)


@pytest.mark.parametrize("lines", ["no JSON\n", '{"schema": 99}\n'])
def test_evidence_that_cannot_be_read_is_one_line_with_the_reason(tmp_path, out, lines):
    (tmp_path / "x.trials.jsonl").write_text(lines)
    with pytest.raises(UsageError, match=r"no evidence here that can be read \(.*jsonl:1: .+\)"):
        site.write(tmp_path, out)


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    return write(tmp_path / "evidence" / "x.trials.jsonl", record())


def refusal(evidence: Path, out: Path) -> str:
    """Return the message with which a report refuses a folder, which it leaves as it is."""
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(UsageError) as caught:
        site.write(evidence, out)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert str(caught.value).startswith(f"{out}: ")
    return str(caught.value)


def test_a_file_is_no_folder_for_a_report(evidence, out):
    out.write_text("a file")
    assert "name a folder" in refusal(evidence, out)


@pytest.mark.parametrize(
    "stranger",
    ["index.html", "notes.txt", "data/prices.js", "plots/mine.png", "plots/deep/mine.svg", "data"],
)
def test_a_folder_that_holds_something_else_is_refused(evidence, out, stranger):
    (out / stranger).parent.mkdir(parents=True)
    (out / stranger).write_text("<p>mine")
    assert "no report; name a new folder" in refusal(evidence, out)


def test_a_report_does_not_mix_with_evidence(evidence):
    assert "no report; name a new folder" in refusal(evidence, evidence.parent)


def test_a_report_that_was_interrupted_is_written_again(evidence, out):
    page, _ = site.write(evidence, out)
    page.unlink()
    assert site.write(evidence, out)[0] == page
    assert page.is_file()


def test_an_empty_folder_is_taken(evidence, out):
    out.mkdir()
    site.write(evidence, out)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no RLIMIT_FSIZE")
@pytest.mark.parametrize("room", [100, 100_000], ids=["for no data", "for no page"])
def test_a_full_disk_is_one_line(evidence, out, room):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(UsageError, match=r"cannot be written \(File too large\); free some"):
            site.write(evidence, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (out / "index.html").exists()


def test_the_policy_allows_only_the_page_s_program(tmp_path, out):
    write(tmp_path / "results" / "x.trials.jsonl", record())
    page, _ = site.write(tmp_path / "results", out)
    text = page.read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', text)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy.replace("http-equiv", "")
    (program,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    from detcost.report.page import _hash

    assert _hash(program) in policy


def test_every_asset_is_part_of_the_page():
    assets = Path(site.__file__).parent / "assets"
    files = [path.relative_to(assets).as_posix() for path in assets.rglob("*.*")]
    used = [*PROGRAM, START, *STYLE, "page.html", "types.d.ts"]
    assert sorted(used) == sorted(files)


# -- views: the decisions are those of the command ----------------------------------------


def views_of(*records: Evidence) -> list[View]:
    seen = msgspec.json.Decoder(Projection).decode_lines(
        b"".join(map(msgspec.json.encode, records))
    )
    return list(views(reading.latest(seen), {}))


def view_of(*records: Evidence) -> View:
    (view,) = views_of(*records)
    return view


def check_of(view: View, scope: str) -> CheckView:
    """Return the check of the first cell."""
    place = view.sets[view.checked[0][0]][SCOPES.index(scope)]
    return view.checks[place]


def test_a_subject_s_costs_and_ties_are_those_of_the_command():
    records = [
        record(scenario=scenario, setting=setting, cost=Cost(1.0, 0.9, 1.1, 3, ratios, "costs"))
        for scenario, slow in (("one", 1.0), ("two", 1.5))
        for setting, ratios in (
            ("default", [1.0, 1.0, 1.0]),
            ("op_determinism", [1.3 * slow, 1.35 * slow, 1.4 * slow]),
            ("threads=1", [1.31 * slow, 1.35 * slow, 1.41 * slow]),
            ("xla", [2.0, 2.1, 2.2]),
        )
    ]
    view = view_of(*records)
    for name in ("all", "matmul", "one", "two"):
        subject = view.subjects[name]
        found = choose(records, Question(scenarios=(name,)))
        by_setting = {candidate.setting: candidate for candidate in found.candidates}
        names = [view.settings[place] for place in subject.settings]
        worsts = subject.worst or subject.costs
        for setting, cost_of, worst in zip(names, subject.costs, worsts, strict=True):
            want = by_setting[setting]
            assert (cost_of.ratio, cost_of.low) == (want.cost.ratio, want.cost.low)
            assert (cost_of.high, worst.ratio) == (want.cost.high, want.worst.ratio)
        cheapest = min(range(len(names)), key=lambda i: subject.costs[i].ratio)
        tied = {name for name, tie in zip(names, subject.ties[cheapest], strict=True) if tie == "1"}
        assert tied == {candidate.setting for candidate in found.candidates if candidate.tied}


def test_each_version_device_size_and_type_has_a_view():
    found = views_of(
        record(),
        record(device="GPU:0"),
        record(size="large"),
        record(dtype="bfloat16"),
        record(versions={"tensorflow": "2.22.0"}),
    )
    assert [(v.tensorflow, v.device, v.size, v.dtype) for v in found] == [
        ("2.22.0", "CPU:0", "medium", "float32"),
        ("2.21.0", "CPU:0", "medium", "bfloat16"),
        ("2.21.0", "CPU:0", "large", "float32"),
        ("2.21.0", "GPU:0", "medium", "float32"),
        ("2.21.0", "CPU:0", "medium", "float32"),
    ]


def test_a_cell_names_the_simpler_setting_it_stands_for():
    excused = {"status": "not_applicable", "reason": "xla means nothing to it"}
    view = view_of(
        record(scenario="data"),
        failed(scenario="data", setting="xla", **excused),
        record(scenario="other"),
        record(scenario="other", setting="xla"),
    )
    place = view.settings.index("xla")
    assert view.cells[view.scenarios.index("data")][place].stands_for == "default"
    assert view.cells[view.scenarios.index("other")][place].stands_for is None


def test_a_check_has_the_groups_of_thread_pools():
    variants = [Variant(str(n), 0, 1, 1, digest) for n, digest in ((1, "a"), (2, "b"), (3, "b"))]
    found = msgspec.structs.replace(divergence(2, 3), variants=variants)
    view = view_of(record(divergence={"threads": found}))
    assert check_of(view, "threads").partition == "1 | 2–3"


def test_a_check_of_a_racing_cell_has_no_groups():
    variants = [Variant(str(n), 1, 1, 1, str(n)) for n in (1, 2, 3)]
    found = msgspec.structs.replace(divergence(3, 3), variants=variants)
    for own in ({"repeat": divergence(3, 315)}, {"process": divergence(1, 20)}):
        view = view_of(record(divergence={**own, **dict.fromkeys(SCOPES[2:], found)}))
        assert {check.partition for check in view.checks} == {""}
    assert view_of(record(divergence={"threads": found})).checks[0].partition == "1 | 2 | 3"


def test_a_cell_has_state_same_bits_and_overridden_settings():
    parted = msgspec.structs.replace(divergence(4, 20), first_call=7)
    first, second = "mine.py:3: set_seed(1)", "mine.py:4: set_seed(2)"
    view = view_of(
        record(
            carries_state=True,
            sequence=["a"] * 60,
            same_bits_as_default="no",
            overridden=[first, second],
            divergence={"process": parted},
        )
    )
    [[cell]] = view.cells
    assert (cell.carries_state, cell.same_bits_as_default) == (True, "no")
    assert cell.overridden == f"{first}; {second}"
    assert check_of(view, "process").first_call == 7


def test_the_text_of_overridden_settings_is_bounded():
    view = view_of(record(overridden=["x" * 10_000] * 100))
    assert len(view.cells[0][0].overridden) <= 500


def test_a_projection_keeps_no_sequence():
    """A million cells would have many digests, and the page shows none of them."""
    line = msgspec.json.encode(record(carries_state=True, sequence=["a"] * 60))
    assert msgspec.json.decode(line, type=Projection).sequence == []


def test_runs_have_the_mark_of_cold_costs(tmp_path, out):
    records = [record(schema=2, run_id="old", setting="xla"), record()]
    write(tmp_path / "results" / "x.trials.jsonl", *records)
    site.write(tmp_path / "results", out)
    runs = received(out)[index(out)["machines"][0]["key"]]["runs"]
    assert {name: run["cold"] for name, run in runs.items()} == {
        "old": True,
        record().run_id: False,
    }


def threads(differed: int, setting: str) -> Evidence:
    found = msgspec.structs.replace(divergence(differed, 2), variants=[variant("1", "a")])
    return record(setting=setting, divergence={"threads": found})


def test_a_line_with_wrong_variants_is_listed_and_skipped(tmp_path, out):
    path = write(tmp_path / "results" / "x.trials.jsonl", threads(1, "default"), threads(1, "xla"))
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + second.replace(b'"label":"1"', b'"label":1') + b"\n")
    _, (problem,) = site.write(tmp_path / "results", out)
    assert (problem.file, problem.line) == (str(path), 2)
    assert "`str`" in problem.why


# -- history -----------------------------------------------------------------------------


def changes(before: Evidence, after: Evidence) -> list[tuple[str, str, str]]:
    later = msgspec.structs.replace(after, run_id="later", measured_at="2026-05-05T00:00:00+00:00")
    return [(each.what, each.before, each.after) for each in history.changes([before, later])]


SETTING = {"setting": "op_determinism"}


def test_two_runs_that_agree_have_no_changes():
    assert changes(record(**SETTING), record(**SETTING)) == []


def test_a_cost_changed_if_the_intervals_do_not_overlap():
    cheaper = record(**SETTING, cost=cost(1.1, 1.05, 1.15))
    assert changes(record(**SETTING), cheaper) == [
        ("cost", "1.34 [1.29, 1.40]", "1.10 [1.05, 1.15]")
    ]
    near = record(**SETTING, cost=cost(1.3, 1.25, 1.35))
    assert changes(record(**SETTING), near) == []


def test_bits_changed_if_digests_differ_without_a_race():
    other = record(**SETTING, digest="fedcba9876543210")
    assert changes(record(**SETTING), other) == [("bits", "01234567", "fedcba98")]
    racing = {"divergence": {"repeat": divergence(3, 315)}}
    assert changes(record(**racing), record(digest="f", **racing)) == []


def test_another_seed_is_no_change_of_bits():
    assert changes(record(**SETTING), record(**SETTING, digest="fedcba", seed=43)) == []


def test_a_new_version_status_or_race_is_a_change():
    after = record(
        **SETTING,
        versions={"tensorflow": "2.22.0"},
        divergence={"repeat": divergence(3, 315), "process": divergence(0, 20)},
    )
    assert changes(record(**SETTING), after) == [
        ("TensorFlow", "2.21.0", "2.22.0"),
        ("repeat", "0/315", "3/315"),
    ]
    assert ("status", "ok", "failed") in changes(record(**SETTING), failed(**SETTING))


def test_a_race_is_no_divergence_of_another_scope():
    steady = {"repeat": divergence(0, 315), "threads": divergence(0, 6)}
    before, after = (
        record(**SETTING, divergence=scopes)
        for scopes in (steady, racing(threads=divergence(6, 6)))
    )
    assert sorted(changes(before, after)) == [
        ("repeat", "0/315", "300/315"),
        ("threads", "0/6", "(6/6)"),
    ]
    [runs] = history.observations([after])["matmul_square"]
    assert runs.settings["op_determinism"].diverged == ["repeat", "process"]
    blamed = record(**SETTING, divergence={"repeat": divergence(0, 9), "load": divergence(1, 4)})
    [runs] = history.observations([blamed])["matmul_square"]
    assert runs.settings["op_determinism"].diverged == ["load"]


def test_every_run_of_a_scenario_is_observed_oldest_first():
    runs = history.observations(
        [record(), record(**SETTING), record(run_id="b", versions={"tensorflow": "2.22.0"})]
    )["matmul_square"]
    assert [run.tensorflow for run in runs] == ["2.21.0", "2.22.0"]
    assert set(runs[0].settings) == {"default", "op_determinism"}


# -- limits of untrusted descriptions -------------------------------------------------------


def test_a_description_becomes_rows_of_bounded_number_and_length():
    endless = {str(i): "x" * 10_000 for i in range(10_000)}
    rows = flat({"cpu": "a", "gpu": {"name": "b", "deep": {"c": 1}}, "none": None, "e": endless})
    assert rows["gpu.name"] == "b"
    assert "none" not in rows
    assert len(rows) <= 100
    assert max(map(len, rows.values())) <= 500


def test_data_survives_in_a_script_and_cannot_end_it():
    data = {"a": f"{HOSTILE} \u2028 \\u003c &", "__proto__": ["<!--", 1.5, None]}
    text = jsonp.call("machine-0", jsonp.json(data)).decode()
    assert not re.search("[<\u2028\u2029]", text)
    (literal,) = re.findall(r"JSON\.parse\((.*)\)\);$", text)
    assert json.loads(json.loads(literal)) == data


def test_controls_that_failed_are_on_the_machine_s_card(tmp_path, out):
    controls = Controls(None, schema.Control(0, 20, ok=False), None)
    write(tmp_path / "results" / "x.trials.jsonl", record(controls=controls))
    site.write(tmp_path / "results", out)
    (machine,) = index(out)["machines"]
    assert machine["failed_controls"] == ["the scenario known to vary did not"]
