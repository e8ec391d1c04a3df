"""Claims: a verdict follows from the evidence alone."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from detcost.claims import formatting, measuring, verdicts
from detcost.claims.catalogue import CLAIMS, Claim
from detcost.claims.hypotheses import (
    AcrossVersions,
    Costs,
    Differ,
    EvidenceIndex,
    Grows,
    Hypothesis,
    Outcome,
    Same,
    Stays,
    Varies,
)
from detcost.claims.verdicts import judge
from detcost.evidence import reading, schema
from detcost.evidence.schema import Cost, Evidence
from detcost.outputs.severity import Severity
from detcost.outputs.trajectory import Trajectory
from detcost.scenarios.registry import built_in
from detcost.settings.grammar import parse
from factories import divergence, failed, racing, record
from paths import ROOT

CELL = ("matmul_square", "default")


def evaluate(hypothesis: Hypothesis, *records: Evidence) -> Outcome:
    return hypothesis.evaluate(EvidenceIndex(records))


def seen(divergent: int, scope: str = "repeat") -> Evidence:
    return record(divergence={scope: divergence(divergent, 20)})


# -- hypotheses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("divergent", "stays"), [(0, True), (1, False), (20, False)])
def test_bits_stay_if_no_comparison_differed_else_they_vary(divergent, stays):
    assert evaluate(Stays(*CELL, "repeat"), seen(divergent)).holds is stays
    assert evaluate(Varies(*CELL, "repeat"), seen(divergent)).holds is not stays


@pytest.mark.parametrize("hypothesis", [Stays(*CELL, "process"), Varies(*CELL, "process")])
@pytest.mark.parametrize("records", [[], [seen(0)], [failed()]], ids=["none", "scope", "failed"])
def test_a_missing_cell_decides_nothing(hypothesis, records):
    assert evaluate(hypothesis, *records).holds is None


def test_the_status_of_a_cell_is_the_reason_for_no_outcome():
    answer = evaluate(Stays(*CELL, "repeat"), failed(status="unimplemented", reason="no kernel"))
    assert "unimplemented (no kernel)" in answer.text


@pytest.mark.parametrize("scope", ["threads", "execution"])
def test_a_race_does_not_stay_and_no_scope_is_its_cause(scope):
    racy = record(divergence=racing(**{scope: divergence(6, 6)}))
    assert evaluate(Stays(*CELL, scope), racy).holds is False
    answer = evaluate(Varies(*CELL, scope), racy)
    assert answer.holds is None
    assert answer.text == f"matmul_square under default, {scope}: differs in repeat already"
    assert evaluate(Varies(*CELL, "process"), racy).holds is True


def test_a_cell_that_carries_state_stays_with_a_note():
    answer = evaluate(Stays(*CELL, "repeat"), record(carries_state=True))
    assert answer.holds is True
    assert answer.text.endswith("0 of 315 differed (carries state, its sequence repeats)")


def test_the_first_call_that_differs_is_named():
    parted = msgspec.structs.replace(divergence(4, 20), first_call=7)
    answer = evaluate(Varies(*CELL, "process"), record(divergence={"process": parted}))
    assert answer.text.endswith("4 of 20 differed; first differs at call 7")


def test_costs_of_cold_steps_have_a_note():
    words = "cost: of steps after idleness"
    assert words in verdicts.source([record(), record(schema=2)])
    assert words not in verdicts.source([record(), failed(schema=2)])


def test_two_cells_are_the_same_if_their_digests_are():
    one, same, other = record(), record(scenario="b"), record(scenario="c", digest="ff")
    for scenario, equal in (("b", True), ("c", False)):
        hypothesis = (CELL, (scenario, "default"))
        assert evaluate(Same(*hypothesis), one, same, other).holds is equal
        assert evaluate(Differ(*hypothesis), one, same, other).holds is not equal
    assert evaluate(Same(CELL, ("d", "default")), one).holds is None


def test_versions_are_compared_if_there_are_two():
    hypothesis = AcrossVersions(*CELL, same=False)
    old = record(versions={"tensorflow": "2.20.0"})
    assert evaluate(hypothesis, record()).holds is None
    assert evaluate(hypothesis, record(), old).holds is False
    assert evaluate(hypothesis, record(), msgspec.structs.replace(old, digest="ff")).holds is True


def test_the_newest_tensorflow_counts():
    new = record(versions={"tensorflow": "2.21.0"}, divergence={"repeat": divergence(0, 9)})
    old = record(
        versions={"tensorflow": "2.9.0"},
        measured_at="2027-01-01T00:00:00+00:00",
        divergence={"repeat": divergence(9, 9)},
    )
    assert evaluate(Stays(*CELL, "repeat"), new, old).holds is True


@pytest.mark.parametrize(
    ("verdict", "holds"), [("costs", True), ("free", False), ("faster", False), ("ambiguous", None)]
)
def test_a_setting_costs_if_the_whole_interval_does(verdict, holds):
    cost = Cost(1.3, 1.2, 1.4, 5, [1.3] * 5, verdict)
    assert evaluate(Costs(*CELL), record(cost=cost)).holds is holds


@pytest.mark.parametrize(("last", "grows"), [(1e-3, True), (1.1e-8, False), (1e-9, False)])
def test_a_difference_grows_if_it_ends_much_larger(last, grows):
    path = Trajectory(3, [3, 9], [1e-8, last])
    found = msgspec.structs.replace(divergence(1, 2), severity=Severity(1, 0.5, 1e-7, path))
    assert evaluate(Grows(*CELL, "process"), record(divergence={"process": found})).holds is grows
    assert evaluate(Grows(*CELL, "process"), record()).holds is None


# -- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ([True, True], "holds"),
        ([True, None], "holds"),
        ([False], "does not hold"),
        ([True, False, None], "depends on"),
        ([None, None], "not testable here"),
    ],
)
def test_a_verdict_follows_from_the_outcomes(answers, word):
    claim = Claim("x", "y", ("z",), ())
    found = judge(claim, [Outcome(answer, str(i)) for i, answer in enumerate(answers)])
    assert found.word == word
    told = found.seen_for + found.seen_against + found.not_seen
    assert sorted(told) == [str(i) for i in range(len(answers))]


def test_without_evidence_nothing_is_judged():
    assert {found.word for found in verdicts.verdicts([])} == {"not testable here"}


# -- the catalogue -----------------------------------------------------------------------------


def test_every_claim_has_sources_and_hypotheses():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS) >= 25
    assert all(claim.sources and claim.hypotheses for claim in CLAIMS)
    assert len({source for claim in CLAIMS for source in claim.sources}) == 5


def test_the_cells_of_every_hypothesis_exist():
    for claim in CLAIMS:
        for hypothesis in claim.hypotheses:
            for scenario, setting in hypothesis.cells:
                assert scenario in built_in()
                parse(setting)


def test_every_hypothesis_is_measured():
    """Every cell and scope is requested, except on a device other than the CPU."""
    cells = {
        (scenario, setting.name, scope)
        for request in measuring.requests()
        for scenario in request.scenarios
        for setting in request.settings
        for scope in request.scopes
    }
    for claim in CLAIMS:
        for hypothesis in claim.hypotheses:
            for scenario, setting in hypothesis.cells:
                scope = getattr(hypothesis, "scope", "process")
                assert (scenario, parse(setting).name, scope) in cells


def test_hypotheses_about_cost_get_intervals():
    costs = {
        hypothesis.scenario
        for claim in CLAIMS
        for hypothesis in claim.hypotheses
        if isinstance(hypothesis, Costs)
    }
    for request in measuring.requests():
        if costs & set(request.scenarios):
            assert request.profile.looks[-1] >= 5


# -- committed evidence --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def committed() -> list[Evidence]:
    records, problems = reading.read(ROOT / "results", folklore=True)
    assert problems == []
    return records


def test_every_claim_has_a_verdict(committed):
    for found in verdicts.verdicts(committed):
        assert found.word != "not testable here", found


def test_machines_are_judged_apart(committed):
    """What holds on one machine and not on another depends, and says on which."""
    [claim] = [claim for claim in CLAIMS if claim.name == "gpu_has_its_own_generator"]
    name = claim.hypotheses[0].cells[0][0]
    own = {"scenario": name, "device": "GPU:0"}
    racing = {"repeat": divergence(40, 40, 0.9, 1.0)}
    one = record(machine={"name": "one"}, **own, divergence={"repeat": divergence(0, 40)})
    other = record(machine={"name": "other"}, run_id="other", **own, divergence=racing)
    [found] = [v for v in verdicts.verdicts([one, other]) if v.claim == claim.name]
    assert found.word == "depends on"
    assert found.seen_for[0].endswith(", on other")
    assert found.seen_against[0].endswith(", on one")


def test_bits_of_two_machines_are_not_compared():
    """Versions are compared on one machine, since another processor has other bits too."""
    [name] = {h.scenario for c in CLAIMS if c.name == "versions_differ" for h in c.hypotheses[:1]}
    old = record(scenario=name, digest="1", versions={"tensorflow": "2.20.0"}, run_id="old")
    new = record(scenario=name, digest="2", machine={"name": "other"})
    [found] = [v for v in verdicts.verdicts([old, new]) if v.claim == "versions_differ"]
    assert found.word == "not testable here"


def test_the_document_has_the_verdicts(committed):
    text = (ROOT / "docs" / "folklore.md").read_text()
    table = formatting.markdown_table(verdicts.verdicts(committed), verdicts.source(committed))
    assert table in text, "docs/folklore.md is old: make readme"


def test_every_claim_that_does_not_simply_hold_is_explained(committed):
    text = (ROOT / "docs" / "folklore.md").read_text()
    paragraphs = text.partition("## What is surprising")[2].partition("\n## ")[0]
    explained = set(re.findall(r"`(\w+)`", paragraphs))
    surprising = {"does not hold", "depends on"}
    asked = {each.claim for each in verdicts.verdicts(committed) if each.word in surprising}
    assert asked - explained == set()


def test_every_example_of_the_pages_is_mapped_to_scenarios():
    text = (ROOT / "docs" / "folklore.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| example [A-Z]", line)]
    assert len(rows) == 15
    for row in rows:
        named = re.findall(r"`(\w+)`", row.split("|")[3])
        assert named
        assert set(named) <= built_in().keys(), row


def test_no_setting_is_chosen_by_evidence_for_claims():
    files, _ = reading.files(ROOT / "results")
    assert not [file for file in files if file.name.endswith(schema.FOLKLORE)]


def test_json_has_every_claim(committed):
    found = json.loads(formatting.json_text(verdicts.verdicts(committed)))
    assert [each["claim"] for each in found] == [claim.name for claim in CLAIMS]
