"""The page in a real Chromium: its answers, and its use by anyone."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from detcost.choosing.answers import Choice, choose
from detcost.choosing.common_bits import common_bits
from detcost.choosing.question import Question
from detcost.evidence import reading
from detcost.evidence.following import FollowedProcess, Following
from detcost.evidence.schema import (
    ALL_SCOPES,
    DERIVED_SCOPES,
    OWN_SCOPES,
    SCOPES,
    Control,
    Controls,
    Divergence,
    Evidence,
    RepeatedDraws,
    Variant,
)
from detcost.locating import keeping
from detcost.report import site
from detcost.tables import fleet_tables
from detcost.tables.choice_tables import headline
from factories import cost, divergence, failed, following, racing, record, variant
from locations import location, python_value, scatter
from paths import ROOT

AXE = resources.files("axe_playwright_python") / "axe.min.js"
CHROMIUM = shutil.which("chromium")
HOSTILE = "<img src=x onerror=alert(1)>"

if not CHROMIUM and not os.environ.get("CI"):  # in CI its absence is a failure
    pytest.skip("no chromium here; apt install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    words = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=words)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """The page of the committed results."""
    out = tmp_path_factory.mktemp("real")
    return site.write(ROOT / "results", out, "../index.html")[0]


def several() -> list[Evidence]:
    """Return evidence of two machines, two versions, two runs, hostile names, failed controls."""
    slow = {"setting": "op_determinism", "cost": cost(1.34, 1.29, 1.40)}
    bad = Controls(cost(1.0, 0.99, 1.01), Control(0, 20, ok=False), Control(0, 20, ok=True))
    races = {"divergence": {"repeat": divergence(300, 315), "process": divergence(20, 20)}}
    other = {"machine": {"name": HOSTILE, "cpu": HOSTILE}, "measured_at": "2026-03-03T00:00:00Z"}
    old = {"versions": {"tensorflow": "2.20.0"}, "measured_at": "2025-03-03T00:00:00Z"}
    return [
        record(**races),
        record(**slow),
        record(**slow, **old, run_id="old", digest="aaaa456789abcdef"),
        record(**old, **races, run_id="old"),
        failed(setting="xla", status="unimplemented", reason=HOSTILE),
        record(scenario="other", **races),
        record(scenario="other", **slow),
        record(**other, **races, controls=bad, run_id="bad"),
        record(**other, **slow, controls=bad, run_id="bad"),
        record(**other, scenario=HOSTILE, run_id="bad"),
    ]


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    """The page of made-up results with every kind of fact."""
    return page_of(tmp_path_factory.mktemp("made-up"), several())


THREADS = msgspec.structs.replace(
    divergence(6, 6, 0.54, 1.0), variants=[variant(str(n), str(n)) for n in (1, 2, 3)]
)
LEFT_OUT = "mine.py:3: tf.config.experimental.enable_op_determinism()"


def with_new_facts() -> list[Evidence]:
    """Return cells that race, carry state or diverge, and a cell of an older detcost."""
    steady = {"repeat": divergence(0, 315), "process": divergence(0, 20, 0.0, 0.14)}
    parted = msgspec.structs.replace(divergence(4, 6, 0.2, 0.96), first_call=7)
    ways = [Variant(label, 1, 1, 1, "own") for label in ("eager", "graph", "xla")]
    as_compiled = {**steady, "execution": Divergence(3, 3, 1.0, 0.29, 1.0, 2, variants=ways)}
    state = {"carries_state": True, "sequence": ["a", "b"]}
    varies = {**state, "same_bits_as_default": "default varies", "setting": "xla"}
    old = {"scenario": "steady", "schema": 2, "run_id": "old", "same_bits_as_default": None}
    other = {"setting": "xla", "same_bits_as_default": "no"}
    return [
        record(scenario="racing", divergence=racing(threads=THREADS, load=divergence(0, 4))),
        record(scenario="racing", divergence={**steady, "threads": THREADS}, **other),
        record(scenario="trained", divergence={**steady, "load": parted}, **state),
        record(
            scenario="trained", setting="xla", divergence=steady, overridden=[LEFT_OUT], **state
        ),
        record(scenario="parted", divergence=racing(threads=parted), **state),
        record(scenario="parted", divergence={**steady, "process": parted}, **varies),
        record(divergence=as_compiled, digest="other", **old),
        record(divergence=as_compiled, digest="own", setting="xla", **old),
    ]


@pytest.fixture(scope="module")
def new_facts(tmp_path_factory) -> Path:
    """The page of made-up results with the facts of schema 3, and of an older one."""
    return page_of(tmp_path_factory.mktemp("new-facts"), with_new_facts())


def with_edge_cases() -> list[Evidence]:
    """Return cells without a bound, a cost, a scope or a record, and untrusted figures."""
    steady = {"repeat": divergence(0, 315), "process": divergence(0, 20, 0.0, 0.14)}
    nothing = msgspec.structs.replace(divergence(0, 0), rate=None, low=None, high=None)
    means_nothing = msgspec.structs.replace(nothing, reason="the scenario sets it itself")
    skipped = msgspec.structs.replace(nothing, skipped={"two": "no second core"})
    unbounded = msgspec.structs.replace(divergence(0, 4), high=None)
    zero, above = divergence(0, 3, 0.0, 0.0), divergence(0, 3, 0.0, 7.0)
    more = {"threads": means_nothing, "load": skipped, "isa": unbounded, "execution": zero}
    odd = {**steady, "threads": above, "load": unbounded, "isa": means_nothing}
    excused = {"status": "not_applicable", "reason": "xla means nothing to it"}
    return [
        record(scenario="first", divergence={**steady, **more}),
        record(scenario="first", setting="xla", divergence=odd),
        record(scenario="first", setting="tf32=off", divergence=steady, cost=None),
        failed(scenario="first", setting="op_determinism", status="out_of_memory", reason=None),
        record(scenario="second", divergence={**steady, "isa": means_nothing}),
        failed(scenario="second", setting="xla", **excused),
        record(scenario="second", setting="onednn=off", divergence={**odd, "execution": zero}),
        record(scenario="second", setting="tf32=off", cost=cost(1.1, None, None)),
        record(scenario="-third", family="odd", divergence=steady),
        record(scenario="-third", family="odd", setting="threads=1", divergence={}),
    ]


@pytest.fixture(scope="module")
def edge_cases(tmp_path_factory) -> Path:
    """The page of made-up results in which much is missing."""
    return page_of(tmp_path_factory.mktemp("edge-cases"), with_edge_cases())


def page_of(folder: Path, records: list[Evidence]) -> Path:
    path = folder / "results" / "x.trials.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in records))
    return site.write(path.parent, folder / "out")[0]


@pytest.fixture
def tab(browser) -> Iterator[Page]:
    """A window in which an error, or a request that leaves the folder, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: message.type == "error" and trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append(f"dialog {dialog.message}"))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("file:", "blob:", "data:")) or trouble.append(request.url)
        ),
    )
    page.on("requestfailed", lambda request: trouble.append(f"failed: {request.url}"))
    yield page
    context.close()
    assert trouble == []


def show(tab: Page, page: Path, state: str = "") -> Page:
    # A change of the state alone loads no page, so each test starts with an empty one.
    tab.goto("about:blank")
    tab.goto(page.as_uri() + state)
    tab.wait_for_selector("#answer[data-best]")
    return tab


def best(tab: Page) -> str | None:
    return tab.get_attribute("#answer", "data-best")


# -- the same answers as the command -------------------------------------------------------

ANSWERS = """questions => questions.map(([subject, survive, maxRate]) => {
  const machineData = detcost.machine(detcost.received.get(detcost.index.machines[0].key));
  const view = machineData.views[0];
  const choice = detcost.choose({machineData, view, subject, survive, maxRate});
  return {
    headline: detcost.headline(choice),
    best: choice.best,
    commands: choice.commands,
    elsewhere: choice.elsewhere,
    locate: choice.locate,
    candidates: choice.candidates.map(each => [
      each.setting, each.qualifies, each.tied, each.reasons, each.alsoSurvives,
      each.cost && [each.cost.ratio, each.cost.low, each.cost.high],
      each.worst && each.worst.ratio,
      each.findings.map(found => [
        found.scenario, found.scope, found.survives, found.divergent, found.trials, found.high,
        found.applies, found.why, found.anyway, found.note,
      ]),
    ]),
    snippets: choice.snippets,
    cold: choice.source.cold,
  };
})"""


def as_page_data(choice: Choice) -> dict[str, Any]:
    found = {
        "headline": headline(choice),
        "best": choice.best,
        "commands": choice.commands,
        "elsewhere": choice.elsewhere,
        "locate": choice.locate,
        "candidates": [
            (
                *(each.setting, each.qualifies, each.tied, each.reasons, each.also_survives),
                each.cost and (each.cost.ratio, each.cost.low, each.cost.high),
                each.worst and each.worst.ratio,
                [
                    (
                        *(f.scenario, f.scope, f.survives, f.divergent, f.trials, f.high),
                        *(f.applies, f.why, f.anyway, f.note),
                    )
                    for f in each.findings
                ],
            )
            for each in choice.candidates
        ],
        "snippets": choice.snippets,
        "cold": choice.source.cold,
    }
    return json.loads(msgspec.json.encode(found))


def subjects() -> list[str]:
    records, _ = reading.read(ROOT / "results")
    return ["all", "tf_data", *dict.fromkeys(record.scenario for record in records)]


@pytest.mark.parametrize("subject", subjects())
def test_the_page_and_the_command_agree(subject, tab, real):
    """For each committed scenario, a family and all: every set of scopes, several rates."""
    records, _ = reading.read(ROOT / "results")
    machine = choose(records, Question(scenarios=(subject,))).source.machine
    agree(show(tab, real, f"#machine={machine}"), subject, records)


@pytest.mark.parametrize("subject", ["all", "racing", "trained", "parted", "steady"])
def test_they_agree_about_races_state_and_old_evidence(subject, tab, new_facts):
    records, problems = reading.read(new_facts.parents[1] / "results")
    assert problems == []
    agree(show(tab, new_facts), subject, records)


@pytest.mark.parametrize("subject", ["all", "first", "second", "-third", "matmul", "odd"])
def test_they_agree_where_much_is_missing(subject, tab, edge_cases):
    records, problems = reading.read(edge_cases.parents[1] / "results")
    assert problems == []
    agree(show(tab, edge_cases), subject, records)


def agree(tab: Page, subject: str, records: list[Evidence]) -> None:
    """Ask the page and the command about a subject: every set of scopes, several rates."""
    sets = [s for n in range(1, 7) for s in itertools.combinations(SCOPES, n)]
    sets += [("machine",), ("version",), (*OWN_SCOPES, "machine"), (*OWN_SCOPES, "version")]
    sets += [DERIVED_SCOPES, ALL_SCOPES]
    source = choose(records, Question(scenarios=(subject,))).source
    here = {"machine": source.machine, "tensorflow": source.tensorflow}
    rates = itertools.cycle([None, 0.5, 0.1, 0.0099])
    asked = list(zip([*sets, SCOPES[:2], SCOPES[:3]], rates, strict=False))
    answers = tab.evaluate(ANSWERS, [[subject, list(survive), rate] for survive, rate in asked])
    for (survive, rate), answer in zip(asked, answers, strict=True):
        question = Question(scenarios=(subject,), survive=survive, max_rate=rate, **here)
        assert answer == as_page_data(choose(records, question))


# -- all machines ----------------------------------------------------------------------------


def test_the_page_says_what_makes_all_machines_agree_as_the_command_does(tab, real):
    records, _ = reading.read(ROOT / "results")
    show(tab, real)
    header, *rows = fleet_tables.rows(common_bits(records))
    table = tab.locator("#fleet-body table").first
    expect(table.locator("thead th")).to_have_text(header)
    expect(table.locator("tbody tr")).to_have_count(len(rows))
    expect(table.locator("tbody tr").first.locator("td")).to_have_text(rows[0][1:])
    expect(tab.locator("#fleet-body li").first).to_contain_text("could explain the groups")


def test_a_page_of_one_machine_has_no_section_for_all(tab, edge_cases):
    show(tab, edge_cases)
    expect(tab.locator("#fleet")).to_be_hidden()
    expect(tab.locator("#fleet-link")).to_be_hidden()


# -- choosing --------------------------------------------------------------------------------


def test_the_first_screen_is_an_answer(tab, real):
    show(tab, real)
    assert best(tab)
    box = tab.locator("#answer").bounding_box()
    assert box
    assert box["y"] < 900


def test_the_list_of_scenarios_begins_with_programs_like_a_users(tab, tmp_path):
    page = page_of(tmp_path, [record(), record(scenario="unet", family="models")])
    show(tab, page, "#scenario=unet")
    groups = tab.locator("#scenario > *")
    expect(groups.nth(0)).to_have_attribute("label", "A program like mine")
    expect(groups.nth(0).locator("option")).to_have_text(["unet"])
    expect(groups.nth(3)).to_have_attribute("label", "Scenarios")
    expect(groups.nth(3).locator("option")).to_have_text(["matmul_square"])
    expect(tab.locator("#scenario-summary")).to_contain_text("resize_bilinear_gradient")
    assert tab.input_value("#scenario") == "unet"


def test_another_question_has_another_answer_and_address(tab, real):
    show(tab, real)
    tab.select_option("#scenario", "conv2d_backward")
    assert best(tab) == "default"
    tab.check("input[name=survive][value=threads]")
    assert best(tab) == "threads=1"
    assert "threads" in tab.url
    assert "scenario=conv2d_backward" in tab.url


def test_an_address_restores_question_and_answer(tab, real):
    show(tab, real, "#scenario=conv2d_backward&survive=repeat,process,threads&max-rate=0.5")
    assert tab.input_value("#scenario") == "conv2d_backward"
    assert tab.is_checked("input[name=survive][value=threads]")
    assert not tab.is_checked("input[name=survive][value=isa]")
    assert tab.input_value("#max-rate") == "50"
    assert best(tab) == "threads=1"


def test_back_restores_the_previous_question(tab, real):
    show(tab, real)
    tab.select_option("#scenario", "conv2d_backward")
    tab.select_option("#scenario", "matmul_square")
    tab.go_back()
    assert tab.input_value("#scenario") == "conv2d_backward"
    assert best(tab) == "default"


def test_an_address_with_unknown_names_still_has_an_answer(tab, real):
    show(tab, real, "#scenario=nonsense&survive=gravity&device=QPU:9&sort=%F0%9F")
    assert best(tab) is not None


def test_without_an_answer_the_page_states_the_reasons(tab, real):
    show(tab, real, "#scenario=conv2d_backward&survive=threads,isa")
    assert best(tab) == ""
    expect(tab.locator("#answer")).to_contain_text("no setting measured survives threads, isa")
    expect(tab.locator("#answer")).to_contain_text("of 5 differed")


def test_the_page_names_the_command_for_missing_cells(tab, made_up):
    show(tab, made_up, "#machine=box&scenario=matmul_square&survive=repeat,isa")
    expect(tab.locator("#answer")).to_contain_text("detcost measure matmul_square --settings")


def test_a_wrong_rate_is_marked(tab, real):
    show(tab, real)
    tab.fill("#max-rate", "lots")
    tab.press("#max-rate", "Enter")
    assert tab.get_attribute("#max-rate", "aria-invalid") == "true"


def test_the_copy_button_copies_the_code(tab, real):
    show(tab, real, "#scenario=conv2d_backward&survive=repeat,process,threads")
    tab.click("button.copy[data-copy=python]")
    copied = tab.evaluate("navigator.clipboard.readText()")
    records, _ = reading.read(ROOT / "results")
    question = Question(scenarios=("conv2d_backward",), survive=("repeat", "process", "threads"))
    assert copied.strip() == choose(records, question).snippets.python


# -- the table ---------------------------------------------------------------------------------


def column(tab: Page, attribute: str = "data-setting") -> list[str]:
    rows = tab.locator("table#settings tr[data-setting]")
    return [rows.nth(i).get_attribute(attribute) or "" for i in range(rows.count())]


def test_every_setting_has_a_row(tab, real):
    """The grid of eight, and the setting that agrees across processors."""
    show(tab, real, "#scenario=conv2d_backward")
    assert len(column(tab)) == 9


def test_a_header_sorts_by_number_in_both_directions(tab, real):
    show(tab, real, "#scenario=conv2d_backward")
    header = tab.locator("table#settings th", has_text="cost").first
    header.locator("button").click()
    first = header.get_attribute("aria-sort")
    cheapest = column(tab)
    header.locator("button").click()
    assert {first, header.get_attribute("aria-sort")} == {"ascending", "descending"}
    assert column(tab) == cheapest[::-1]
    assert "sort=" in tab.url


def test_a_row_opens_to_blocks_and_thread_pool_groups(tab, real):
    show(tab, real, "#scenario=conv2d_backward")
    row = tab.locator('table#settings tr[data-setting="op_determinism"]')
    row.locator("button[aria-expanded]").first.click()
    details = tab.locator("table#settings tr.details").first
    expect(details).to_be_visible()
    expect(details.locator("svg").first).to_be_visible()
    expect(details).to_contain_text("8–16")


def test_an_ambiguous_cost_has_no_colour(tab, real):
    """An ambiguous cost looks like any other text; a clear cost does not."""
    show(tab, real, "#scenario=matmul_square&survive=repeat")
    colour = "element => getComputedStyle(element).color"
    plain = tab.locator("body").evaluate(colour)
    word = tab.locator("table#settings tr:not(.dominated)").get_by_text
    assert word("ambiguous", exact=True).first.evaluate(colour) == plain
    assert tab.get_by_text("costs", exact=True).first.evaluate(colour) != plain


def test_a_dominated_row_is_dimmed_with_the_reason(tab, real):
    show(tab, real, "#scenario=matmul_square&survive=repeat,process,threads")
    dominated = tab.locator("table#settings tr.dominated")
    names = [dominated.nth(i).get_attribute("data-setting") for i in range(dominated.count())]
    assert "op_determinism+threads=1" in names
    assert best(tab) not in names
    expect(dominated.first).to_contain_text("ominated")


# -- races, state, and other facts of a cell ----------------------------------------------------


def opened(tab: Page, page: Path, scenario: str, setting: str = "default") -> Locator:
    """Return the details of a setting's row."""
    show(tab, page, f"#machine=box&scenario={scenario}&open={setting}")
    return tab.locator("table#settings tr.details")


def row_of(tab: Page, setting: str = "default") -> Locator:
    return tab.locator(f'table#settings tr[data-setting="{setting}"]')


COLOUR = "element => getComputedStyle(element).color"
ANYWAY = "(k/n): the bits differ in repeat or process already"


def test_a_count_that_differs_anyway_is_in_parentheses(tab, new_facts):
    details = opened(tab, new_facts, "racing")
    count, race = row_of(tab).locator("td.anyway"), row_of(tab).locator("td.diverged").first
    expect(count).to_have_text("(6/6)")
    expect(race).to_contain_text("≠ 300/315")
    assert count.evaluate(COLOUR) != race.evaluate(COLOUR)
    assert count.evaluate("element => getComputedStyle(element).fontWeight") == "400"
    expect(tab.locator("#anyway")).to_contain_text(ANYWAY)
    expect(details).to_contain_text(ANYWAY)
    assert details.locator(".partition").count() == 0


def test_without_a_race_the_count_is_marked_and_grouped(tab, new_facts):
    details = opened(tab, new_facts, "racing", "xla")
    expect(row_of(tab, "xla").locator("td.diverged")).to_contain_text("≠ 6/6")
    assert details.locator(".partition li").count() == 3
    show(tab, new_facts, "#machine=box&scenario=trained")
    expect(tab.locator("#anyway")).to_be_empty()


def test_a_racing_cell_is_disqualified_by_its_race(tab, new_facts):
    show(tab, new_facts, "#machine=box&scenario=racing&survive=threads")
    expect(tab.locator("#answer")).to_contain_text("threads: differs in repeat already")
    expect(row_of(tab)).to_contain_text("threads: differs in repeat already")


def test_a_scope_has_the_note_that_the_cell_carries_state(tab, new_facts):
    words = "carries state, its sequence repeats"
    details = opened(tab, new_facts, "trained")
    for place in (tab.locator("#answer"), row_of(tab), details):
        expect(place).to_contain_text(words)
    expect(details).to_contain_text("4/6 = 67 % [20, 96]; first differs at call 7")
    show(tab, new_facts, "#machine=box&scenario=trained&survive=load")
    expect(tab.locator("#answer")).to_contain_text("load: 4 of 6 differed; first differs at call 7")
    show(tab, new_facts, "#machine=box&scenario=all&survive=repeat&open=xla")
    expect(row_of(tab, "xla")).to_contain_text(f"in 2 of 4: {words}")
    expect(tab.locator("table.nested")).to_contain_text(words)


def test_a_column_compares_with_the_bits_of_default(tab, new_facts):
    for scenario, setting, same in (
        ("racing", "default", "yes"),
        ("racing", "xla", "no"),
        ("parted", "xla", "default varies"),
        ("steady", "xla", "–"),
    ):
        details = opened(tab, new_facts, scenario, setting)
        heads = tab.locator("table#settings thead th").all_inner_texts()
        [place] = [i for i, head in enumerate(heads) if head.startswith("Same bits")]
        assert row_of(tab, setting).locator("th, td").nth(place).inner_text() == same
        fact = details.locator("div", has=tab.get_by_text("same bits as default", exact=True))
        expect(fact.last).to_contain_text(same)
    show(tab, new_facts, "#machine=box&scenario=all")
    expect(row_of(tab, "xla")).to_contain_text("1 default varies, 1 no, 1 not known, 1 yes")


def test_the_page_lists_overridden_settings(tab, new_facts):
    expect(opened(tab, new_facts, "trained", "xla")).to_contain_text(LEFT_OUT)
    expect(opened(tab, new_facts, "trained")).not_to_contain_text("left out of the program")


def test_costs_of_old_evidence_are_marked_as_cold(tab, new_facts):
    words = "cost: of steps after idleness, as detcost measured before schema 3"
    show(tab, new_facts, "#machine=box&scenario=steady&survive=execution")
    assert best(tab) == "xla"
    expect(tab.locator("#answer .provenance")).to_contain_text(words)
    expect(tab.locator("#machine-card")).to_contain_text("off (1 of 2 runs)")
    show(tab, new_facts, "#machine=box&scenario=racing")
    expect(tab.locator("#answer .provenance")).not_to_contain_text(words)


def test_without_old_evidence_nothing_is_marked_as_cold(tab, made_up):
    show(tab, made_up, "#machine=box")
    expect(tab.locator("#machine-card")).not_to_contain_text("after idleness")


# -- accessibility -------------------------------------------------------------------------------


def test_the_keyboard_alone_suffices(tab, real):
    show(tab, real)
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.id") == "scenario":
            break
    else:
        raise AssertionError("Tab does not reach the scenarios")
    tab.keyboard.type("conv2d")
    assert tab.input_value("#scenario") == "conv2d_backward"
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.value") == "threads":
            break
    tab.keyboard.press("Space")
    assert best(tab) == "threads=1"
    for _ in range(60):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.dataset.copy") == "python":
            break
    tab.keyboard.press("Enter")
    assert "set_random_seed" in tab.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize(
    ("scheme", "width", "state"),
    [
        ("light", 1280, "#scenario=conv2d_backward&survive=threads&open=threads%3D1"),
        ("dark", 1280, "#scenario=conv2d_backward&survive=threads"),
        ("light", 400, "#survive=isa"),
        ("dark", 400, ""),
    ],
)
def test_axe_finds_nothing(tab, real, scheme, width, state):
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    show(tab, real, state)
    tab.evaluate(AXE.read_text())
    found = tab.evaluate("axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []


def test_a_width_of_400_pixels_suffices(tab, real):
    tab.set_viewport_size({"width": 400, "height": 800})
    show(tab, real, "#scenario=conv2d_backward")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400
    expect(tab.locator("#answer")).to_be_visible()


def test_the_page_follows_the_dark_scheme(tab, real):
    brightness = """() => {
      const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g);
      return (+r + +g + +b) / 3;
    }"""
    tab.emulate_media(color_scheme="light")
    show(tab, real)
    assert tab.evaluate(brightness) > 200
    tab.emulate_media(color_scheme="dark")
    assert tab.evaluate(brightness) < 60


# -- followed over many steps ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Path:
    """The page of cells that were followed: one parts, one never does, one has odd figures."""
    never = Following(40, [FollowedProcess("process", "quiet", 0)])
    drawn = RepeatedDraws("unseeded", 5, 5)
    odd = FollowedProcess(
        *(HOSTILE, "quiet", 9, 2, [HOSTILE]),
        steps=[2, 2, -1, 10**15, 3, 4],
        relative=[1e-300, 1e300, 1.0, 1.0, -1.0, 0.0, 1e-3],
        max_ulp=[None],
    )
    long = FollowedProcess("threads", "1", 5, 1, [], list(range(1, 5001)), [1e-7] * 5000)
    records = [
        record(following=following()),
        record(setting="op_determinism", following=never, repeated_draws=drawn),
        record(setting="xla", following=following(1.5)),
        record(setting="tf32=off", following=Following(10**15, [odd, long])),
        record(setting="threads=1", following=Following(9, [], {"quiet": HOSTILE})),
    ]
    return page_of(tmp_path_factory.mktemp("followed"), records)


def test_two_curves_show_how_the_setting_and_default_part(tab, followed):
    details = opened(tab, followed, "matmul_square", "xla")
    chart = details.get_by_role("img", name="Distance of the outputs by step, process")
    label = chart.get_attribute("aria-label")
    assert "xla: parts at step 3 of 40; distance 1e-08 then, 1e-02 at the end" in label
    assert "default (dashed): parts at step 3 of 40" in label
    assert chart.locator("polyline").count() == 2
    expect(details).to_contain_text("threads: 0 of 40 steps differed")


def test_a_setting_that_never_parts_stands_beside_the_curve_of_default(tab, followed):
    details = opened(tab, followed, "matmul_square", "op_determinism")
    expect(details).to_contain_text("process: 0 of 40 steps differed")
    assert details.locator("polyline.of-default").count() == 1
    assert details.locator("polyline:not(.of-default)").count() == 0


def test_the_page_says_that_draws_repeat(tab, followed):
    details = opened(tab, followed, "matmul_square", "op_determinism")
    expect(details).to_contain_text("draws the same numbers in every call")
    assert "draws" not in opened(tab, followed, "matmul_square").inner_text()


def test_default_has_its_own_curve_alone(tab, followed):
    details = opened(tab, followed, "matmul_square")
    assert details.locator("polyline").count() == 1
    assert details.locator("polyline.of-default").count() == 0


def test_odd_figures_of_untrusted_evidence_are_left_out(tab, followed):
    details = opened(tab, followed, "matmul_square", "tf32=off")
    points = details.locator("polyline")
    expect(points.first).to_be_visible()
    texts = [points.nth(i).get_attribute("points") for i in range(points.count())]
    assert all("NaN" not in text and len(text.split()) <= 200 for text in texts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_curves(tab, followed, scheme):
    tab.emulate_media(color_scheme=scheme)
    opened(tab, followed, "matmul_square", "xla")
    tab.evaluate(AXE.read_text())
    found = tab.evaluate("axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []


# -- which operation ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def located(tmp_path_factory) -> Path:
    """The page of a program whose operation was found, under two settings."""
    odd = scatter(type=HOSTILE, name=HOSTILE, place=(HOSTILE,), graph=HOSTILE, remedies=())
    folder = tmp_path_factory.mktemp("located")
    for number, found in enumerate(
        (
            location(scatter(), located_at="2026-01-02T00:00:00+00:00"),
            location(odd, setting="xla", located_at="2026-01-01T00:00:00+00:00"),
            location(python_value(), size="large"),
            location(python_value(), machine={"name": "elsewhere"}),
        )
    ):
        keeping.write(found, folder / str(number))
    races = {"scenario": "model.py:step", "divergence": racing()}
    records = [record(**races), record(**races, setting="xla"), record()]
    (folder / "x.trials.jsonl").write_bytes(
        b"".join(msgspec.json.encode(each) + b"\n" for each in records)
    )
    return site.write(folder, folder / "out")[0]


def test_the_page_shows_who_is_to_blame_and_the_way_to_the_outputs(tab, located):
    show(tab, located, "#scenario=model.py:step")
    article = tab.locator("#located article").first
    expect(article.locator(".headline")).to_contain_text(
        "ResourceScatterAdd at model.py:41 is the first operation that differs"
    )
    expect(article).to_contain_text("with the probe 37 of 120 = 31 % [23, 40]")
    assert article.locator("ol.path li").all_inner_texts() == [
        "ResourceScatterAdd at model.py:41 in step",
        "ReadVariableOp at model.py:44",
        "MatMul at model.py:45 in while_body",
        "the outputs of the step",
    ]
    names = article.locator("table tbody th").all_inner_texts()
    assert names == ["op_determinism", "threads=1", "xla"]
    article.get_by_text("Code to paste for op_determinism").click()
    expect(article.locator("pre").first).to_contain_text("enable_op_determinism")


def test_what_was_found_is_shown_for_its_own_scenario_and_size_only(tab, located):
    show(tab, located, "#scenario=matmul_square")
    expect(tab.locator("#located")).to_be_hidden()
    show(tab, located, "#scenario=model.py:step")
    expect(tab.locator("#located")).to_be_visible()
    assert tab.locator("#located article").count() == 2
    expect(tab.locator("#located")).not_to_contain_text("Python")


def test_a_name_of_an_operation_is_never_html(tab, located):
    show(tab, located, "#scenario=model.py:step")
    expect(tab.locator("#located")).to_contain_text(HOSTILE)
    assert tab.locator("img[src=x]").count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_axe_finds_nothing_in_what_was_found(tab, located, scheme, width):
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    show(tab, located, "#scenario=model.py:step")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate(AXE.read_text())
    found = tab.evaluate("axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []


def test_what_was_found_on_a_machine_without_evidence_is_a_problem(tab, located):
    show(tab, located)
    expect(tab.locator("#problems")).to_contain_text("locate ran on elsewhere")


# -- several machines, untrusted text -------------------------------------------------------------


def test_another_machine_is_loaded_when_chosen(tab, made_up):
    show(tab, made_up)
    assert tab.locator("#machine option").count() == 2
    tab.select_option("#machine", "box")
    expect(tab.locator("#machine-card")).to_contain_text("Some CPU")
    assert tab.locator("#tensorflow option").all_inner_texts() == ["2.21.0", "2.20.0"]


def test_untrusted_text_is_never_html(tab, made_up):
    show(tab, made_up)
    assert HOSTILE in tab.locator("#machine").inner_text()
    tab.select_option("#machine", "box")
    tab.select_option("#scenario", "matmul_square")
    assert tab.locator("img[src=x]").count() == 0
    expect(tab.locator("table#settings")).to_contain_text(HOSTILE)


def test_a_run_whose_controls_failed_is_marked_everywhere(tab, made_up):
    show(tab, made_up)
    words = "the scenario known to vary did not"
    expect(tab.locator("#answer")).to_contain_text(words)
    assert tab.get_by_text(words).count() >= 2


def test_machines_with_the_same_bits_are_grouped(tab, made_up):
    show(tab, made_up, "#machine=box&scenario=matmul_square")
    across = tab.locator("#across")
    across.scroll_into_view_if_needed()
    expect(across).to_contain_text("2.20.0")
    expect(across).to_contain_text("same bits")


def test_plots_are_loaded_when_scrolled_to_and_reused(tab, real):
    show(tab, real, "#scenario=matmul_square")
    frontier, forest = (tab.locator(f"#plots-body .{kind} img") for kind in ("frontier", "forest"))
    assert frontier.count() == 0
    tab.locator("#plots").scroll_into_view_if_needed()
    for image in (frontier, forest):
        image.scroll_into_view_if_needed()
        assert image.get_attribute("alt")
        tab.wait_for_function("image => image.naturalWidth > 0", arg=image.element_handle())
    assert "matmul_square" in forest.get_attribute("alt")
    before = frontier.element_handle()
    tab.select_option("#scenario", "conv2d_backward")
    tab.wait_for_selector('#plots-body .forest img[alt*="conv2d_backward"]')
    assert before.evaluate("image => image.isConnected")


def test_claims_have_verdicts_and_evidence(tab, real):
    show(tab, real)
    row = tab.locator("#folklore tr", has_text="training with Adam ends in different weights")
    row.scroll_into_view_if_needed()
    expect(row).to_contain_text("does not hold")
    row.locator("summary").click()
    expect(row).to_contain_text("dense_fit_adam under default, process: 0 of 4 differed")


def test_without_measured_claims_the_section_is_hidden(tab, made_up):
    show(tab, made_up)
    expect(tab.locator("#folklore")).to_be_hidden()


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_table_can_be_downloaded(tab, made_up, kind):
    show(tab, made_up, "#machine=box&scenario=matmul_square")
    with tab.expect_download() as download:
        tab.click(f"#download-{kind}")
    text = Path(download.value.path()).read_text()
    assert "op_determinism" in text
    assert HOSTILE in text if kind == "csv" else json.loads(text)


def test_the_page_links_to_asv(tab, real):
    show(tab, real)
    assert tab.locator('a[href="../index.html"]').count() == 1
