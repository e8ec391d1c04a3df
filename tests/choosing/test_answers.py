"""The cheapest setting that survives is chosen, and the others have reasons."""

from __future__ import annotations

import io
import json
import math
import re
import shlex
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import typer
from rich.console import Console

import detcost
from detcost.choosing import answers, scope_checks
from detcost.choosing.answers import Candidate, Choice
from detcost.choosing.question import LISTED, Question, lever_count
from detcost.cli import main
from detcost.errors import UsageError
from detcost.evidence.journal import Journal
from detcost.evidence.schema import SCOPES, Control, Controls, Cost, Divergence, Evidence
from detcost.experiment import profiles
from detcost.experiment.request import Request
from detcost.intervals import upper_bound_of_zero
from detcost.settings import grammar
from detcost.tables import choice_tables
from factories import cost, divergence, failed, racing, record

STEADY = (0.999, 1.001, 1.0, 1.0005, 0.9995)
NOISY = (1.2, 0.8, 1.0, 1.1, 0.9)
OTHER_NOISE = (0.9, 1.1, 1.2, 0.8, 1.0)
OLD = {"run_id": "old", "measured_at": "2025-01-01T00:00:00+00:00"}


def clean(trials: int) -> Divergence:
    """Return a count without a difference."""
    bound = upper_bound_of_zero(trials)
    assert bound is not None
    return divergence(0, trials, 0.0, bound)


def seen(divergent: int, trials: int = 20) -> Divergence:
    return divergence(divergent, trials, 0.0, 1.0)


def meaningless(reason: str = "the scenario itself says how it is executed") -> Divergence:
    return msgspec.structs.replace(divergence(0, 0), high=None, reason=reason)


def cell(
    setting: str = "default",
    ratio: float = 1.0,
    noise: Sequence[float] = STEADY,
    *,
    scopes: dict[str, Divergence] | None = None,
    **changes: Any,
) -> Evidence:
    """Return the record of a cell that costs a ratio. ``scopes`` are added to the usual two."""
    blocks = [ratio * factor for factor in noise]
    counts = {"repeat": clean(310), "process": clean(20), **(scopes or {})}
    return record(
        **{
            "setting": setting,
            "cost": Cost(None, None, None, len(blocks), blocks, "free"),
            "divergence": counts,
            **changes,
        }
    )


def races(setting: str = "default", ratio: float = 1.0, **changes: Any) -> Evidence:
    return cell(setting, ratio, scopes={"repeat": seen(300, 310), "process": seen(20)}, **changes)


def means_nothing(setting: str, **changes: Any) -> Evidence:
    reason = f"{setting} means nothing to it"
    return failed(setting=setting, status="not_applicable", reason=reason, **changes)


def choose(*records: Evidence, **question: Any) -> Choice:
    return answers.choose(records, Question(**question))


def order(choice: Choice) -> list[str]:
    return [candidate.setting for candidate in choice.candidates]


def named(choice: Choice, setting: str) -> Candidate:
    [candidate] = [c for c in choice.candidates if c.setting == setting]
    return candidate


def qualifying(choice: Choice) -> list[str]:
    return [candidate.setting for candidate in choice.candidates if candidate.qualifies]


def tied(choice: Choice) -> set[str]:
    return {candidate.setting for candidate in choice.candidates if candidate.tied}


# The cheapest that survives.


def test_the_cheapest_setting_that_survives_is_chosen():
    choice = choose(
        races(),
        cell("threads=1", 1.6),
        cell("op_determinism", 1.3),
        races("xla", 0.5),
    )
    assert choice.best == "op_determinism"
    assert named(choice, "op_determinism").reasons == ()
    assert order(choice) == ["op_determinism", "threads=1", "xla", "default"]
    assert qualifying(choice) == ["op_determinism", "threads=1"]
    assert named(choice, "threads=1").cost.ratio == pytest.approx(1.6, rel=1e-3)


def test_one_divergence_is_too_many_at_any_rate():
    """A high tolerable rate is for the bounds of clean counts."""
    rare = cell("xla", 0.2, scopes={"repeat": divergence(1, 6100, 0.0, 0.0009)})
    choice = choose(cell(), rare, max_rate=1.0)
    assert choice.best == "default"
    assert named(choice, "xla").reasons == ("matmul_square, repeat: 1 of 6100 differed",)


def test_only_scopes_asked_about_count():
    evidence = cell(scopes={"threads": seen(5, 6)}), cell("xla", 1.2, scopes={"threads": clean(6)})
    assert choose(*evidence).best == "default"
    assert choose(*evidence, survive=("repeat", "process", "threads")).best == "xla"
    assert choose(*evidence, survive=("process",)).survive == ("process",)


@pytest.mark.parametrize("status", ["unimplemented", "timed_out", "crashed", "failed"])
def test_a_cell_that_failed_never_qualifies(status):
    choice = choose(cell(ratio=1.0), failed(setting="xla", status=status, reason="no XLA here"))
    assert choice.best == "default"
    [reason] = named(choice, "xla").reasons
    assert reason == f"matmul_square: {status.replace('_', ' ')} (no XLA here)"
    assert named(choice, "xla").findings == ()


def test_a_setting_without_a_cost_is_never_the_cheapest():
    choice = choose(cell(), cell("xla", 0.5, cost=None), cell("threads=1", 1.5))
    assert qualifying(choice) == ["default", "threads=1"]
    assert named(choice, "xla").reasons == ("its cost is not known",)
    assert named(choice, "xla").cost is None


def test_none_qualifies_if_each_is_disqualified():
    choice = choose(
        races(), races("xla", 0.5), failed(setting="threads=1", reason="ValueError: no")
    )
    assert choice.best is None
    assert choice.snippets is None
    assert order(choice) == ["xla", "default", "threads=1"], "the cheapest first"
    assert all(candidate.reasons for candidate in choice.candidates)
    assert tied(choice) == set()
    assert not answers.all_qualify(choice)
    assert "no setting measured survives repeat, process" in choice_tables.headline(choice)


# Bounds.


@pytest.mark.parametrize(
    ("scope", "trials", "max_rate", "advice"),
    [
        ("process", 6, 0.4, None),
        ("process", 6, 0.2, "39 %; --profile standard would bound it at 14 %"),
        ("process", 20, 0.14, None),
        ("process", 20, 0.05, "14 %; --profile full would bound it at 4.9 %"),
        ("process", 20, 0.01, "14 %; no profile bounds it at 1 %"),
        ("repeat", 63, 0.01, "4.6 %; --profile standard would bound it at 0.97 %"),
        ("repeat", 310, 0.001, "0.96 %; --profile full would bound it at 0.052 %"),
        ("repeat", 310, 0.0001, "0.96 %; no profile bounds it at 0.01 %"),
        ("threads", 6, 0.1, "39 %; --profile full would bound it at 4.9 %"),
    ],
)
def test_a_bound_above_the_highest_rate_disqualifies(scope, trials, max_rate, advice):
    choice = choose(cell(scopes={scope: clean(trials)}), survive=(scope,), max_rate=max_rate)
    if advice is None:
        assert choice.best == "default"
    else:
        assert choice.best is None
        said = f"0 of {trials} differed, which bounds the rate at {advice}"
        assert choice.candidates[0].reasons == (f"matmul_square, {scope}: {said}",)
        assert not choice.candidates[0].findings[0].survives


@pytest.mark.parametrize("profile", profiles.PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_gives_the_bound_that_advice_names(profile):
    """A cell measured with a profile has the bound that the advice named."""
    bound = upper_bound_of_zero(profile.processes)
    measured = cell(scopes={"process": clean(profile.processes)})
    assert choose(measured, survive=("process",), max_rate=bound).best == "default"


def test_without_a_rate_any_bound_is_accepted():
    assert choose(cell(scopes={"process": clean(1)}), survive=("process",)).best == "default"


def test_an_unknown_bound_is_below_no_rate():
    unknown = cell(scopes={"process": divergence(0, 20, 0.0, None)})
    assert choose(unknown).best == "default"
    assert choose(unknown, max_rate=1.0).best is None


def test_divergences_come_before_bounds_that_are_too_high():
    choice = choose(cell(scopes={"repeat": clean(63), "process": seen(3)}), max_rate=0.01)
    first, second = choice.candidates[0].reasons
    assert first == "matmul_square, process: 3 of 20 differed"
    assert second.startswith("matmul_square, repeat: 0 of 63 differed")


def test_a_profile_that_bounds_the_rate_exactly_is_advised():
    rate = upper_bound_of_zero(profiles.PROFILES["standard"].processes)
    choice = choose(cell(scopes={"process": clean(6)}), survive=("process",), max_rate=rate)
    assert "--profile standard would bound it" in choice.candidates[0].reasons[0]


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "? %"),
        (0.0000954, "0.0095 %"),
        (0.0097, "0.97 %"),
        (0.0126, "1.3 %"),
        (0.139, "14 %"),
        (1.0, "100 %"),
    ],
)
def test_a_rate_is_written_with_two_digits(rate, text):
    assert scope_checks.percent(rate) == text


def test_the_count_of_a_racing_cell_is_in_parentheses():
    divergent = {"threads": seen(5, 6)}
    assert scope_checks.count_text(cell(scopes=divergent), "threads") == "5/6"
    assert scope_checks.count_text(cell(divergence=racing(**divergent)), "threads") == "(5/6)"
    assert scope_checks.count_text(races(), "process") == "20/20"


# Scopes that were not compared or do not apply.


def test_a_scope_that_was_not_measured_is_not_survived():
    choice = choose(cell(), survive=("repeat", "isa"))
    assert choice.best is None
    assert choice.candidates[0].reasons == ("matmul_square, isa: not measured",)


def test_a_scope_of_which_nothing_could_be_tried_is_not_survived():
    nothing = msgspec.structs.replace(divergence(0, 0), skipped={"oneDNN=SSE41": "did not take"})
    choice = choose(cell(scopes={"isa": nothing}), survive=("isa",))
    assert choice.best is None
    [reason] = choice.candidates[0].reasons
    assert reason == "matmul_square, isa: not measured (oneDNN=SSE41 could not be tried)"


def test_a_scope_that_does_not_apply_disqualifies_nothing():
    choice = choose(cell(scopes={"execution": meaningless()}), survive=("process", "execution"))
    assert choice.best == "default"
    finding = choice.candidates[0].findings[1]
    assert (finding.survives, finding.applies) == (None, False)
    assert finding.why == "the scenario itself says how it is executed"
    assert "| n/a |" in choice_tables.markdown(choice)


def test_other_scopes_that_a_setting_survives_are_listed():
    more = {"threads": clean(6), "load": seen(1, 4), "isa": meaningless(), "execution": clean(3)}
    choice = choose(cell(scopes=more))
    assert choice.candidates[0].also_survives == ("threads", "execution")
    assert choose(cell(scopes=more), max_rate=0.4).candidates[0].also_survives == ("threads",)
    assert choose(races()).candidates[0].also_survives == ()


# State, races, and costs of old evidence.

THREE = ("repeat", "process", "threads")


def stateful(**changes: Any) -> Evidence:
    return cell(carries_state=True, sequence=["a", "b", "c"], **changes)


def test_a_cell_that_carries_state_qualifies_with_a_note():
    choice = choose(stateful())
    assert choice.best == "default"
    repeat, process = choice.candidates[0].findings
    assert repeat.survives
    assert (repeat.note, process.note) == ("carries state, its sequence repeats", None)
    for shown in (plain(terminal(choice)), choice_tables.markdown(choice)):
        assert "the answer; repeat: carries state, its sequence repeats" in shown
    listed = answers.choose_each([stateful()], Question())
    said = "repeat 0/310 ≤ 0.96 % (carries state, its sequence repeats)"
    assert said in choice_tables.markdown(listed)


def test_scenarios_that_carry_state_are_counted():
    choice = choose(stateful(scenario="a"), cell(scenario="b"))
    said = "repeat: carries state, its sequence repeats in 1 of 2 scenarios"
    assert said in choice_tables.markdown(choice)


def test_a_setting_that_does_not_qualify_keeps_its_note():
    choice = choose(stateful(scopes={"threads": seen(6, 6)}), survive=THREE)
    assert "6 of 6 differed; repeat: carries state, its sequence repeats" in choice_tables.markdown(
        choice
    )


def test_the_first_call_that_differs_is_named():
    parted = msgspec.structs.replace(seen(4, 6), first_call=7)
    choice = choose(stateful(scopes={"threads": parted, "repeat": parted}), survive=THREE)
    assert choice.best is None
    repeat, _, threads = choice.candidates[0].findings
    assert repeat.why == "4 of 6 differed; first differs at call 7"
    assert repeat.note is None
    assert threads.why == "differs in repeat already"


@pytest.mark.parametrize(
    ("scopes", "already"),
    [
        (racing(), "repeat"),
        ({"repeat": clean(310), "process": seen(3)}, "process"),
        ({"process": seen(3)}, "process"),
    ],
)
@pytest.mark.parametrize("scope", ["threads", "load", "isa", "execution"])
def test_a_race_disqualifies_but_no_scope_is_its_cause(scopes, already, scope):
    choice = choose(cell(divergence={**scopes, scope: seen(6, 6)}), survive=(scope,))
    assert choice.best is None
    assert choice.candidates[0].reasons == (
        f"matmul_square, {scope}: differs in {already} already",
    )
    assert choice.candidates[0].findings[0].anyway
    for shown in (plain(terminal(choice)), choice_tables.markdown(choice)):
        assert "(6/6)" in shown
        assert "6 of 6" not in shown
        assert "(k/n): the bits differ in repeat or process already" in " ".join(shown.split())


def test_a_difference_in_one_scope_is_no_race():
    choice = choose(cell(scopes={"threads": seen(6, 6)}), survive=THREE)
    assert choice.candidates[0].reasons == ("matmul_square, threads: 6 of 6 differed",)
    assert "(k/n)" not in choice_tables.markdown(choice)


def test_a_racing_cell_keeps_its_other_counts():
    choice = choose(cell(divergence=racing(threads=clean(6))), survive=THREE)
    *_, row = rows(choice_tables.markdown(choice))
    assert row[2:5] == ["300/315", "20/20", "0/6 ≤ 39 %"]


def test_of_several_scenarios_the_worst_count_is_shown():
    evidence = [
        cell(scenario="a", divergence=racing(threads=seen(6, 6))),
        cell(scenario="b", scopes={"threads": seen(1, 6)}),
        cell(scenario="c", scopes={"threads": clean(6)}),
    ]
    for asked, shown in ((evidence, "1/6"), (evidence[::2], "(6/6)")):
        *_, row = rows(choice_tables.markdown(choose(*asked, survive=("threads",))))
        assert row[3] == shown


COLD = "cost: of steps after idleness, as detcost measured before schema 3"


def test_costs_of_cold_steps_have_a_note():
    choice = choose(cell(), cell("xla", 0.5, schema=2))
    listed = answers.choose_each([cell(schema=2)], Question())
    assert choice.source.cold
    for answer in (choice, listed):
        assert COLD in choice_tables.markdown(answer)
        assert COLD in " ".join(plain(terminal(answer)).split())
    assert not choose(cell()).source.cold
    assert COLD not in choice_tables.markdown(choose(cell()))


# Ties.


def test_of_tied_settings_the_simplest_is_best():
    choice = choose(
        races(),
        cell("op_determinism+threads=1+xla", 1.00, NOISY),
        cell("op_determinism+xla", 1.01, OTHER_NOISE),
        cell("op_determinism", 1.02),
        cell("threads=1", 9.0),
    )
    assert choice.best == "op_determinism"
    assert tied(choice) == {"op_determinism", "op_determinism+xla", "op_determinism+threads=1+xla"}
    assert order(choice) == [
        "op_determinism",
        "op_determinism+threads=1+xla",
        "op_determinism+xla",
        "threads=1",
        "default",
    ]


def test_of_as_many_levers_the_cheaper_is_best():
    assert choose(races(), cell("threads=1", 1.01), cell("xla", 1.00)).best == "xla"


@pytest.mark.parametrize("same_run", [True, False])
def test_within_a_run_noise_hides_no_clear_difference(same_run):
    """Blocks vary by 20 %, equally for both: the intervals overlap, but the paired one is clear.

    The same figures of two runs are tied.
    """
    other = {} if same_run else OLD
    choice = choose(
        races(),
        cell("op_determinism+threads=1", 1.0, NOISY),
        cell("xla", 1.05, NOISY, **other),
    )
    cheap, dear = named(choice, "op_determinism+threads=1"), named(choice, "xla")
    assert dear.cost.low < cheap.cost.high
    assert dear.tied == (not same_run)
    assert choice.best == ("op_determinism+threads=1" if same_run else "xla")


@pytest.mark.parametrize(("ratio", "best"), [(1.019, "xla"), (1.021, "op_determinism+xla")])
def test_a_difference_within_the_free_band_is_none(ratio, best):
    choice = choose(races(), cell("op_determinism+xla", 1.0), cell("xla", ratio))
    assert choice.best == best


def test_ties_are_with_the_cheapest_not_with_the_best():
    choice = choose(
        races(),
        cell("op_determinism+threads=1+xla", 1.0),
        cell("op_determinism+xla", 1.015),
        cell("xla", 1.03),
    )
    assert choice.best == "op_determinism+xla"
    assert tied(choice) == {"op_determinism+threads=1+xla", "op_determinism+xla"}


def test_what_does_not_qualify_is_tied_with_nothing():
    assert tied(choose(races(ratio=1.0), cell("xla", 1.0))) == {"xla"}


def test_with_one_block_everything_is_tied():
    choice = choose(cell(noise=(1.0,)), cell("xla", 0.3, (1.0,)))
    assert choice.best == "default"
    assert tied(choice) == {"default", "xla"}
    assert named(choice, "xla").cost.low is None


def test_default_wins_over_a_setting_that_only_seems_faster():
    assert choose(cell(), cell("xla", 0.98, NOISY)).best == "default"
    assert choose(cell(), cell("xla", 0.9)).best == "xla"


# Several scenarios.


def two(setting: str, first: float, second: float, **changes: Any) -> list[Evidence]:
    a: dict[str, Any] = {"scenario": "a", "family": "x", **changes}
    b: dict[str, Any] = {"scenario": "b", "family": "y", "run_id": "of b", **changes}
    return [cell(setting, first, **a), cell(setting, second, **b)]


def test_one_setting_for_all_has_the_least_geometric_mean():
    choice = choose(*two("default", 1, 1), *two("xla", 2.0, 0.25), *two("threads=1", 0.9, 0.9))
    assert choice.scenarios == ("a", "b")
    assert choice.best == "xla"
    best = named(choice, "xla")
    assert best.cost.ratio == pytest.approx(math.sqrt(2.0 * 0.25), rel=1e-3)
    assert best.worst.ratio == pytest.approx(2.0, rel=1e-3)
    assert best.worst.low < best.worst.ratio < best.worst.high
    assert len(best.findings) == 4
    assert "its worst cost in a scenario: 2.00" in choice_tables.markdown(choice)


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        (races("xla", 0.5, scenario="b"), "b, repeat: 300 of 310 differed"),
        (failed(setting="xla", scenario="b", reason="no"), "b: failed (no)"),
        (None, "b: not measured"),
    ],
)
def test_one_scenario_in_which_it_fails_disqualifies_a_setting(failing, reason):
    evidence = [*two("default", 1, 1), cell("xla", 0.5, scenario="a"), failing]
    choice = choose(*filter(None, evidence))
    assert choice.best == "default"
    assert named(choice, "xla").reasons[0] == reason
    assert choose(*filter(None, evidence), scenarios=("a",)).best == "xla"


@pytest.mark.parametrize(
    ("asked", "scenarios"),
    [
        (("all",), ("c", "a", "b")),
        (("x",), ("a",)),
        (("y",), ("c", "b")),
        (("b", "a"), ("a", "b")),
        (("x", "b"), ("a", "b")),
        (("a", "a", "x"), ("a",)),
    ],
)
def test_scenarios_are_asked_for_by_name_by_family_or_all(asked, scenarios):
    """Scenarios are in the order measured."""
    evidence = [cell(scenario="c", family="y"), *two("default", 1, 1)]
    assert choose(*evidence, scenarios=asked).scenarios == scenarios


def test_each_scenario_has_an_answer_of_its_own():
    evidence = [*two("default", 1, 1), *two("xla", 0.5, 1.5)]
    choices = answers.choose_each(evidence, Question())
    assert [(each.scenarios, each.best) for each in choices] == [
        (("a",), "xla"),
        (("b",), "default"),
    ]
    assert answers.all_qualify(choices)
    broken = [*evidence, *two("threads=1", 1, 1), races(scenario="c")]
    choices = answers.choose_each(broken, Question())
    assert [each.best for each in choices] == ["xla", "default", None]
    assert not answers.all_qualify(choices)


# Levers that do not apply to a scenario.


def pipeline(*levers: str, **changes: Any) -> list[Evidence]:
    """Return the cells of a pipeline to which levers and their combinations do not apply."""
    return [
        *(means_nothing(lever, scenario="b", **changes) for lever in levers),
        *(means_nothing(f"op_determinism+{lever}", scenario="b", **changes) for lever in levers),
    ]


def test_a_lever_that_does_not_apply_is_looked_through():
    choice = choose(
        *two("default", 1, 1),
        *two("op_determinism", 1.2, 1.4),
        cell("xla", 0.5, scenario="a"),
        cell("op_determinism+xla", 0.4, scenario="a"),
        *pipeline("xla"),
    )
    assert choice.best == "xla"
    assert named(choice, "xla").worst.ratio == 1
    both = named(choice, "op_determinism+xla")
    assert both.qualifies
    assert both.cost.ratio == pytest.approx(math.sqrt(0.4 * 1.4), rel=1e-3)
    assert choice.commands == ()


def test_a_simpler_setting_disqualifies_the_one_it_stands_for():
    choice = choose(
        cell(scenario="a"), races(scenario="b"), cell("xla", 0.5, scenario="a"), *pipeline("xla")
    )
    assert choice.best is None
    assert "b, process: 20 of 20 differed" in named(choice, "xla").reasons


def test_settings_that_only_stand_for_others_are_not_listed():
    evidence = [cell(scenario="b"), cell("op_determinism", scenario="b"), *pipeline("xla", "tf32")]
    assert order(choose(*evidence)) == ["default", "op_determinism"]


def test_levers_that_only_together_do_not_apply_stay():
    choice = choose(cell(scenario="b"), means_nothing("op_determinism+xla", scenario="b"))
    [reason] = named(choice, "op_determinism+xla").reasons
    assert reason == "b: not applicable (op_determinism+xla means nothing to it)"


def test_a_simpler_setting_may_have_failed():
    choice = choose(
        *two("default", 1, 1),
        cell("tf32=off+xla", 0.5, scenario="a"),
        means_nothing("xla", scenario="b"),
        means_nothing("tf32=off+xla", scenario="b"),
        failed(setting="tf32=off", scenario="b", reason="no"),
    )
    assert named(choice, "tf32=off+xla").reasons == ("b: failed (no)",)


def test_an_unimplemented_lever_is_not_looked_through():
    lost = [
        failed(setting=name, status="unimplemented", reason="no gradient")
        for name in ("xla", "op_determinism+xla")
    ]
    choice = choose(races(), cell("op_determinism", 1.3), *lost)
    assert qualifying(choice) == ["op_determinism"]
    assert named(choice, "op_determinism+xla").reasons[0].endswith("unimplemented (no gradient)")


def test_on_a_device_that_was_not_there_nothing_qualifies():
    absent = [
        failed(setting=name, device="GPU:7", status="not_applicable", reason="no GPU:7 here")
        for name in ("default", "xla", "op_determinism+xla")
    ]
    choice = choose(*absent, device="GPU:7")
    assert choice.best is None
    assert choice.candidates[0].reasons == ("matmul_square: not applicable (no GPU:7 here)",)


# What is missing.


def parsed(command: str) -> dict[str, Any]:
    """Parse a command as the command line and a measurement do, without running it."""
    tool, name, *words = shlex.split(command)
    assert (tool, name) == ("detcost", "measure")
    measure = typer.main.get_command(main.app).commands["measure"]
    asked = measure.make_context("measure", words).params
    profile = profiles.find(asked["profile"] or "standard")
    Request.parse(
        asked["scenarios"],
        asked["settings"],
        asked["devices"],
        scopes=asked["scopes"],
        profile=profile,
        **{option: asked[option] for option in ("size", "dtype", "seed")},
    )
    return asked


def test_a_missing_cell_has_a_command_that_measures_it():
    choice = answers.choose(
        [
            cell(scopes={"threads": clean(6)}),
            cell("op_determinism+threads=1", 1.3),
            cell("xla", 0.5),
        ],
        Question(survive=("threads", "process")),
        "my results/more.trials.jsonl",
    )
    [command] = choice.commands
    asked = parsed(command)
    assert asked["scenarios"] == ["matmul_square"]
    assert asked["settings"] == ["xla", "op_determinism+threads=1"]
    assert asked["devices"] == ["CPU:0"]
    assert asked["scopes"] == ["repeat", "process", "threads"], "what is known is measured again"
    assert str(asked["out_file"]) == "my results/more.trials.jsonl"
    assert (asked["size"], asked["dtype"]) == ("medium", None)
    assert "to measure the rest: detcost measure" in choice_tables.markdown(choice)


def test_each_scenario_that_lacks_something_has_a_command():
    evidence = [
        cell(scenario="mlp_graph", size="small", dtype="bfloat16"),
        cell("xla", scenario="mlp_graph", size="small", dtype="bfloat16"),
        cell(size="small", dtype="bfloat16"),
    ]
    [command] = choose(*evidence).commands
    asked = parsed(command)
    assert (asked["scenarios"], asked["settings"]) == (["matmul_square"], ["xla"])
    assert (asked["size"], asked["dtype"]) == ("small", "bfloat16")
    commands = choose(*evidence, survive=("isa",)).commands
    assert [parsed(each)["scenarios"] for each in commands] == [["mlp_graph"], ["matmul_square"]]


@pytest.mark.parametrize(
    "more",
    [[], [failed(setting="xla")], [means_nothing("xla")], [races("threads=1")]],
)
def test_without_a_missing_cell_there_is_no_command(more):
    assert choose(cell(), *more).commands == ()


# Which evidence.


def test_the_newest_record_of_a_cell_counts():
    old = [cell(**OLD), cell("xla", 0.5, **OLD)]
    assert choose(*old).best == "xla"
    choice = choose(*old, cell(), races("xla", 0.5))
    assert choice.best == "default"
    assert len(choice.candidates) == 2


def test_the_machine_measured_last_is_taken_by_default():
    evidence = [cell(machine={"name": "here"}, **OLD), races(machine={"name": "there"})]
    assert choose(*evidence).source.machine == "there"
    assert choose(*reversed(evidence)).source.machine == "there"
    assert choose(*evidence, machine="here").best == "default"
    there = choose(*evidence, machine="there")
    assert (there.best, there.source.machine) == (None, "there")


def test_the_newest_tensorflow_is_taken_by_default():
    older = {"versions": {"tensorflow": "2.20.0"}, **OLD}
    both = [cell(**older), cell("xla", 0.5, **older), cell(scenario="b", **older)]
    both += [cell(), cell("xla", 1.5)]
    newer = choose(*both)
    assert (newer.best, newer.source.tensorflow, newer.scenarios) == (
        "default",
        "2.21.0",
        ("matmul_square",),
    )
    old = choose(*both, tensorflow="2.20.0", scenarios=("matmul_square",))
    assert (old.best, old.source.tensorflow) == ("xla", "2.20.0")


@pytest.mark.parametrize(
    ("field", "usual", "other"), [("size", "medium", "large"), ("dtype", "float32", "bfloat16")]
)
def test_the_usual_size_and_type_are_taken_by_default(field, usual, other):
    evidence = [cell(**{field: usual}), races(**{field: other})]
    assert getattr(choose(*evidence), field) == usual
    named_one = choose(*evidence, **{field: other})
    assert (getattr(named_one, field), named_one.best) == (other, None)
    assert getattr(choose(evidence[1]), field) == other, "where there is nothing else"


def test_devices_are_kept_apart():
    evidence = [cell(), races(device="GPU:0")]
    assert choose(*evidence).best == "default"
    assert choose(*evidence, device="GPU:0").best is None


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"scenarios": ("matmul_sqare",)}, ['"matmul_sqare"', 'did you mean "matmul_square"?']),
        ({"scenarios": ("matmull",)}, ['"matmull"', 'did you mean "matmul"?']),
        ({"scenarios": ("qqqq",)}, ['"qqqq"', "there is matmul_square", "detcost list scenarios"]),
        ({"device": "CPU:1"}, ['"CPU:1"', 'did you mean "CPU:0"?', "there is CPU:0"]),
        ({"machine": "bax"}, ['"bax"', 'did you mean "box"?', "there is box"]),
        ({"tensorflow": "2.22.0"}, ['"2.22.0"', 'did you mean "2.21.0"?', "there is 2.21.0"]),
        ({"size": "medum"}, ['"medum"', 'did you mean "medium"?', "there is medium"]),
        ({"dtype": "float64"}, ['"float64"', 'did you mean "float32"?', "there is float32"]),
        ({"survive": ("thread",)}, ['"thread"', 'did you mean "threads"?', ", ".join(SCOPES)]),
        ({"survive": ()}, ["no scope to survive", ", ".join(SCOPES)]),
        ({"max_rate": 0.0}, ["rate 0", "above 0", "0.05"]),
        ({"max_rate": 5.0}, ["rate 5", "at most 1", "0.05"]),
        ({"max_rate": math.nan}, ["rate nan", "0.05"]),
    ],
)
def test_a_wrong_word_is_one_line_that_names_it_and_the_remedy(question, words):
    with pytest.raises(UsageError) as mistake:
        choose(cell(), **question)
    [line] = str(mistake.value).splitlines()
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("conv2d_backward", "; detcost measure conv2d_backward makes some; there is"),
        ("conv2d_backwrd", '; did you mean "conv2d_backward"?; there is'),
        ("matmul_sqare", '; did you mean "matmul_square"?; there is'),
        ("mine.py:training", "; measure it first; there is"),
        ("qqqq", "; detcost list scenarios shows what can be measured; there is"),
    ],
)
def test_the_advice_on_a_name_without_evidence_can_be_followed(name, advice):
    """A command that measures is advised only for a scenario that exists."""
    with pytest.raises(UsageError) as mistake:
        choose(cell(), scenarios=(name,))
    assert f'"{name}"{advice}' in str(mistake.value)


def test_many_names_are_not_all_listed():
    evidence = [cell(scenario=f"number_{i}") for i in range(LISTED + 5)]
    with pytest.raises(UsageError, match=f"number_{LISTED - 1} and 5 more"):
        choose(*evidence, scenarios=("qqqq",))


def test_without_evidence_the_message_says_how_to_get_some():
    with pytest.raises(UsageError, match="detcost measure --out"):
        choose()


def test_python_users_give_a_folder_a_file_or_records(tmp_path):
    evidence = [cell(), cell("xla", 0.5), races(device="GPU:0")]
    path = tmp_path / "results" / "box" / "x.trials.jsonl"
    Journal(path, "run").append(evidence)
    choice = detcost.choose("matmul", max_rate=0.2, results=tmp_path / "results")
    assert isinstance(choice, detcost.Choice)
    assert (choice.best, choice.max_rate) == ("xla", 0.2)
    for results in (str(path), evidence):
        assert detcost.choose(["matmul_square"], max_rate=0.2, results=results) == choice
    assert detcost.choose(device="GPU:0", survive=["repeat"], results=evidence).best is None


# The source of an answer, and the code to paste.


def test_an_answer_has_its_source():
    wide = Controls(cost(1.0, 0.9, 1.1), Control(20, 20, True), Control(0, 20, True))
    choice = choose(cell(**OLD), cell("xla", controls=wide), cell("threads=1", scenario="b"))
    source = choice.source
    assert (source.machine, source.processor) == ("box", "Some CPU @ 2.00GHz")
    assert (source.tensorflow, source.profiles) == ("2.21.0", ("standard",))
    assert source.runs == ("20260102T030405-0a1b2c3d", "old")
    assert source.first_measured < "2026" < source.last_measured
    assert (source.noise.low, source.noise.high) == (0.9, 1.1), "the widest"
    assert source.failed_controls == ()


FAILING = Controls(cost(1.2, 1.1, 1.3), Control(3, 20, False), Control(1, 20, False))


def test_failed_controls_are_a_warning():
    choice = choose(cell(), cell("xla", 0.5, controls=FAILING))
    assert len(choice.source.failed_controls) == 3
    for shown in (plain(terminal(choice)), choice_tables.markdown(choice)):
        assert "CONTROLS FAILED: default against itself has the cost 1.200" in shown
        assert "known to vary did not" in shown
        assert "known to be stable varied" in shown
    assert "CONTROLS" not in plain(terminal(choose(cell())))


def test_the_code_to_paste_is_the_code_that_was_measured():
    setting = grammar.parse("deterministic_ops_env+threads=1")
    choice = choose(races(seed=7), cell(setting.name, 1.5, seed=7)).snippets
    assert choice.python == setting.snippet(7)
    assert "set_random_seed(7)" in choice.python
    assert choice.environment == "export TF_DETERMINISTIC_OPS=1"
    assert choice.line is None
    assert choice.keras.endswith("model.compile(optimizer, loss, jit_compile=False)")
    compiled = choose(cell(), cell("xla", 0.5)).snippets
    assert compiled.line in compiled.python
    assert compiled.keras.count("jit_compile") == compiled.keras.count("jit_compile=True") == 1


def test_a_lever_of_a_newer_detcost_is_chosen_without_code():
    choice = choose(cell(), cell("warp=9", 0.5))
    assert choice.best == "warp=9"
    assert choice.snippets is None
    assert "To paste" not in choice_tables.markdown(choice)


# Tables and JSON.


def terminal(answer: Choice | Sequence[Choice]) -> str:
    console = Console(file=io.StringIO(), width=300, color_system="truecolor", force_terminal=True)
    console.print(choice_tables.terminal(answer))
    return console.file.getvalue()


def plain(text: str) -> str:
    """Remove the styles of rich."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def rows(markdown: str) -> list[list[str]]:
    """Parse a table as GitHub does. An escaped bar is no border."""
    return [
        [word.strip() for word in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in markdown.split("\n")
        if line.startswith("|")
    ]


def outside_code(markdown: str) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", markdown, flags=re.DOTALL | re.MULTILINE)


def test_a_table_has_the_cost_and_result_of_every_setting():
    choice = choose(
        races(),
        cell("op_determinism", 1.3, scopes={"threads": clean(6)}),
        cell("op_determinism+xla", 1.3),
        failed(setting="xla", reason="ValueError: no"),
    )
    table = rows(choice_tables.markdown(choice))
    assert table[0] == ["setting", "cost [95 %]", "repeat", "process", "result"]
    names, costs, repeat, process, words = zip(*table[2:], strict=True)
    assert names == ("`op_determinism`", "`op_determinism+xla`", "`default`", "`xla`")
    assert costs == (r"1.30 \[1.30, 1.30\]", r"1.30 \[1.30, 1.30\]", "1", "–")
    assert repeat == ("0/310 ≤ 0.96 %", "0/310 ≤ 0.96 %", "300/310", "–")
    assert process == ("0/20 ≤ 14 %", "0/20 ≤ 14 %", "20/20", "–")
    assert words[0] == "the answer; survives threads as well"
    assert words[1] == "tied: the noise does not separate its cost from the answer's"
    assert words[2].startswith(r"matmul\_square, repeat: 300 of 310 differed; ")
    assert words[3] == r"matmul\_square: failed (ValueError: no)"
    shown = plain(terminal(choice))
    for word in (*table[0], *(name.strip("`") for name in names), "0/310 ≤ 0.96 %", "the answer"):
        assert word in shown


def test_many_reasons_are_counted():
    evidence = [races(scenario=f"number_{i}") for i in range(3)]
    assert "; and 3 more |" in choice_tables.markdown(choose(*evidence))


def test_a_table_of_answers_has_a_row_a_scenario():
    evidence = [*two("default", 1, 1), *two("xla", 0.5, 1.0), races(scenario="c")]
    choices = answers.choose_each(evidence, Question())
    table = rows(choice_tables.markdown(choices))
    assert table[0] == ["scenario", "setting", "cost [95 %]", "bounds", "tied with it"]
    bounds = "repeat 0/310 ≤ 0.96 %, process 0/20 ≤ 14 %"
    assert table[2] == ["a", "xla", r"0.50 \[0.50, 0.50\]", bounds, ""]
    assert table[3] == ["b", "default", r"1.00 \[1.00, 1.00\]", bounds, "xla"]
    assert table[4][:3] == ["c", "none qualifies", "–"]
    assert table[4][3].startswith("c, repeat: 300 of 310 differed")
    shown = plain(terminal(choices))
    for words in ("survive repeat, process on CPU:0", "none qualifies", "0/310 ≤ 0.96 %"):
        assert words in shown


def test_nothing_is_called_deterministic():
    for choice in (choose(cell(), cell("op_determinism", 0.5)), choose(races())):
        for shown in (plain(terminal(choice)), choice_tables.markdown(choice)):
            assert "deterministic" not in shown


HOSTILE = [
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!-- x -->"),
    *("x`|y", "a|b", "a\nb", "a\r\n| b |", "`|`", "a\\|b", "a\\", "x\n\n# Heading", "```\nx"),
    *("[x](javascript:y)", "[red]x[/red]", "[/foo]", "[link=http://x]y", ":bug:"),
    "a\x1b[2J\x1b]0;title\x07\rb\x9b\x1b]8;;http://x\x1b\\",
]


def hostile(text: str) -> list[Evidence]:
    """Return evidence with a text in every place that holds one."""
    place: dict[str, Any] = {
        "machine": {"name": text, "cpu": text},
        "versions": {"tensorflow": text},
    }
    place |= {"scenario": text, "size": text, "dtype": text, "device": text}
    controls = Controls(cost(1.2, 1.1, 1.3), None, None)
    odd = msgspec.structs.replace(divergence(0, 0), skipped={text: text})
    return [
        cell(controls=controls, **place),
        cell(text, 0.5, **place),
        failed(setting="xla", reason=text, **place),
        failed(setting="tf32", status="not_applicable", reason=text, **place),
        cell("threads=1", scopes={"isa": meaningless(text)}, **place),
        cell("intra=1", scopes={"isa": odd}, **place),
    ]


def answered(text: str, survive: tuple[str, ...]) -> tuple[Choice, list[Choice]]:
    """Return the answer to a question about such evidence, alone and in a list."""
    question = Question(survive=survive, device=text, machine=text, size=text, dtype=text)
    answer = answers.choose(hostile(text), question)
    return answer, [answer]


@pytest.mark.parametrize("survive", [("process",), ("process", "isa")])
@pytest.mark.parametrize("text", HOSTILE)
def test_untrusted_text_stays_text(text, survive):
    for choice, harmless in zip(answered(text, survive), answered("x", survive), strict=True):
        shown = terminal(choice)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", plain(shown))
        assert "\x1b]8;" not in shown, "a link"
        markdown, usual = choice_tables.markdown(choice), choice_tables.markdown(harmless)
        assert len(markdown.splitlines()) == len(usual.splitlines())
        assert [len(row) for row in rows(markdown)] == [len(row) for row in rows(usual)]
        assert markdown.count("```") == usual.count("```")
        prose = outside_code(markdown).replace("cost [95 %]", "")
        assert not re.search(r"[<>]|(?<!\\)[\[\]]", prose), "HTML or a link"


def test_an_untrusted_name_is_one_word_of_a_command():
    name = "a b; touch /tmp/x $(id) `id` '\""
    [command] = choose(cell(scenario=name, divergence={})).commands
    assert shlex.split(command)[:4] == ["detcost", "measure", name, "--settings"]


@pytest.mark.parametrize("text", ["xla", *HOSTILE])
def test_json_is_strict_and_read_again_as_the_same_choice(text):
    choice = choose(
        cell(machine={"name": text}),
        cell(text, 0.5, machine={"name": text}),
        failed(setting="tf32", reason=text, machine={"name": text}),
        cell("op_determinism", noise=(1.0,), run_id="one block", machine={"name": text}),
        survive=("process", "isa"),
        max_rate=0.5,
    )
    written = choice_tables.json_text(choice)
    json.loads(written, parse_constant=pytest.fail)
    assert msgspec.json.decode(written, type=Choice, strict=True) == choice
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", written)


def test_answers_for_several_scenarios_are_a_list_in_json():
    choices = answers.choose_each([*two("default", 1, 1)], Question())
    assert msgspec.json.decode(choice_tables.json_text(choices), type=list[Choice]) == choices


def test_of_no_scenario_at_all_nothing_is_chosen():
    with pytest.raises(UsageError):
        choose(cell(), scenarios=())


def test_a_scope_named_twice_counts_once():
    assert len(choose(cell(), survive=("repeat", "repeat")).candidates[0].findings) == 1


@pytest.mark.parametrize("cpu", [5, ["x"], {"a": 1}])
def test_json_is_read_again_with_any_name_of_a_processor(cpu):
    choice = choose(cell(machine={"name": "box", "cpu": cpu}))
    assert msgspec.json.decode(choice_tables.json_text(choice), type=Choice) == choice


@pytest.mark.parametrize("field", ["scenario", "device", "size", "dtype"])
def test_a_message_with_untrusted_names_is_one_line(field):
    asked = {"scenarios": ("q",)} if field == "scenario" else {field: "q"}
    with pytest.raises(UsageError) as mistake:
        choose(cell(**{field: "q\x1b[2J\nb"}), **asked)
    assert str(mistake.value).isprintable()


def test_failed_controls_are_a_warning_under_a_table_too():
    choices = answers.choose_each([cell(controls=FAILING)], Question())
    for shown in (plain(terminal(choices)), choice_tables.markdown(choices)):
        assert "CONTROLS FAILED" in shown


def test_default_costs_1_if_its_second_worker_was_lost():
    assert choose(cell(cost=None), cell("xla", 0.5)).best == "xla"


def test_a_scenario_is_no_option_of_a_command_to_paste():
    assert choose(cell(scenario="--out=.bashrc", divergence={})).commands == ()


def test_a_bare_address_is_no_link_in_markdown():
    choice = choose(cell(), failed(setting="xla", reason="see https://evil.example"))
    assert "https://" not in outside_code(choice_tables.markdown(choice))


def test_the_advice_on_a_bound_is_not_shortened():
    name = "crop_and_resize_gradient"
    shown = choice_tables.markdown(choose(cell(scenario=name), survive=("process",), max_rate=0.05))
    assert "would bound it at 4.9 %" in shown


# Conditions that could not be tried, and evidence that lacks something.


def test_a_check_names_conditions_that_could_not_be_tried():
    skipped = {"oneDNN=SSE41": "no such CPU", "oneDNN=AVX": "did not take"}
    some = msgspec.structs.replace(clean(6), skipped=skipped)
    none = msgspec.structs.replace(divergence(0, 0), skipped=skipped)
    for count, reasons in (
        (some, ()),
        (none, ("isa: not measured (oneDNN=SSE41, oneDNN=AVX could not be tried)",)),
    ):
        [candidate] = choose(cell(scopes={"isa": count}), survive=("isa",)).candidates
        assert candidate.findings[0].skipped == ("oneDNN=SSE41", "oneDNN=AVX")
        assert candidate.reasons == tuple(f"matmul_square, {reason}" for reason in reasons)


def test_without_default_no_cost_is_known():
    choice = choose(cell("xla"), cell("threads=1", 2.0))
    assert choice.best is None
    assert [(c.cost, c.reasons) for c in choice.candidates] == [
        (None, ("its cost is not known",))
    ] * 2


def test_the_source_of_sparse_evidence_has_unknowns():
    choice = choose(cell(machine={"name": "box"}, controls=None))
    assert choice.source.processor == "unknown CPU"
    assert choice.source.noise is None


def test_noise_is_known_only_from_whole_intervals():
    def controls(low: float | None, high: float | None) -> Controls:
        return Controls(cost(1.0, low, high), None, None)

    known = cell("xla", controls=controls(0.99, 1.01))
    for low, high in ((0.5, None), (None, 2.0), (None, None)):
        noise = choose(cell(controls=controls(low, high)), known).source.noise
        assert noise is not None
        assert (noise.low, noise.high) == (0.99, 1.01)


def test_two_levers_that_mean_something_stay_together():
    """Without ``xla``, the combination of the other two levers is what was measured."""
    choice = choose(
        *two("default", 1, 1),
        *two("op_determinism+threads=1", 2.0, 2.0),
        cell("op_determinism+threads=1+xla", 0.5, scenario="a"),
        means_nothing("xla", scenario="b"),
        means_nothing("op_determinism+threads=1+xla", scenario="b"),
    )
    candidate = named(choice, "op_determinism+threads=1+xla")
    assert candidate.qualifies
    assert candidate.cost is not None
    assert candidate.cost.ratio == pytest.approx(math.sqrt(0.5 * 2.0), rel=1e-3)


def test_a_combination_needs_the_record_of_its_rest():
    choice = choose(
        *two("default", 1, 1),
        cell("tf32=off+xla", 0.5, scenario="a"),
        means_nothing("xla", scenario="b"),
        means_nothing("tf32=off+xla", scenario="b"),
    )
    assert named(choice, "tf32=off+xla").reasons == (
        "b: not applicable (tf32=off+xla means nothing to it)",
    )


def test_commands_for_each_scenario_write_to_the_wanted_file():
    [choice] = answers.choose_each([cell(divergence={})], Question(), "mine.jsonl")
    assert [shlex.split(command)[-2:] for command in choice.commands] == [["--out", "mine.jsonl"]]


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ({"device": "CPU:1"}, 'device "CPU:1"; did you mean "CPU:0"?; there is CPU:0'),
        ({"machine": "bax"}, 'machine "bax"; did you mean "box"?; there is box'),
        ({"tensorflow": "2.2"}, 'TensorFlow "2.2"; did you mean "2.21.0"?; there is 2.21.0'),
        ({"size": "huge"}, 'size "huge"; there is medium'),
        ({"dtype": "int8"}, 'type "int8"; there is float32'),
    ],
)
def test_a_name_without_evidence_is_refused_with_its_kind(question, line):
    with pytest.raises(UsageError) as mistake:
        choose(cell(), **question)
    assert str(mistake.value) == f"no evidence of {line}"


@pytest.mark.parametrize(("more", "rest"), [(0, ""), (1, " and 1 more")])
def test_names_are_counted_only_if_some_are_not_listed(more, rest):
    names = [f"box_{i:02}" for i in range(LISTED + more)]
    evidence = [cell(machine={"name": name}) for name in names]
    with pytest.raises(UsageError) as mistake:
        choose(*evidence, machine="qqqq")
    assert str(mistake.value).endswith(f"; there is {', '.join(names[:LISTED])}{rest}")


def test_a_question_without_evidence_is_refused_in_one_line():
    with pytest.raises(UsageError) as mistake:
        choose()
    assert str(mistake.value) == (
        "no evidence to choose from; run make bench, or detcost measure --out"
    )


def test_of_equally_wide_a_a_comparisons_the_first_is_the_noise():
    first, second = (
        Controls(msgspec.structs.replace(cost(1.0, 0.99, 1.01), block_ratios=[ratio]), None, None)
        for ratio in (1.0, 1.001)
    )
    choice = choose(cell(controls=first), cell("xla", controls=second))
    assert choice.source.noise == first.same_setting


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ({"scenarios": ()}, "no scenario to choose for; name some, a family, or all"),
        ({"max_rate": 1.01}, "rate 1.01: must be above 0 and at most 1, such as 0.05"),
    ],
)
def test_a_question_without_an_answer_is_refused_in_one_line(question, line):
    with pytest.raises(UsageError) as mistake:
        Question(**question)
    assert str(mistake.value) == line


@pytest.mark.parametrize(
    ("setting", "levers"), [("default", 0), ("xla", 1), ("op_determinism+threads=1+xla", 3)]
)
def test_default_has_no_levers(setting, levers):
    assert lever_count(setting) == levers


# A device other than the usual one.

GPU = {"device": "GPU:0", "machine": {"name": "big", "cpu": "X", "accelerators": ["GPU:0 H"]}}


def test_a_machine_with_a_cpu_is_the_default_and_a_gpu_can_be_asked_for():
    """The machine measured last has only its GPU measured."""
    records = [cell(), cell(**GPU, measured_at="2027-01-01T00:00:00+00:00")]
    assert answers.choose(records, Question()).device == "CPU:0"
    of_gpu = answers.choose(records, Question(device="GPU:0"))
    assert (of_gpu.source.machine, of_gpu.source.processor) == ("big", "H")


def test_evidence_of_a_gpu_alone_needs_no_device_named():
    assert answers.choose([cell(**GPU)], Question()).device == "GPU:0"
    with pytest.raises(UsageError, match='no evidence of device "CPU:0"'):
        answers.choose([cell(**GPU)], Question(device="CPU:0"))


def test_a_program_is_named_as_it_was_measured():
    """Evidence has no folders of the machine that measured it."""
    records = [cell(scenario="mine.py:fit"), cell(scenario="mine.py:fit", setting="xla")]
    for name in ("own/mine.py:fit", "mine.py:fit"):
        assert answers.choose(records, Question(scenarios=(name,))).scenarios == ("mine.py:fit",)


def test_a_machine_that_measured_the_scenario_is_the_default():
    """A program of the user's, measured later on another machine, does not hide it."""
    own = {"machine": {"name": "laptop"}, "measured_at": "2027-01-01T00:00:00+00:00"}
    records = [cell(), cell(scenario="mine.py:fit", **own)]
    assert (
        answers.choose(records, Question(scenarios=("matmul_square",))).source.machine != "laptop"
    )
    assert answers.choose(records, Question(scenarios=("mine.py:fit",))).source.machine == "laptop"
    assert answers.choose(records, Question()).source.machine == "laptop"
