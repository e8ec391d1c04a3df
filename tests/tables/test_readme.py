"""Sections of documents have the figures of results/. To write one changes no other text."""

from __future__ import annotations

from pathlib import Path

import pytest

from detcost.choosing import agreement
from detcost.choosing.answers import choose
from detcost.choosing.question import Question
from detcost.choosing.summary import summarise
from detcost.errors import UsageError
from detcost.evidence import reading
from detcost.evidence.schema import Controls, Evidence
from detcost.tables import agreement_tables, choice_tables, readme, summary_tables
from factories import cost, protocol, record
from paths import ROOT

RECORDS = [record(machine={"cpu": "x86_64 \\1"}), record(setting="op_determinism")]


BEGIN, END = readme.marks("show")


def replace(path: Path) -> None:
    readme.replace_section(path, "show", readme.overview(RECORDS))


def readme_file(folder: Path, text: str) -> Path:
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_section_goes_between_the_marks_and_nowhere_else(tmp_path):
    path = readme_file(tmp_path, f"# Größe\n\n{BEGIN}\noutdated\n{END}\n\nafter \\1 \\g<0>\n")
    replace(path)
    text = path.read_text(encoding="utf-8")
    assert (
        text
        == f"# Größe\n\n{readme.section('show', readme.overview(RECORDS))}\n\nafter \\1 \\g<0>\n"
    )
    assert "outdated" not in text


def test_doing_it_again_changes_nothing(tmp_path):
    path = readme_file(tmp_path, f"{BEGIN}{END}")
    replace(path)
    once = path.read_bytes()
    replace(path)
    assert path.read_bytes() == once


def test_marks_quoted_in_a_sentence_are_left_alone(tmp_path):
    begin, end = readme.marks("show")
    quoted = f"The command writes between `{begin}` and `{end}`.\n"
    path = tmp_path / "README.md"
    path.write_text(f"{quoted}{begin}\nold\n{end}\n{quoted}")
    readme.replace_section(path, "show", "new")
    assert path.read_text() == f"{quoted}{readme.section('show', 'new')}\n{quoted}"


def test_the_section_has_the_machine_and_versions():
    sentence = readme.overview(
        [
            record(controls=Controls(cost(1.03, 1.0, 1.06), None, None)),
            record(machine={"cpu": "Another", "usable_cores": 8, "virtualisation": "container"}),
            record(protocol=protocol("quick"), measured_at="2026-03-01T00:00:00+00:00"),
        ]
    ).splitlines()[-1]
    for words in (
        "Some CPU @ 2.00GHz, 2 cores",
        "Another, 8 cores, container",
        "TensorFlow 2.21.0",
        "profile quick; profile standard",
        "2026-03-01",
        "at most 3 % off",
    ):
        assert words in sentence


def test_an_unknown_machine_is_not_called_none():
    assert "None" not in readme.overview([record(machine={}, versions={})])


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}"], ids=["no marks", "one", "swapped"])
def test_a_file_without_both_marks_is_left_as_it_is(tmp_path, text):
    path = readme_file(tmp_path, text)
    with pytest.raises(UsageError, match="add both") as caught:
        replace(path)
    assert str(path) in str(caught.value)
    assert path.read_text() == text


def test_a_missing_file_is_a_message(tmp_path):
    with pytest.raises(UsageError, match=r"README\.md: No such file"):
        replace(tmp_path / "README.md")


def test_a_file_that_is_no_text_is_a_message(tmp_path):
    (tmp_path / "README.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"README\.md"):
        replace(tmp_path / "README.md")


def test_a_file_that_cannot_be_written_is_a_message(tmp_path, monkeypatch):
    path = readme_file(tmp_path, f"{BEGIN}{END}")

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UsageError, match="No space left"):
        replace(path)


#: The machine of the documents' tables and of README's answer, as the Makefile names it.
MACHINE = "epyc-avx512-2core-vm"


def evidence_of_the_machine() -> list[Evidence]:
    records, problems = reading.read(ROOT / "results" / MACHINE)
    assert problems == []
    return reading.latest(records)


def test_the_readme_has_the_summary_of_results():
    summary = summarise(evidence_of_the_machine(), Question())
    assert len(summary.settings) <= 10
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.section("summary", summary_tables.markdown(summary))
    assert section in text, "README.md is old: make readme"


def test_the_document_has_the_table_of_results():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    section = readme.section("show", readme.overview(evidence_of_the_machine()))
    assert section in text, "docs/results.md is old: make readme"


def test_the_readme_has_the_answer_of_the_command():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    records, _ = reading.read(ROOT / "results")
    survive = ("repeat", "process", "threads")
    question = Question(scenarios=("conv2d_backward",), survive=survive, machine=MACHINE)
    answer = choice_tables.markdown(choose(records, question))
    assert readme.section("choose", answer) in text, "README.md is old: make readme"


def test_the_document_shows_which_machines_agree():
    text = (ROOT / "docs" / "agreement.md").read_text(encoding="utf-8")
    records, _ = reading.read(ROOT / "results")
    found = agreement.compare(records, ("default", "onednn=off+isa=AVX2"))
    assert readme.section("agreement", agreement_tables.markdown(found)) in text, (
        "docs/agreement.md is old: make readme"
    )


def test_the_page_of_the_gpu_has_its_figures():
    text = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    records, _ = reading.read(ROOT / "results")
    folder = ROOT / "results" / "hopper-16core-vm"
    more, _ = reading.read(folder / "tensorflow2.21.0.folklore.jsonl")
    summary = summarise(records, Question(machine="hopper-16core-vm"))
    agreed = agreement.compare(records, ("default", "op_determinism"))
    assert readme.section("summary", summary_tables.markdown(summary)) in text
    assert readme.section("show", readme.overview(reading.latest(more))) in text
    assert readme.section("agreement", agreement_tables.markdown(agreed)) in text
