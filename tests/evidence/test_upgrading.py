"""Old evidence compared ``execution`` with default. Reading compares it with the cell itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from detcost.evidence import reading, schema
from detcost.evidence.schema import Divergence, Evidence, Variant
from detcost.experiment.sequences import BitComparison
from detcost.experiment.tally import Tally
from detcost.outputs.severity import Severity
from detcost.report.projection import Projection
from factories import divergence, record

OWN, DEFAULTS, OTHER = "own", "default's", "another"
FAR, NEAR, UNKNOWN = Severity(9, 0.5, 1e-3), Severity(3, 0.25, 1e-7), Severity(None, None, None)
OLD = {"schema": 2, "setting": "xla", "digest": OWN}


def execution(
    outputs: dict[str, list[str]], reference: str, severity: Severity | None = FAR
) -> Divergence:
    """Return what a run counts, for the outputs of each execution mode."""
    tally = Tally()
    for label, digests in outputs.items():
        for digest in digests:
            tally.add(BitComparison(label, digest, reference))
    if tally.divergent and severity:
        tally.add_severity(severity)
    return tally.summary()


def old(outputs: dict[str, list[str]], **changes: object) -> Evidence:
    """Return a record of schema 2, compared with the output of ``default``."""
    scope = execution(outputs, DEFAULTS)
    repeat = msgspec.structs.replace(divergence(0, 315), severity=NEAR)
    scopes = {"repeat": repeat, "execution": scope}
    return record(**{**OLD, "divergence": scopes, "severity": FAR, **changes})


def read(folder: Path, *records: Evidence, kind: type = Evidence):
    path = folder / "old.trials.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return reading.read_files([path], kind)


ALIKE = {"eager": [OWN], "graph": [OWN], "xla": [OWN]}


@pytest.mark.parametrize(
    "outputs",
    [
        ALIKE,
        {"eager": [DEFAULTS], "graph": [DEFAULTS], "xla": [OWN]},
        {"eager": [OWN] * 20, "graph": [OTHER] * 20, "xla": [DEFAULTS] * 20},
        {"graph": [OWN], "xla": [OTHER]},
        {"eager": [DEFAULTS], "graph": [DEFAULTS], "xla": [DEFAULTS]},
    ],
    ids=["always compiled", "compiled", "of many trials", "not eagerly", "like default"],
)
def test_counts_equal_those_against_the_cell_s_own_output(tmp_path, outputs):
    [upgraded], problems = read(tmp_path, old(outputs))
    assert problems == []
    counted = upgraded.divergence["execution"]
    assert msgspec.structs.replace(counted, severity=None) == execution(outputs, OWN, None)


def test_a_scope_that_no_longer_differs_has_no_severity(tmp_path):
    [upgraded], _ = read(tmp_path, old(ALIKE))
    assert upgraded.divergence["execution"].severity is None
    assert upgraded.severity == NEAR, "the worst of the other scopes"


def test_a_scope_that_still_differs_keeps_its_severity(tmp_path):
    [upgraded], _ = read(tmp_path, old({"eager": [OWN], "xla": [OTHER]}))
    assert upgraded.divergence["execution"].severity == upgraded.severity == FAR


def test_severity_is_unknown_if_the_two_were_not_compared(tmp_path):
    [upgraded], _ = read(tmp_path, old({"eager": [DEFAULTS], "xla": [DEFAULTS]}))
    assert upgraded.divergence["execution"].severity == upgraded.severity == UNKNOWN


def test_if_trials_varied_all_of_them_count(tmp_path):
    outputs = {"eager": [OWN, OTHER, OTHER], "graph": [OWN, OWN, OWN]}
    [upgraded], _ = read(tmp_path, old(outputs))
    counted = upgraded.divergence["execution"]
    assert (counted.divergent, counted.trials, counted.rate) == (3, 6, 0.5)
    assert [variant.divergent for variant in counted.variants] == [3, 0]
    assert counted.low < 0.5 < counted.high


def test_all_other_fields_and_the_schema_version_stay(tmp_path):
    before = old(ALIKE)
    [after], _ = read(tmp_path, before)
    kept = {"divergence": before.divergence, "severity": before.severity}
    assert msgspec.structs.replace(after, **kept) == before
    assert after.cold
    assert after.divergence["repeat"] == before.divergence["repeat"]
    assert read(tmp_path, after) == ([after], []), "once more changes nothing"


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": schema.SCHEMA},
        {"setting": "default"},
        {"setting": "seeding=stateless+xla"},
    ],
    ids=["of today", "default", "seeded otherwise"],
)
def test_a_cell_compared_with_itself_stays_unchanged(tmp_path, changes):
    kept = old({"eager": [DEFAULTS], "xla": [OWN, OTHER]}, **changes)
    assert read(tmp_path, kept) == ([kept], [])


def test_a_scope_that_did_not_apply_stays_unchanged(tmp_path):
    nothing = msgspec.structs.replace(divergence(0, 0), reason="the scenario itself says")
    kept = record(**OLD, divergence={"execution": nothing})
    assert read(tmp_path, kept) == ([kept], [])


def test_a_cell_without_an_output_was_compared_with_nothing(tmp_path):
    [upgraded], problems = read(tmp_path, old(ALIKE, digest=None))
    counted = upgraded.divergence["execution"]
    assert problems == []
    assert (counted.divergent, counted.trials, counted.rate) == (0, 0, None)
    assert set(counted.skipped) == {"eager", "graph", "xla"}
    assert "no output of its own" in counted.skipped["eager"]


@pytest.mark.parametrize(
    "variants",
    [
        [],
        [Variant("eager", 0, 2, 1, OWN)],
        [Variant("eager", 0, -1, 1, OWN), Variant("xla", 0, 4, 1, OTHER)],
        [Variant("eager", 0, 2**63, 1, OWN)],
    ],
    ids=["none", "too few", "fewer than none", "too many"],
)
def test_variants_that_do_not_add_up_are_a_problem(tmp_path, variants):
    odd = msgspec.structs.replace(execution(ALIKE, DEFAULTS), variants=variants)
    good = record()
    records, [problem] = read(tmp_path, old(ALIKE, divergence={"execution": odd}), good)
    assert records == [good]
    assert (problem.line, "do not add up" in problem.why) == (1, True)


def test_the_page_reads_what_the_command_reads(tmp_path):
    """The page keeps the counts, the partition and the severity, but no conditions."""
    outputs = {"eager": [OTHER], "graph": [OWN], "xla": [OWN]}
    records = [old(ALIKE), old(outputs, setting="op_determinism"), old(outputs, setting="default")]
    whole, _ = read(tmp_path, *records)
    projections, problems = read(tmp_path, *records, kind=Projection)
    assert problems == []
    for full, projection in zip(whole, projections, strict=True):
        counted, seen = full.divergence["execution"], projection.divergence["execution"]
        for name in ("divergent", "trials", "rate", "low", "high", "distinct"):
            assert getattr(seen, name) == getattr(counted, name)
        assert projection.severity == full.severity
    assert [projection.divergence["execution"].partition for projection in projections] == [
        "",
        "eager | graph, xla",
        "eager | graph, xla",
    ]
