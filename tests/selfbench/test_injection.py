"""Random programs, and the verdict on what ``locate`` says of them."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from detcost.locating.schema import Culprit, Location, Rate
from detcost.selfbench.injection import journal, judging, report, running
from detcost.selfbench.injection.catalogue import KINDS
from detcost.selfbench.injection.judging import InjectionVerdict
from detcost.selfbench.injection.programs import program

MANY = [program(seed) for seed in range(10_000, 10_400)]


def test_a_seed_always_gives_the_same_program():
    assert program(7) == program(7)
    assert len({each.text for each in MANY}) == len(MANY)


def test_400_programs_have_every_kind_of_culprit_none_or_two():
    numbers = Counter(len(each.planted) for each in MANY)
    assert numbers[0] >= 80
    assert numbers[2] >= 40
    kinds = Counter(planted.kind.name for each in MANY for planted in each.planted)
    assert set(kinds) == {kind.name for kind in KINDS}
    rates = [planted.rate for each in MANY for planted in each.planted if planted.rate]
    assert (min(rates), max(rates)) == (0.05, 1.0)


def test_every_program_compiles_and_marks_the_lines_of_its_culprits():
    for each in MANY:
        compile(each.text, f"program_{each.seed}", "exec")
        marked = {line[-1] for line in each.text.splitlines() if "  # culprit" in line}
        assert marked == {str(planted.number) for planted in each.planted}
        assert len(each.witnesses) == len(each.planted)


# -- the verdict ------------------------------------------------------------------

PROGRAM = next(
    each
    for each in MANY
    if [planted.kind.name for planted in each.planted] == ["timestamp"] and each.scope == "repeat"
)
LINE = 1 + next(
    number for number, line in enumerate(PROGRAM.text.splitlines()) if "# culprit 0" in line
)


@pytest.fixture
def file(tmp_path):
    return running.write(PROGRAM, tmp_path)


def saw(file, *digests: str, probed: bool = True) -> None:
    """Write one call of a process for each digest of the witness."""
    (witness,) = PROGRAM.witnesses
    outputs = ["same"] * (witness + 1)
    lines = []
    for process, digest in enumerate(digests):
        outputs[witness] = digest
        entry = {"process": process, "call": 1, "probed": probed, "digests": outputs}
        lines.append(json.dumps(entry) + "\n")
    with journal.path_of(file).open("a") as out:
        out.writelines(lines)


def found(*culprits: tuple[str, int]) -> Location:
    rate = Rate.of(1, 10)
    return Location(
        scenario="program",
        setting="default",
        device="CPU:0",
        size="medium",
        dtype="float32",
        seed=42,
        scope="repeat",
        compared="two runs",
        probed=rate,
        unprobed=rate,
        culprits=tuple(
            Culprit(
                kind="operation",
                type=kind,
                name="op",
                graph="step",
                call=1,
                rate=rate,
                inputs=("float32[2]",) * 3,
                place=(f"folder/program_{PROGRAM.seed}.py:{line} in step",),
            )
            for kind, line in culprits
        ),
    )


@pytest.mark.parametrize(
    ("digests", "culprits", "outcome"),
    [
        ("ab", [("Timestamp", LINE)], "named"),
        ("ab", [("AddV2", LINE)], "wrong"),
        ("ab", [("Timestamp", LINE - 1)], "wrong"),
        ("ab", [("Timestamp", LINE), ("Mul", 3)], "wrong"),
        ("ab", [], "missed"),
        ("aa", [], "quiet"),
        ("ab", [("Timestamp", LINE), ("AddN", 3)], "undecided"),
        ("ab", [("AddN", 3)], "missed"),
    ],
)
def test_right_is_the_planted_operation_at_its_line_and_no_other(file, digests, culprits, outcome):
    saw(file, *digests)
    assert judging.judge(PROGRAM, file, found(*culprits)).outcome == outcome


def test_what_differs_only_without_the_probe_is_hidden(file):
    saw(file, "a", "b", probed=False)
    saw(file, "a", "a")
    verdict = judging.judge(PROGRAM, file, found())
    assert (verdict.outcome, verdict.hidden) == ("quiet", True)


def test_naming_anything_in_a_clean_program_is_a_false_alarm(tmp_path):
    clean = next(each for each in MANY if not each.planted)
    file = running.write(clean, tmp_path)
    assert judging.judge(clean, file, found()).outcome == "clean"
    assert judging.judge(clean, file, found(("Timestamp", LINE))).outcome == "false_alarm"


def test_an_addn_that_nothing_tells_of_is_not_counted_as_right(tmp_path):
    clean = next(each for each in MANY if not each.planted)
    file = running.write(clean, tmp_path)
    verdict = judging.judge(clean, file, found(("AddN", LINE)))
    assert verdict.outcome == "undecided"
    assert report.text([verdict]).count("0 of 0 programs right") == 1


# -- many programs ----------------------------------------------------------------


def test_a_run_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    asked = []

    def locate(reference, setting, **_):
        asked.append(reference)
        return found()

    monkeypatch.setattr(running, "locate", locate)
    seeds = [each.seed for each in MANY if not each.planted][:3]
    running.run(seeds[:2], tmp_path, None, seconds=1)
    with (tmp_path / "verdicts.jsonl").open("a") as file:
        file.write('{"seed": ')  # the run was killed here
    verdicts = running.run(seeds, tmp_path, None, seconds=1)
    assert [verdict.seed for verdict in verdicts] == seeds
    assert running.read(tmp_path / "verdicts.jsonl") == verdicts
    assert len(asked) == 3


def test_the_report_counts_what_differed_and_bounds_the_rate_of_errors():
    def verdict(outcome, planted=(), **more):
        return InjectionVerdict(
            seed=1, scope="repeat", setting="default", planted=list(planted),
            rates=[None] * len(planted), outcome=outcome, **more,
        )  # fmt: skip

    verdicts = [
        verdict("named", ["timestamp"], diverged=[0], named=[0]),
        verdict("missed", ["timestamp", "clock"], diverged=[0, 1], named=[1]),
        verdict("quiet", ["clock"]),
        *[verdict("clean") for _ in range(10)],
    ]
    text = report.text(verdicts)
    assert "| timestamp | 2 | 2 | 1 | 1 | 0 |" in text
    assert "| clock | 2 | 1 | 1 | 0 | 0 |" in text
    assert "| none planted | 10 |  |  |  | 0 |" in text
    assert "11 of 12 programs right, 1 not (at most 38.5%, 95 %)" in text
    assert "In 1 more programs, what was planted never differed" in text


# -- a short version of the proof -------------------------------------------------


def shortest(*names: str) -> int:
    """Return the seed of the shortest program with one of some culprits, or with none."""
    able = [
        each
        for each in MANY
        if [planted.kind.name for planted in each.planted] in ([[name] for name in names] or [[]])
        and not any(planted.rate and planted.rate < 0.5 for planted in each.planted)
        and (each.scope, each.setting) == ("repeat", "default")
    ]
    return min(able, key=lambda each: len(each.text)).seed


@pytest.mark.tensorflow
def test_what_is_planted_is_named_and_nothing_else(factory, tmp_path):
    seeds = [
        shortest(),
        shortest("numpy_function", "py_function"),
        shortest("map_unordered", "count_of_threads"),
    ]
    verdicts = running.run(seeds, tmp_path, factory, seconds=3)
    outcomes = [(each.outcome, each.others) for each in verdicts]
    assert outcomes == [("clean", []), ("named", []), ("named", [])]
