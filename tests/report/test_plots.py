from __future__ import annotations

import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from detcost.report.plots import averages, drawing, style
from detcost.report.plots.drawing import Plot, draw

pytestmark = pytest.mark.filterwarnings("error")

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    "$x^2$ \\frac{1}{2}",
    "]]>&amp;\"'<metadata></metadata>",
    "a\nb\x00c\x1b[31m\u202eevil\ud800",
    "x" * 5000,
    "_hidden",
    "../../etc/passwd",
    "nan",
    "",
]
HARMLESS = {
    *("svg", "title", "desc", "style", "defs", "g", "path", "use", "text"),
    *("clipPath", "rect", "pattern"),
}


def cell(setting: str, ratio: float = 1.3, width: float = 1.05, **changes: Any) -> dict[str, Any]:
    fields = {
        "scenario": "matmul",
        "family": "linear",
        "setting": setting,
        "device": "CPU:0",
        "machine": "box",
        "ratio": ratio,
        "low": ratio / width,
        "high": ratio * width,
        "same_low": 0.97,
        "same_high": 1.04,
        "bound": 0.01,
        "diverged": False,
    }
    return {**fields, **changes}


def some_cells(**changes: Any) -> list[dict[str, Any]]:
    return [
        cell("default", 1.0, bound=0.9, diverged=True, **changes),
        cell("op_determinism", 1.2, **changes),
        cell("threads=1", 1.5, **changes),
        cell("xla", 0.8, bound=0.5, diverged=True, **changes),
    ]


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Plot]]:
    """The plots of some cells, drawn once for the tests that only look at them."""
    folder = tmp_path_factory.mktemp("plots")
    return folder, draw(pd.DataFrame(some_cells()), folder)


def drawn(cells: list[dict[str, Any]], folder: Path, kind: str) -> tuple[Plot, ET.Element]:
    """Draw the first plot of a kind, without those after it."""
    plans = drawing._of_device(averages.believable(pd.DataFrame(cells)), cells[0]["device"], 1)
    plot = drawing._draw(next(plan for plan in plans if plan.kind == kind), folder)
    return plot, ET.parse(folder / plot.file).getroot()


def texts(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fill_of(svg: ET.Element, text: str) -> str:
    """Return the colour that a figure is written in."""
    found = next(each for each in svg.iter(f"{SVG}text") if each.text == text)
    return re.findall(r"fill: (#\w+)", found.get("style", ""))[0]


def coloured(svg: ET.Element) -> int:
    """Return how many cells of a heatmap have a colour; its key has the same ones."""
    mesh = next(each for each in svg.iter(f"{SVG}g") if each.get("id") == "QuadMesh_1")
    fills = re.findall(r"fill: (#\w+)", " ".join(each.get("style", "") for each in mesh.iter()))
    return len([fill for fill in fills if fill in style.class_colours()])


def test_importing_it_loads_no_library_for_plots() -> None:
    code = (
        "import sys, detcost.report.plots.drawing; "
        "print({'matplotlib', 'seaborn', 'pandas'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "set()\n"


def test_every_device_has_its_plots_and_every_scenario_a_forest(tmp_path: Path) -> None:
    cells = [
        row
        for device in ("CPU:0", "GPU:0")
        for scenario in ("matmul", "conv")
        for row in some_cells(device=device, scenario=scenario)
    ]
    found = draw(pd.DataFrame(cells), tmp_path / "plots")
    for device in ("CPU:0", "GPU:0"):
        own = [plot for plot in found if plot.device == device]
        kinds = [plot.kind for plot in own]
        assert kinds == ["frontier", "heatmap", "forest", "forest"]
        assert [plot.scenario for plot in own] == [None, None, "conv", "matmul"]
    assert set(contents(tmp_path / "plots")) == {plot.file for plot in found}


def test_an_image_has_a_title_and_follows_the_theme(some: tuple[Path, list[Plot]]) -> None:
    folder, found = some
    for plot in found:
        svg = ET.parse(folder / plot.file).getroot()
        assert svg.get("role") == "img"
        assert svg.findtext(f"{SVG}title") == plot.title
        assert svg.findtext(f"{SVG}desc") == plot.alt
        assert "prefers-color-scheme: dark" in (svg.findtext(f"{SVG}style") or "")


def test_an_image_runs_and_fetches_nothing_and_has_no_date(some: tuple[Path, list[Plot]]) -> None:
    for svg in (page.decode() for page in contents(some[0]).values()):
        addresses = set(re.findall(r"\w+://[^\"]*", svg))
        assert addresses == {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg"}
        assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)', svg))
        assert not re.search(r"<script|<image|<!DOCTYPE|<metadata|\bon\w+=|\d{4}-\d\d-\d\d", svg)


def test_the_same_cells_give_the_same_bytes_in_any_style(
    some: tuple[Path, list[Plot]], tmp_path: Path
) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"axes.facecolor": "red", "font.size": 40}):
        draw(pd.DataFrame(some_cells()).sample(frac=1, random_state=1), tmp_path)
        assert mpl.rcParams["font.size"] == 40
    assert contents(tmp_path) == contents(some[0])


@pytest.mark.usefixtures("some")
def test_no_figure_is_left_in_pyplot() -> None:
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("kind", ["frontier", "heatmap", "forest"])
def test_hostile_names_are_text(kind: str, tmp_path: Path) -> None:
    machines = HOSTILE[:6] if kind == "forest" else HOSTILE[:1]
    scenarios = HOSTILE[:1] if kind == "forest" else HOSTILE
    cells = [
        cell(setting, machine=machine, scenario=scenario, family=scenario, device=HOSTILE[0])
        for machine in machines
        for scenario in scenarios
        for setting in [*HOSTILE, "default"]
    ]
    plot, svg = drawn(cells, tmp_path, kind)
    assert re.fullmatch(r"(frontier|heatmap|forest)(-\d+)+\.svg", plot.file)
    assert {each.tag.removeprefix(SVG) for each in svg.iter()} <= HARMLESS
    assert "x" * 42 not in "".join(svg.itertext())
    written = " ".join(texts(svg))
    for name in ("<script>alert(1)</script>", "$x^2$ \\frac{1}{2}", "_hidden", "a�b�c�[31m�e"):
        assert name in written
    assert set(map(style.shown, machines)) <= set(texts(svg)) or kind != "forest"
    assert "<script>" in plot.title


def test_an_impossible_ratio_is_not_drawn(tmp_path: Path) -> None:
    ratios = [0.0, -1.0, math.inf, math.nan, 1e300]
    cells = some_cells() + [cell(f"intra={i}", ratio) for i, ratio in enumerate(ratios)]
    plot, svg = drawn(cells, tmp_path, "forest")
    assert not any(text.startswith("intra") for text in texts(svg))
    assert "nan" not in (tmp_path / plot.file).read_text(encoding="utf-8")


def test_an_impossible_interval_is_unknown(tmp_path: Path) -> None:
    cells = [*some_cells(), cell("tf32=off", 3.5, low=3.6, high=3.7, bound=7.0)]
    _, svg = drawn(cells, tmp_path, "forest")
    assert "3.50" in texts(svg)


def test_without_cells_there_are_no_plots(tmp_path: Path) -> None:
    assert draw(pd.DataFrame(some_cells()).iloc[:0], tmp_path) == []


def test_without_a_bound_there_is_no_frontier(tmp_path: Path) -> None:
    cells = [row | {"bound": math.nan} for row in some_cells()]
    assert {plot.kind for plot in draw(pd.DataFrame(cells), tmp_path)} == {"heatmap", "forest"}


def test_default_alone_has_nothing_to_compare(tmp_path: Path) -> None:
    kinds = [plot.kind for plot in draw(pd.DataFrame([cell("default")]), tmp_path)]
    assert kinds == ["frontier", "forest"]


def test_the_frontier_names_its_members_and_the_cheapest(tmp_path: Path) -> None:
    plot, svg = drawn(some_cells(), tmp_path, "frontier")
    assert "On the frontier: op_determinism (1.20 [1.14, 1.26], at most 1 %), xla (" in plot.alt
    assert "threads=1" not in plot.alt
    assert "Cheapest with no divergence seen: op_determinism, 1.20 [1.14, 1.26]." in plot.alt
    assert {"default", "op_determinism", "threads=1", "xla"} <= set(texts(svg))


def test_nothing_survives_where_all_diverged(tmp_path: Path) -> None:
    cells = [row | {"diverged": True} for row in some_cells()]
    plot, _ = drawn(cells, tmp_path, "frontier")
    assert "Under every setting some comparison diverged." in plot.alt


def test_the_frontier_is_of_geometric_means_and_worst_bounds(tmp_path: Path) -> None:
    cells = [
        *some_cells(),
        *some_cells(scenario="conv"),
        cell("tf32=off", 0.5, width=1.1),
        cell("tf32=off", 2.0, width=1.1, scenario="conv", bound=0.002),
    ]
    plot, _ = drawn(cells, tmp_path, "frontier")
    margin = math.exp(math.log(1.1) / math.sqrt(2))
    assert f"tf32=off (1.00 [{1 / margin:.2f}, {margin:.2f}], at most 1 %)" in plot.alt
    assert "geometric mean over 2 scenarios" in plot.title


def test_a_partly_known_setting_is_not_on_the_frontier(tmp_path: Path) -> None:
    cells = [*some_cells(), *some_cells(scenario="conv"), cell("tf32=off", 0.1)]
    cells[-2]["bound"] = math.nan
    plot, svg = drawn(cells, tmp_path, "frontier")
    assert "tf32=off" not in plot.alt
    assert "xla" not in plot.alt
    assert {"tf32=off (1 of 2 scenarios)", "xla (1 of 2 scenarios)"} <= set(texts(svg))


def test_a_long_frontier_is_shortened(tmp_path: Path) -> None:
    cells = [cell(f"intra={i}", 2 / i, bound=i / 20) for i in range(1, 12)]
    plot, _ = drawn(cells, tmp_path, "frontier")
    assert "intra=6 (" in plot.alt
    assert "intra=7 (" not in plot.alt
    assert "and 5 more" in plot.alt


def test_only_cells_with_a_clear_interval_have_a_colour(tmp_path: Path) -> None:
    cells = [
        cell("costs", 1.31),
        cell("faster", 0.71),
        cell("free", 1.002, width=1.001),
        cell("ambiguous", 1.04),
        cell("no_interval", 1.92, low=math.nan, high=math.nan),
        cell("elsewhere", 1.33, scenario="conv"),
    ]
    plot, svg = drawn(cells, tmp_path, "heatmap")
    assert coloured(svg) == 4
    for figure in ("1.31", "0.71", "1.00", "1.33"):
        assert fill_of(svg, figure) == style.INK
    for figure in ("1.04", "1.92"):
        assert fill_of(svg, figure) == style.MUTED
    assert texts(svg).count("–") == 6
    counts = "costs more: 2, faster: 1, free within ±2 %: 1, ambiguous: 2"
    assert counts in plot.alt
    assert "Least: faster in matmul, 0.71" in plot.alt
    assert "greatest: no_interval in matmul, 1.92." in plot.alt


def test_classes_of_cost_meet_at_the_free_band() -> None:
    ends = style.CLASSES
    assert ends == tuple(sorted(ends))
    assert ends[len(ends) // 2 - 1 : len(ends) // 2 + 1] == (0.98, 1.02)


def test_many_scenarios_and_settings_stay_legible(tmp_path: Path) -> None:
    cells = [cell(f"intra={i}", scenario=f"s{j}") for i in range(24) for j in range(50)]
    _, svg = drawn(cells, tmp_path, "heatmap")
    width, height = map(float, (svg.get("viewBox") or "").split()[2:])
    assert width > 24 * 30
    assert height > 50 * 15
    assert texts(svg).count("1.30") == 24 * 50


def test_a_forest_writes_figures_and_verdicts(tmp_path: Path) -> None:
    cells = [*some_cells(), cell("tf32=off", 1.01)]
    plot, svg = drawn(cells, tmp_path, "forest")
    assert {"1.20 [1.14, 1.26]", "0.80 [0.76, 0.84]", "ambiguous", "faster"} <= set(texts(svg))
    assert texts(svg).count("costs") == 2
    counts = "costs more: 2, faster: 1, free within ±2 %: 0, ambiguous: 1"
    assert counts in plot.alt
    assert "default against itself: 0.97 to 1.04" in plot.alt
    assert "Cheapest with no divergence seen: tf32=off, 1.01 [0.96, 1.06]." in plot.alt


def test_default_shows_its_a_a_comparison(some: tuple[Path, list[Plot]]) -> None:
    folder, (*_, forest) = some
    written = texts(ET.parse(folder / forest.file).getroot())
    assert {"default (A/A)", "1.00 [0.97, 1.04]"} <= set(written)


def test_an_interval_too_wide_does_not_stretch_the_axis(tmp_path: Path) -> None:
    _, svg = drawn([*some_cells(), cell("tf32=off", 1.1, width=1000)], tmp_path, "forest")
    assert "1000" not in texts(svg)
    assert "2" in texts(svg)


def test_few_machines_have_a_mark_each(tmp_path: Path) -> None:
    cells = [row for machine in "abcdef" for row in some_cells(machine=machine)]
    plot, svg = drawn(cells, tmp_path, "forest")
    assert "a mark for each of 6 machines" in plot.title
    assert set("abcdef") <= set(texts(svg))


def test_many_machines_are_boxes_of_bounded_size(tmp_path: Path) -> None:
    def of(machines: int, folder: Path) -> list[Plot]:
        cells = [
            row | {"ratio": row["ratio"] * (1 + machine % 7 / 1000)}
            for machine in range(machines)
            for row in some_cells(machine=f"m{machine}")
        ]
        return draw(pd.DataFrame(cells), folder)

    few, many = of(7, tmp_path / "few"), of(1000, tmp_path / "many")
    for small, large in zip(few, many, strict=True):
        assert "1000 machines" in large.title
        assert "1000 machines" in large.alt
        size = (tmp_path / "many" / large.file).stat().st_size
        assert size < 1.2 * (tmp_path / "few" / small.file).stat().st_size
    assert "boxes over 1000 machines: median" in many[-1].alt


def test_a_plot_states_how_much_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MOST_SETTINGS", 3)
    monkeypatch.setattr(drawing, "MOST_SCENARIOS", 2)
    cells = [row for i in range(3) for row in some_cells(scenario=f"s{i}")]
    plot, svg = drawn(cells, tmp_path, "heatmap")
    assert "3 of 4 settings, 2 of 3 scenarios" in plot.alt
    assert "xla" not in texts(svg)
    assert "s2" not in texts(svg)


@pytest.mark.parametrize("page", ["#ffffff", "#121212"])
def test_marks_stand_out_on_light_and_dark_pages(page: str) -> None:
    for mark in (*style.VERDICTS.values(), *style.MACHINES):
        assert contrast(mark, page) >= 3


def test_text_stands_out_on_its_page_and_on_every_class_of_cost() -> None:
    for text in (style.INK, style.MUTED):
        assert contrast(text, "#ffffff") >= 4.5
        assert contrast(style.DARK[text], "#121212") >= 4.5
    for light, dark in style.class_colours().items():
        assert contrast(style.INK, light) >= 4.5
        assert contrast(style.DARK[style.INK], dark) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG 2 defines it."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
