"""How plots look: colours for light and dark pages, names, axes, and the SVG itself.

matplotlib draws for a light page. Every colour that stands for a role, such as text, is
one that nothing else has, so that one rule of CSS a role makes it right on a dark page.
"""

from __future__ import annotations

import io
import itertools
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from detcost.statistics import BAND

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Roles on a light page, and on a dark one.
INK, MUTED, GRID, PAGE = "#1c1c20", "#5e5e66", "#dcdce1", "#fefefe"
DARK = {INK: "#ececf0", MUTED: "#a5a5ae", GRID: "#35353b", PAGE: "#121212"}
#: Of marks: at least 3:1 against white and against #121212, and told apart by the colour-blind.
BLUE, ORANGE, GREEN, GREY = "#0f7fc0", "#d55e00", "#009e73", "#8a8a8a"
MACHINES = (BLUE, ORANGE, GREEN, "#b5508a", "#b8860b", "#777777")
MARKERS = ("o", "s", "D", "^", "v", "P")
VERDICTS = {"costs": ORANGE, "faster": BLUE, "free": GREEN, "ambiguous": GREY, "": GREY}

COST = "cost: step time ÷ default's"
#: Ends of the classes of cost; the middle one is the free band, the first and last are open.
CLASSES = (1 / 4, 1 / 2, 1 / 1.5, 1 / 1.2, 1 / 1.1, 1 / 1.05, 0.98, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 4)
_LIGHT_CLASSES = ("#4f9fd8", "#e9e9ec", "#ee8f45")
_DARK_CLASSES = ("#1c6cac", "#2c2c31", "#a3500f")

#: Points a character takes at most, on average, at the size of text below.
CHARACTER = 5.8
LONGEST_NAME = 40
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "detcost",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib; the CSS below says what is shown
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.color": MUTED,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in this style, whatever the reader's own settings of matplotlib are."""
    import matplotlib.style

    with matplotlib.style.context(_RC, after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")  # the reader's fonts are what counts
        warnings.filterwarnings("ignore", message="vert: bool")  # seaborn's, not ours
        yield


@cache
def class_colours() -> dict[str, str]:
    """Return the colour of each class of cost on a light page, with that on a dark one."""
    import seaborn as sns

    ends = (_LIGHT_CLASSES, _DARK_CLASSES)
    light, dark = (sns.blend_palette(three, len(CLASSES) + 1).as_hex() for three in ends)
    return dict(zip(light, dark, strict=True))


def shown(text: str) -> str:
    """Return a stranger's name as plots show it: printable, and short; both its ends stay."""
    text = "".join(character if character.isprintable() else "�" for character in text)
    if len(text) <= LONGEST_NAME:
        return text or "(no name)"
    return f"{text[:24]}…{text[-(LONGEST_NAME - 25) :]}"


def width(names: Sequence[str]) -> float:
    """Return how many points the longest of some names takes."""
    return CHARACTER * max(map(len, names), default=0)


def cost(found: Any) -> str:
    """Write a cost with its interval, where it has one: ``1.34 [1.29, 1.40]``."""
    known = found.low < found.high
    ends = f" [{ratio(found.low)}, {ratio(found.high)}]" if known else ""
    return ratio(found.ratio) + ends


def ratio(value: float) -> str:
    """Write a ratio: ``1.34``, ``134``."""
    return f"{value:.2f}" if 0.1 <= value < 10 else f"{value:.3g}"


def percent(rate: float) -> str:
    """Write a rate: ``0.12 %``, ``53 %``."""
    return f"{100 * rate:.2g} %" if rate < 0.1 else f"{100 * rate:.0f} %"


def figure(
    size: tuple[float, float], left: float, right: float, top: float, bottom: float
) -> tuple[Figure, Axes]:
    """Return a figure whose axes have a size and margins in points.

    Computed margins are quick, and need not know how wide the reader's font is.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wide, high = left + size[0] + right, bottom + size[1] + top
    drawn = Figure(figsize=(wide / 72, high / 72), dpi=72)
    FigureCanvasAgg(drawn)  # seaborn's heatmap draws once to measure; without it, on pyplot's
    axes = drawn.add_axes((left / wide, bottom / high, size[0] / wide, size[1] / high))
    axes.tick_params(length=3)
    return drawn, axes


def heading(drawn: Figure, title: str, below: str) -> None:
    """Write a title, and in a second line what it is of."""
    height = 72 * drawn.get_figheight()
    drawn.text(0.01, 1 - 8 / height, title, va="top", fontsize=11.5, weight="bold")
    drawn.text(0.01, 1 - 26 / height, below, va="top", color=MUTED, fontsize=9)


def _legend(drawn: Figure, keys: dict[str, Artist]) -> None:
    """Explain marks in words of our own, at the foot."""
    drawn.legend(list(keys.values()), list(keys), loc="lower left", ncols=4, columnspacing=1.4)


def _key(marker: str, edge: str, fill: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker=marker, ls="", mec=edge, mfc=fill, ms=6.5)


def cost_axis(axes: Axes, which: Literal["x", "y"], low: float, high: float) -> None:
    """Make an axis of ratios logarithmic."""
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = axes.xaxis if which == "x" else axes.yaxis
    _ticks(axis, {tick: f"{tick:g}" for tick in _cost_ticks(low, high)})


def rate_axis(axes: Axes, lowest: float, room: float) -> None:
    """Make the x axis one of rates up to 100 %, with room for names beyond."""
    wide = axes.bbox.width
    share = min((room + 12) / wide, 0.6)
    low = min(0.8, lowest * (lowest / 2) ** 0.08)
    axes.set(xscale="log", xlim=(low, low ** (share / (share - 1))))
    rates = (1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.2, 0.5, 1)
    _ticks(axes.xaxis, {rate: percent(rate) for rate in rates if rate >= low})


def _ticks(axis: Axis, texts: dict[float, str]) -> None:
    from matplotlib.ticker import NullLocator

    axis.set_minor_locator(NullLocator())
    axis.set_ticks(list(texts), list(texts.values()))


def _cost_ticks(low: float, high: float) -> list[float]:
    """Choose ticks, the plainest figures first, that do not crowd."""
    plain = sorted((10.0**power for power in range(-6, 7)), key=lambda tick: abs(np.log(tick)))
    near = [1.5, 0.7, 1.2, 0.8, 1.1, 0.9, 1.3, 1.4, 0.6, 1.05, 0.95, 1.02, 0.98]
    kept: list[float] = []
    for tick in [factor * decade for factor in (1, 2, 5) for decade in plain] + near:
        apart = min((abs(np.log(tick / other)) for other in kept), default=np.inf)
        if low <= tick <= high and apart > np.log(high / low) / 9:
            kept.append(tick)
    return sorted(kept)


def points(drawn: Figure, axes: Axes, known: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw settings as points of cost and rate, with their names, and the frontier's steps."""
    import seaborn as sns

    line = known[known["frontier"]]
    steps = [*line["bound"], 1], [*line["ratio"], line["ratio"].min()]
    kind = np.select([known["frontier"], known["whole"]], ["frontier", "dominated"], "partial")
    colours = {"frontier": BLUE, "dominated": GREY, "partial": GREY}
    axes.grid(True)
    axes.step(*steps, where="post", color=BLUE, lw=1.5, zorder=1)
    edges = [colours[each] for each in kind]
    axes.vlines(known["bound"], known["low"], known["high"], edges, lw=1.2, zorder=2)
    marks = sns.scatterplot(
        known,
        x="bound",
        y="ratio",
        style="diverged",
        style_order=[False, True],
        markers=["o", "X"],
        s=62,
        legend=False,
        ax=axes,
        zorder=3,
    ).collections[-1]
    marks.set(edgecolors=edges, linewidths=1.2)
    marks.set_facecolors([PAGE if each == "partial" else colours[each] for each in kind])
    _name_points(axes, known[["bound", "ratio"]].to_numpy(), names)
    axes.set(xlabel="rate of divergence in repeat and process: at most (95 %)", ylabel=COST)
    keys: dict[str, Artist] = {
        "on the frontier": _key("o", BLUE, BLUE),
        "dominated": _key("o", GREY, GREY),
        "not known in every scenario": _key("o", GREY, PAGE),
        "some comparison diverged": _key("X", MUTED, MUTED),
    }
    _legend(drawn, keys)


def rows(names: Sequence[str], machines: Sequence[str]) -> tuple[Figure, Axes]:
    """Return axes with a row a name, the first on top, of so many machines (boxes: none)."""
    step = 12 + 10 * (len(machines) or 1)
    room = 170 if len(machines) < 2 else width(machines) + 56
    drawn, axes = figure((350, step * len(names)), width(names) + 14, room, 54, 70)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel=COST)
    axes.set_yticks([])
    _column(axes, (0, -10), names, range(len(names)))
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.hlines(
        np.arange(0.5, len(names) - 1), 0, 1, GRID, lw=0.8, transform=axes.get_yaxis_transform()
    )
    return drawn, axes


def bands(drawn: Figure, axes: Axes, low: float, high: float, machines: int) -> None:
    """Shade the free band, hatch that of ``default`` against itself, and explain them.

    The latter is the widest of several ``machines``; of boxes (0), the median.
    """
    free = axes.axvspan(1 - BAND, 1 + BAND, color=GREY, alpha=0.25, lw=0, zorder=0.5)
    keys: dict[str, Artist] = {f"free: within ±{100 * BAND:g} %": free}
    if low < high:
        itself = axes.axvspan(low, high, fill=False, hatch="////", ec=MUTED, lw=0, zorder=0.6)
        which = {0: ", median", 1: ""}.get(machines, ", widest")
        keys[f"A/A: default against itself{which}"] = itself
    axes.axvline(1, color=INK, lw=0.9, zorder=0.7)
    if machines:
        keys["hollow: the interval does not tell"] = _key("o", MUTED, PAGE)
    _legend(drawn, keys)


def intervals(axes: Axes, costs: pd.DataFrame, machines: Sequence[str]) -> None:
    """Draw a mark and an interval a row of ``costs``; of several machines, beside each other."""
    alone, of_machines = len(machines) == 1, dict(enumerate(MACHINES))
    for mark in range(len(machines)):
        own = costs[costs["mark"] == mark]
        places = own["row"] + 0.8 * ((mark + 0.5) / len(machines) - 0.5)
        colours = own["verdict"].map(VERDICTS) if alone else own["mark"].map(of_machines)
        axes.hlines(places, own["low"], own["high"], colours, lw=1.8, zorder=2)
        fills = colours.mask(own["verdict"].eq("ambiguous"), PAGE)
        marks = axes.scatter(own["ratio"], places, s=34, c=fills, marker=MARKERS[mark], zorder=3)
        marks.set(edgecolors=colours, linewidths=1.4)
        _arrows(axes, own, places, colours)
    if alone:
        _column(axes, (1, 10), map(cost, costs.itertuples()), costs["row"])
        _column(axes, (1, 112), costs["verdict"], costs["row"])
    else:
        _name_machines(axes, machines)


def _arrows(
    axes: Axes, costs: pd.DataFrame, places: pd.Series[float], colours: pd.Series[str]
) -> None:
    """Point to where an interval goes on beyond the axis."""
    low, high = axes.get_xlim()
    for end, beyond, arrow in ((low, costs["low"] < low, "<"), (high, costs["high"] > high, ">")):
        for place, colour in zip(places[beyond], colours[beyond], strict=True):
            axes.plot(end, place, arrow, color=colour, ms=5, clip_on=False)


def _name_machines(axes: Axes, machines: Sequence[str]) -> None:
    styles = list(zip(MARKERS, MACHINES, strict=True))[: len(machines)]
    keys = [_key(marker, colour, colour) for marker, colour in styles]
    places = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.02)}
    texts = axes.legend(keys, [str(i) for i in range(len(keys))], **places).get_texts()
    for text, name in zip(texts, machines, strict=True):
        text.set_text(name)  # only here: matplotlib takes a label "_x" for one to leave out


def boxes(axes: Axes, costs: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw a box a row: what the ratios of all machines are like."""
    import seaborn as sns

    axes.set_yticks(range(len(names)))  # seaborn counts them
    sns.boxplot(
        costs.assign(row=costs["row"].astype(str)),
        x="ratio",
        y="row",
        order=[str(row) for row in range(len(names))],
        orient="y",
        whis=(0, 100),
        color=BLUE,
        fill=False,
        width=0.55,
        linewidth=1.4,
        ax=axes,
    )
    axes.set(ylim=(len(names) - 0.5, -0.5), ylabel="", xlabel=COST, yticks=[])
    ends = costs.groupby("row")["ratio"].agg(["median", "min", "max"])
    texts = [f"{ratio(mid)} ({ratio(low)}–{ratio(high)})" for mid, low, high in ends.to_numpy()]
    _column(axes, (1, 10), texts, ends.index)


def _column(
    axes: Axes, start: tuple[float, float], texts: Iterable[str], places: Iterable[float]
) -> None:
    """Write texts beside rows, from a share of the width and so many points on.

    Ticks would do for names, but a tick takes five times as long.
    """
    side, points = start
    for text, place in zip(texts, places, strict=True):
        axes.annotate(
            text,
            (side, place),
            (points, 0),
            ("axes fraction", "data"),
            "offset points",
            ha="left" if side else "right",
            va="center",
        )


def heatmap(
    scenarios: Sequence[str],
    settings: Sequence[str],
    ratios: pd.DataFrame,
    told: npt.NDArray[np.bool_],
) -> tuple[Figure, Axes]:
    """Draw a table of ratios, a row a scenario; only where the interval tells it has colour."""
    step = 46 if len(settings) <= 12 else 38
    size = step * len(settings), 18 * len(scenarios)
    left, slant = width(scenarios) + 14, width(settings)
    right = max(0.77 * slant - step / 2, 560 - left - size[0], 0) + 8
    drawn, axes = figure(size, left, right, 0.65 * slant + 62, 72)
    _colour(drawn, axes, ratios.where(told))
    _write(axes, ratios.to_numpy(), told)
    _column(axes, (0, -6), scenarios, np.arange(len(scenarios)) + 0.5)
    for place, name in enumerate(settings):
        axes.text(place + 0.4, -0.4, name, rotation=40, ha="left", rotation_mode="anchor")
    axes.set(xlabel="", ylabel="")
    return drawn, axes


def _colour(drawn: Figure, axes: Axes, ratios: pd.DataFrame) -> None:
    """Colour the cells that have a ratio by its class, and explain the classes at the foot."""
    import seaborn as sns
    from matplotlib.colors import BoundaryNorm, ListedColormap

    wide, high = drawn.get_size_inches() * 72
    key = drawn.add_axes((10 / wide, 38 / high, 420 / wide, 10 / high))
    told = "grey italics, no colour: the interval does not tell; –: not measured"
    drawn.text(10 / wide, 8 / high, f"{COST}; {told}", color=MUTED, fontsize=9)
    sns.heatmap(
        ratios,
        ax=axes,
        cmap=ListedColormap(list(class_colours())),
        norm=BoundaryNorm(CLASSES, len(CLASSES) + 1, extend="both"),
        vmin=CLASSES[0],
        vmax=CLASSES[-1],
        linewidths=1.5,
        linecolor=PAGE,
        xticklabels=False,
        yticklabels=False,
        cbar_ax=key,
        cbar_kws={"orientation": "horizontal", "extendfrac": "auto", "spacing": "uniform"},
    )
    key.set_xticks(CLASSES, [f"{end:.2f}".rstrip("0").rstrip(".") for end in CLASSES])


def _write(axes: Axes, ratios: npt.NDArray[np.float64], told: npt.NDArray[np.bool_]) -> None:
    """Write a ratio in every cell, in grey italics where its interval does not tell."""
    for (row, column), value in np.ndenumerate(ratios):
        sure = bool(told[row, column])
        axes.text(
            column + 0.5,
            row + 0.5,
            "–" if np.isnan(value) else ratio(value),
            ha="center",
            va="center",
            fontsize=9,
            color=INK if sure else MUTED,
            style="normal" if sure else "italic",
        )


def _name_points(axes: Axes, places: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    """Write names beside points, moved up or down to where nothing else is, with a line to them."""
    points = axes.transData.transform(places)
    steps = axes.transData.transform(axes.lines[0].get_path().vertices)
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    taken += [(*np.fmin(*ends) - 2, *np.fmax(*ends) + 2) for ends in itertools.pairwise(steps)]
    arrow = {"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 1, "shrinkB": 4}
    for point, place, name in zip(points, places, names, strict=True):
        up, at_right, box = _free_place(point, CHARACTER * len(name), taken, axes.bbox.extents)
        taken.append(box)
        axes.annotate(
            name,
            place,
            (9 if at_right else -9, up),
            textcoords="offset points",
            ha="left" if at_right else "right",
            va="center",
            fontsize=9,
            arrowprops={**arrow, "relpos": (0 if at_right else 1, 0.5)} if up else None,
        )


Box = tuple[float, float, float, float]


def _free_place(
    point: Sequence[float], wide: float, taken: Sequence[Box], within: Sequence[float]
) -> tuple[float, bool, Box]:
    """Return how far up a name goes, whether at the right, and the box that it takes."""
    x, y = point
    for step, sign, at_right in itertools.product(range(40), (1, -1), (True, False)):
        left, middle = x + 9 if at_right else x - 9 - wide, y + 6 * step * sign
        box = (left, middle - 6, left + wide, middle + 6)
        inside = within[0] < box[0] and box[2] < within[2] and within[1] < box[1] < within[3] - 12
        if inside and not any(_overlap(box, other) for other in taken):
            return 6 * step * sign, at_right, box
    return 0, True, (x, y, x, y)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def save(drawn: Figure, file: Path, title: str, alt: str) -> None:
    """Write a figure as SVG: no date, no address, text as text, right in light and dark."""
    written = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    drawn.savefig(written, format="svg", metadata=nothing)
    file.write_text(_finished(written.getvalue(), title, alt), encoding="utf-8", newline="\n")


def _finished(svg: str, title: str, alt: str) -> str:
    """Leave out matplotlib's preamble; say what it is, and how it looks on a dark page."""
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg ") :], flags=re.DOTALL)
    svg = re.sub(r" +$", "", svg, flags=re.MULTILINE)
    root, rest = svg.split(">", 1)
    said = f"<title>{escape(title)}</title><desc>{escape(alt)}</desc>"
    role = root.replace("<svg ", '<svg role="img" ', 1)
    return f"{role}>\n {said}\n <style>\n{_css()} </style>{rest}"


def _css() -> str:
    """Return rules that no value in a plot takes part in."""
    rules = "".join(
        f'  [style*="{kind}: {light}"] {{ {kind}: {dark} !important }}\n'
        for light, dark in (DARK | class_colours()).items()
        for kind in ("fill", "stroke")
    )
    fonts = "text { font-family: system-ui, sans-serif !important }"
    return f"  {fonts}\n  @media (prefers-color-scheme: dark) {{\n{rules}  }}\n"
