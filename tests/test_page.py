"""The page in a real Chromium: what it answers, and that anyone can use it."""

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
from playwright.sync_api import Browser, Page, expect, sync_playwright

from detcost import reading
from detcost.answers import headline
from detcost.choosing import Choice, choose
from detcost.evidence import Control, Controls, Evidence
from detcost.profiles import SCOPES
from detcost.report import site
from detcost.selection import Question
from records import cost, divergence, failed, record

ROOT = Path(__file__).parents[1]
AXE = resources.files("axe_playwright_python") / "axe.min.js"
CHROMIUM = shutil.which("chromium")
HOSTILE = "<img src=x onerror=alert(1)>"

if not CHROMIUM and not os.environ.get("CI"):  # where it must be there, its absence is a failure
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
    """The page of made-up results that have all there is."""
    folder = tmp_path_factory.mktemp("made-up")
    path = folder / "results" / "x.trials.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in several()))
    return site.write(path.parent, folder / "out")[0]


@pytest.fixture
def tab(browser) -> Iterator[Page]:
    """A window that tells of every error, and of every request that leaves the folder."""
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
    # From one state of a page to another there is no load, so each begins with an empty one.
    tab.goto("about:blank")
    tab.goto(page.as_uri() + state)
    tab.wait_for_selector("#answer[data-best]")
    return tab


def best(tab: Page) -> str | None:
    return tab.get_attribute("#answer", "data-best")


# -- it answers what the command answers ---------------------------------------------------

ANSWERS = """questions => questions.map(([subject, survive, maxRate]) => {
  const machineData = detcost.machine(detcost.received.get(detcost.index.machines[0].key));
  const view = machineData.views[0];
  const choice = detcost.choose({machineData, view, subject, survive, maxRate});
  return {
    headline: detcost.headline(choice),
    best: choice.best,
    commands: choice.commands,
    candidates: choice.candidates.map(each => [
      each.setting, each.qualifies, each.tied, each.reasons, each.alsoSurvives,
      each.cost && [each.cost.ratio, each.cost.low, each.cost.high],
      each.worst && each.worst.ratio,
    ]),
    snippets: choice.snippets,
  };
})"""


def as_the_page_says_it(choice: Choice) -> dict[str, Any]:
    found = {
        "headline": headline(choice),
        "best": choice.best,
        "commands": choice.commands,
        "candidates": [
            (
                *(each.setting, each.qualifies, each.tied, each.reasons, each.also_survives),
                each.cost and (each.cost.ratio, each.cost.low, each.cost.high),
                each.worst and each.worst.ratio,
            )
            for each in choice.candidates
        ],
        "snippets": choice.snippets,
    }
    return json.loads(msgspec.json.encode(found))


def subjects() -> list[str]:
    records, _ = reading.read(ROOT / "results")
    return ["all", "tf_data", *dict.fromkeys(record.scenario for record in records)]


@pytest.mark.parametrize("subject", subjects())
def test_the_page_answers_what_the_command_answers(subject, tab, real):
    """For every scenario committed, a family and all: every set of scopes, several rates."""
    records, _ = reading.read(ROOT / "results")
    show(tab, real)
    sets = [s for n in range(1, 7) for s in itertools.combinations(SCOPES, n)]
    rates = itertools.cycle([None, 0.5, 0.1, 0.0099])
    asked = list(zip([*sets, SCOPES[:2], SCOPES[:3]], rates, strict=False))
    answers = tab.evaluate(ANSWERS, [[subject, list(survive), rate] for survive, rate in asked])
    for (survive, rate), answer in zip(asked, answers, strict=True):
        question = Question(scenarios=(subject,), survive=survive, max_rate=rate)
        assert answer == as_the_page_says_it(choose(records, question))


# -- choosing --------------------------------------------------------------------------------


def test_the_first_screen_is_an_answer(tab, real):
    show(tab, real)
    assert best(tab)
    box = tab.locator("#answer").bounding_box()
    assert box
    assert box["y"] < 900


def test_another_question_gets_another_answer_and_an_address(tab, real):
    show(tab, real)
    tab.select_option("#scenario", "conv2d_backward")
    assert best(tab) == "xla"
    tab.check("input[name=survive][value=threads]")
    assert best(tab) == "threads=1+xla"
    assert "threads" in tab.url
    assert "scenario=conv2d_backward" in tab.url


def test_an_address_brings_the_same_question_and_answer(tab, real):
    show(tab, real, "#scenario=conv2d_backward&survive=repeat,process,threads&max-rate=0.5")
    assert tab.input_value("#scenario") == "conv2d_backward"
    assert tab.is_checked("input[name=survive][value=threads]")
    assert not tab.is_checked("input[name=survive][value=isa]")
    assert tab.input_value("#max-rate") == "50"
    assert best(tab) == "threads=1+xla"


def test_back_brings_the_question_before(tab, real):
    show(tab, real)
    tab.select_option("#scenario", "conv2d_backward")
    tab.select_option("#scenario", "matmul_square")
    tab.go_back()
    assert tab.input_value("#scenario") == "conv2d_backward"
    assert best(tab) == "xla"


def test_an_address_that_names_nothing_there_is_still_an_answer(tab, real):
    show(tab, real, "#scenario=nonsense&survive=gravity&device=QPU:9&sort=%F0%9F")
    assert best(tab) is not None


def test_no_setting_qualifies_is_said_with_what_failed(tab, real):
    show(tab, real, "#scenario=conv2d_backward&survive=isa")
    assert best(tab) == ""
    expect(tab.locator("#answer")).to_contain_text("no setting measured survives isa")
    expect(tab.locator("#answer")).to_contain_text("of 4 differed")


def test_what_was_not_measured_names_the_command(tab, made_up):
    show(tab, made_up, "#machine=box&scenario=matmul_square&survive=repeat,isa")
    expect(tab.locator("#answer")).to_contain_text("detcost measure matmul_square --settings")


def test_a_wrong_rate_is_said_in_words(tab, real):
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
    show(tab, real, "#scenario=conv2d_backward")
    assert len(column(tab)) == 8


def test_a_header_sorts_by_number_and_again_the_other_way(tab, real):
    show(tab, real, "#scenario=conv2d_backward")
    header = tab.locator("table#settings th", has_text="cost").first
    header.locator("button").click()
    first = header.get_attribute("aria-sort")
    cheapest = column(tab)
    header.locator("button").click()
    assert {first, header.get_attribute("aria-sort")} == {"ascending", "descending"}
    assert column(tab) == cheapest[::-1]
    assert "sort=" in tab.url


def test_a_row_opens_its_blocks_and_the_partition_of_its_pools(tab, real):
    show(tab, real, "#scenario=conv2d_backward")
    row = tab.locator('table#settings tr[data-setting="op_determinism"]')
    row.locator("button[aria-expanded]").first.click()
    details = tab.locator("table#settings tr.details").first
    expect(details).to_be_visible()
    expect(details.locator("svg").first).to_be_visible()
    expect(details).to_contain_text("2–3")


def test_only_a_whole_interval_is_coloured(tab, real):
    """An ambiguous cost looks like any other text, one that tells does not."""
    show(tab, real, "#scenario=matmul_square&survive=repeat")
    colour = "element => getComputedStyle(element).color"
    plain = tab.locator("body").evaluate(colour)
    word = tab.locator("table#settings tr:not(.dominated)").get_by_text
    assert word("ambiguous", exact=True).first.evaluate(colour) == plain
    assert tab.get_by_text("costs", exact=True).first.evaluate(colour) != plain


def test_a_dominated_row_is_dimmed_and_says_so(tab, real):
    show(tab, real, "#scenario=conv2d_backward&survive=repeat,process,threads")
    dominated = tab.locator("table#settings tr.dominated")
    names = [dominated.nth(i).get_attribute("data-setting") for i in range(dominated.count())]
    assert "op_determinism+threads=1" in names
    assert best(tab) not in names
    expect(dominated.first).to_contain_text("ominated")


# -- anyone can use it ---------------------------------------------------------------------------


def test_it_is_used_by_keyboard_alone(tab, real):
    show(tab, real)
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.id") == "scenario":
            break
    else:
        raise AssertionError("Tab never came to the scenarios")
    tab.keyboard.type("conv2d")
    assert tab.input_value("#scenario") == "conv2d_backward"
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.value") == "threads":
            break
    tab.keyboard.press("Space")
    assert best(tab) == "threads=1+xla"
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


def test_400_pixels_are_wide_enough(tab, real):
    tab.set_viewport_size({"width": 400, "height": 800})
    show(tab, real, "#scenario=conv2d_backward")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400
    expect(tab.locator("#answer")).to_be_visible()


def test_it_is_dark_where_the_reader_wants_it_dark(tab, real):
    brightness = """() => {
      const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g);
      return (+r + +g + +b) / 3;
    }"""
    tab.emulate_media(color_scheme="light")
    show(tab, real)
    assert tab.evaluate(brightness) > 200
    tab.emulate_media(color_scheme="dark")
    assert tab.evaluate(brightness) < 60


# -- several machines, strangers' words -----------------------------------------------------------


def test_another_machine_is_loaded_when_it_is_chosen(tab, made_up):
    show(tab, made_up)
    assert tab.locator("#machine option").count() == 2
    tab.select_option("#machine", "box")
    expect(tab.locator("#machine-card")).to_contain_text("Some CPU")
    assert tab.locator("#tensorflow option").all_inner_texts() == ["2.21.0", "2.20.0"]


def test_a_stranger_s_words_are_text(tab, made_up):
    show(tab, made_up)
    assert HOSTILE in tab.locator("#machine").inner_text()
    tab.select_option("#machine", "box")
    tab.select_option("#scenario", "matmul_square")
    assert tab.locator("img[src=x]").count() == 0
    expect(tab.locator("table#settings")).to_contain_text(HOSTILE)


def test_a_run_whose_controls_failed_is_marked_everywhere(tab, made_up):
    show(tab, made_up)
    words = "the scenario known to vary was not seen to"
    expect(tab.locator("#answer")).to_contain_text(words)
    assert tab.get_by_text(words).count() >= 2


def test_machines_that_gave_the_same_bits_are_told(tab, made_up):
    show(tab, made_up, "#machine=box&scenario=matmul_square")
    across = tab.locator("#across")
    across.scroll_into_view_if_needed()
    expect(across).to_contain_text("2.20.0")
    expect(across).to_contain_text("same bits")


def test_plots_are_loaded_when_the_reader_comes_near_and_kept_for_the_next_question(tab, real):
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


def test_what_people_say_stands_beside_what_was_seen(tab, real):
    show(tab, real)
    row = tab.locator("#folklore tr", has_text="training with Adam ends in other weights")
    row.scroll_into_view_if_needed()
    expect(row).to_contain_text("does not hold")
    row.locator("summary").click()
    expect(row).to_contain_text("dense_fit_adam under default, process: 0 of 4 differed")


def test_without_claims_measured_there_is_no_folklore(tab, made_up):
    show(tab, made_up)
    expect(tab.locator("#folklore")).to_be_hidden()


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_what_is_shown_can_be_kept(tab, made_up, kind):
    show(tab, made_up, "#machine=box&scenario=matmul_square")
    with tab.expect_download() as download:
        tab.click(f"#download-{kind}")
    text = Path(download.value.path()).read_text()
    assert "op_determinism" in text
    assert HOSTILE in text if kind == "csv" else json.loads(text)


def test_it_links_back_to_asv(tab, real):
    show(tab, real)
    assert tab.locator('a[href="../index.html"]').count() == 1
