"""Scopes ``machine`` and ``version``: a fleet has one answer, in any order of its machines."""

from __future__ import annotations

import random
from typing import Any

import pytest

from detcost.choosing.answers import Choice, choose
from detcost.choosing.question import Question
from detcost.choosing.scope_checks import ScopeCheck
from detcost.evidence.schema import Cost, Evidence
from detcost.tables import choice_tables
from factories import divergence, failed, racing, record

ALL = ("repeat", "process", "machine")


def on(machine: str, setting: str = "default", ratio: float = 1.0, **changes: Any) -> Evidence:
    """Return the record of a cell on a machine."""
    blocks = [ratio * factor for factor in (0.999, 1.001, 1.0, 1.0005, 0.9995)]
    return record(
        **{
            "setting": setting,
            "run_id": machine,
            "machine": {"name": machine, "cpu": f"CPU of {machine}"},
            "cost": Cost(None, None, None, 5, blocks, "free"),
            **changes,
        }
    )


def with_version(version: str, *asked: Any, **changes: Any) -> Evidence:
    return on("amd", *asked, versions={"tensorflow": version}, run_id=version, **changes)


def answer(*records: Evidence, survive: tuple[str, ...] = ALL, **asked: Any) -> Choice:
    return choose(records, Question(scenarios=("all",), survive=survive, **asked))


def counts(choice: Choice, setting: str, scope: str = "machine") -> list[tuple[int, int]]:
    return [(check.divergent, check.trials) for check in checks(choice, setting, scope)]


def checks(choice: Choice, setting: str, scope: str = "machine") -> list[ScopeCheck]:
    [candidate] = [each for each in choice.candidates if each.setting == setting]
    return [check for check in candidate.findings if check.scope == scope]


FLEET = [
    on("amd", digest="1"),
    on("amd", "xla", 1.5, digest="x"),
    on("intel", digest="2"),
    on("intel", "xla", 2.0, digest="x"),
    on("arm", digest="2"),
    on("arm", "xla", 3.0, digest="x"),
]


def test_the_cheapest_setting_that_all_machines_agree_on_is_chosen():
    found = answer(*FLEET)
    assert found.best == "xla"
    assert found.spans == ("machine",)
    assert counts(found, "xla") == [(0, 2)]
    assert counts(found, "default") == [(1, 2)]


def test_the_answer_has_the_cost_on_each_machine_and_their_mean():
    best = answer(*FLEET).candidates[0]
    assert {name: round(c.ratio, 2) for name, c in best.on_each.items() if c} == {
        "amd": 1.5,
        "arm": 3.0,
        "intel": 2.0,
    }
    assert best.cost
    assert best.cost.ratio == pytest.approx(9 ** (1 / 3), rel=1e-3)
    assert best.worst
    assert best.worst.ratio == pytest.approx(3, rel=1e-2)


def test_a_setting_must_survive_the_other_scopes_on_every_machine():
    races = on("arm", "xla", digest="x", divergence=racing())
    found = answer(*FLEET[:-1], races)
    assert found.best is None
    assert "arm, matmul_square, repeat: 300 of 315 differed" in found.candidates[-1].reasons


def test_a_cell_that_races_agrees_with_none():
    """The races of one machine count on the others, which do not race."""
    found = answer(*FLEET[:-1], on("arm", "xla", digest="x", divergence=racing()))
    assert counts(found, "xla") == [(1, 2)]
    alone = answer(*FLEET[:-1], on("arm", "xla", digest="x", divergence=racing()), machine="arm")
    [check] = checks(alone, "xla")
    assert (check.divergent, check.trials, check.anyway) == (2, 2, True)


def test_a_machine_that_lacks_a_setting_is_named_with_its_command():
    found = answer(*FLEET[:-1])
    assert found.best is None
    [of_xla] = [c for c in found.candidates if c.setting == "xla"]
    assert of_xla.reasons == ("arm, matmul_square: not measured",)
    assert list(found.elsewhere) == ["on arm"]
    [command] = found.elsewhere["on arm"]
    assert command.startswith("detcost measure matmul_square --settings xla --devices CPU:0")


def test_one_machine_alone_compares_nothing():
    found = answer(on("amd"), on("amd", "xla"))
    assert found.best is None
    assert found.spans == ()
    assert found.candidates[0].reasons == (
        "matmul_square, machine: not measured on another machine",
    )
    [command] = found.elsewhere["on another machine"]
    assert "--settings default,xla " in command
    assert "--scopes repeat,process " in command


def test_bits_of_other_inputs_are_not_compared():
    """The seed gives the inputs."""
    found = answer(on("amd"), on("intel", seed=7))
    assert found.best is None
    assert checks(found, "default")[0].survives is None
    for other in ({"size": "large"}, {"dtype": "bfloat16"}, {"device": "GPU:0"}):
        assert answer(on("amd"), on("intel", **other)).spans == ()


def test_a_named_machine_has_an_answer_of_its_own():
    found = answer(*FLEET, machine="amd")
    assert found.source.machine == "amd"
    assert found.candidates[0].on_each == {}
    assert counts(found, "default") == [(2, 2)]
    assert answer(*FLEET, machine="arm").candidates[-1].reasons == (
        "matmul_square, machine: 1 of 2 differed; arm, intel | amd",
    )


def test_few_machines_bound_a_rate_weakly():
    assert answer(*FLEET, max_rate=0.8).best == "xla"
    found = answer(*FLEET, max_rate=0.1)
    assert found.best is None
    [of_xla] = [c for c in found.candidates if c.setting == "xla"]
    assert of_xla.reasons[-1].endswith("; 30 machines that agree would bound it at 9.8 %")


def test_versions_of_one_machine_are_compared_likewise():
    found = answer(
        with_version("2.20.0", digest="1"),
        with_version("2.20.0", "xla", 1.2, digest="x"),
        with_version("2.21.0", digest="1"),
        with_version("2.21.0", "xla", 1.2, digest="y"),
        on("newest", measured_at="2027-01-01T00:00:00+00:00"),
        survive=("repeat", "process", "version"),
    )
    assert found.best == "default"
    assert found.spans == ("version",)
    assert list(found.candidates[0].on_each) == ["TensorFlow 2.20.0", "TensorFlow 2.21.0"]
    assert found.candidates[-1].reasons == (
        "matmul_square, version: 1 of 1 differed; 2.20.0 | 2.21.0",
    )


def test_machines_are_compared_with_one_version_the_most_common():
    old = [on(name, versions={"tensorflow": "2.20.0"}, digest="old") for name in ("amd", "intel")]
    new = on("arm", versions={"tensorflow": "2.22.0"}, measured_at="2027-01-01T00:00:00+00:00")
    found = answer(*old, new)
    assert list(found.candidates[0].on_each) == ["amd", "intel"]
    assert answer(*old, new, tensorflow="2.22.0").spans == ()


def test_a_lever_that_means_nothing_on_one_machine_is_left_out_there():
    """An older processor cannot be capped at a newer instruction set: it runs without the cap."""
    cap = {"setting": "isa=AVX512", "status": "not_applicable", "reason": "above the processor"}
    old = {"machine": {"name": "old"}, "run_id": "old"}
    found = answer(
        *(on("old", digest="1"), failed(**cap, **old), on("new", digest="2")),
        *(on("new", "isa=AVX512", 1.5, digest="1"),),
    )
    assert counts(found, "isa=AVX512") == [(0, 1)]
    assert found.best == "isa=AVX512"


def test_a_cell_that_carries_state_is_compared_call_by_call():
    state = {"setting": "default", "carries_state": True, "digest": "a"}
    longer = on("amd", **state, sequence=["a", "b", "c"])
    assert answer(longer, on("intel", **state, sequence=["a", "b"])).best == "default"
    assert answer(longer, on("intel", **state, sequence=["a", "x"])).best is None


def test_evidence_cannot_claim_a_comparison_that_was_not_made():
    claims = {"divergence": {**record().divergence, "machine": divergence(0, 10**6)}}
    found = answer(on("amd", **claims, digest="1"), on("intel", **claims, digest="2"))
    assert found.best is None
    assert counts(found, "default") == [(1, 1)]


def random_fleet(draw: random.Random) -> list[Evidence]:
    """Return the cells of some machines: some race, some failed, some are missing."""
    records = []
    for machine in "abcdef"[: draw.randint(1, 6)]:
        for setting in ("default", "op_determinism", "threads=1", "xla"):
            place = {"setting": setting, "machine": on(machine).machine}
            kind = draw.choice(["ok"] * 6 + ["races", "failed", "missing"])
            if kind == "failed":
                records.append(failed(**place, run_id=machine))
            elif kind != "missing":
                counted = {"divergence": racing()} if kind == "races" else {}
                ratio = draw.choice([1.0, 1.2, 1.5])
                records.append(on(machine, setting, ratio, digest=draw.choice("xxxy"), **counted))
    return records


@pytest.mark.parametrize("seed", range(60))
def test_the_order_of_machines_does_not_matter_and_one_twice_is_one(seed):
    draw = random.Random(seed)
    records = random_fleet(draw) or [on("a")]
    found = answer(*records)
    shuffled = draw.sample(records, len(records))
    assert answer(*shuffled) == found
    again = [each for each in records if each.machine_name == records[0].machine_name]
    assert answer(*shuffled, *again) == found


@pytest.mark.parametrize("seed", range(60))
def test_a_fleets_count_is_that_of_a_plain_count(seed):
    """Counted anew: the machines outside the largest group of equal digests that do not race."""
    records = random_fleet(random.Random(seed)) or [on("a")]
    found = answer(*records)
    for candidate in found.candidates:
        own = [r for r in records if r.setting == candidate.setting and r.status == "ok"]
        digests = [str(r.digest) if not r.races else r.machine_name for r in own]
        most = max(map(digests.count, digests), default=0)
        expected = (len(own) - most, len(own) - 1) if len(own) > 1 else (0, 0)
        if own:
            assert counts(found, candidate.setting) == [expected] * len(
                checks(found, candidate.setting)
            )


def test_tables_name_the_machines_and_their_costs():
    found = answer(*FLEET)
    text = choice_tables.markdown(found)
    assert "on CPU:0 of 3 machines: xla survives repeat, process, machine" in text
    assert "cost on amd: 1.50" in text
    assert "CPU of arm" in text
    missing = choice_tables.markdown(answer(*FLEET[:-1]))
    assert "not everything was measured; on arm: detcost measure" in missing
