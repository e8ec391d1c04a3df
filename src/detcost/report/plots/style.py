"""Style of plots: colours for light and dark pages, names, axes, and the SVG file.

matplotlib draws for a light page. Each role, such as text, has a colour that no other role
has. So one CSS rule for each role gives the colours of a dark page.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# The colours of roles on a light page, and on a dark one.
INK, MUTED, GRID, PAGE = "#1c1c20", "#5e5e66", "#dcdce1", "#fefefe"
DARK = {INK: "#ececf0", MUTED: "#a5a5ae", GRID: "#35353b", PAGE: "#121212"}
#: Colours of marks. Contrast to white and to #121212 is at least 3:1. The colour-blind can
#: distinguish them.
BLUE, ORANGE, GREEN, GREY = "#0f7fc0", "#d55e00", "#009e73", "#8a8a8a"
MACHINES = (BLUE, ORANGE, GREEN, "#b5508a", "#b8860b", "#777777")
MARKERS = ("o", "s", "D", "^", "v", "P")
VERDICTS = {"costs": ORANGE, "faster": BLUE, "free": GREEN, "ambiguous": GREY, "": GREY}

COST = "cost: step time ÷ default's"
#: Limits of the classes of cost. The middle class is the free band; the outer ones are open.
CLASSES = (1 / 4, 1 / 2, 1 / 1.5, 1 / 1.2, 1 / 1.1, 1 / 1.05, 0.98, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 4)
_LIGHT_CLASSES = ("#4f9fd8", "#e9e9ec", "#ee8f45")
_DARK_CLASSES = ("#1c6cac", "#2c2c31", "#a3500f")

#: The greatest average width of a character, in points, at the font size below.
CHARACTER = 5.8
LONGEST_NAME = 40
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "detcost",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib; the CSS below sets the fonts
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
    """Draw in this style, without the user's own settings of matplotlib."""
    import matplotlib.style

    with matplotlib.style.context(_RC, after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")  # the reader's fonts count
        warnings.filterwarnings("ignore", message="vert: bool")  # a warning of seaborn
        yield


@cache
def class_colours() -> dict[str, str]:
    """Return the colours of the classes of cost: on a light page, and on a dark one."""
    import seaborn as sns

    ends = (_LIGHT_CLASSES, _DARK_CLASSES)
    light, dark = (sns.blend_palette(three, len(CLASSES) + 1).as_hex() for three in ends)
    return dict(zip(light, dark, strict=True))


def shown(text: str) -> str:
    """Return an untrusted name as plots show it: printable, and short, with both its ends."""
    text = "".join(character if character.isprintable() else "�" for character in text)
    if len(text) <= LONGEST_NAME:
        return text or "(no name)"
    return f"{text[:24]}…{text[-(LONGEST_NAME - 25) :]}"


def width(names: Sequence[str]) -> float:
    """Return the width of the longest name, in points."""
    return CHARACTER * max(map(len, names), default=0)


def cost(row: Any) -> str:
    """Write a cost with its interval, if it has one: ``1.34 [1.29, 1.40]``."""
    known = row.low < row.high
    ends = f" [{ratio(row.low)}, {ratio(row.high)}]" if known else ""
    return ratio(row.ratio) + ends


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

    These margins are quick to compute, and do not depend on the reader's font.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wide, high = left + size[0] + right, bottom + size[1] + top
    drawn = Figure(figsize=(wide / 72, high / 72), dpi=72)
    FigureCanvasAgg(drawn)  # otherwise seaborn's heatmap draws on a canvas of pyplot
    axes = drawn.add_axes((left / wide, bottom / high, size[0] / wide, size[1] / high))
    axes.tick_params(length=3)
    return drawn, axes


def heading(drawn: Figure, title: str, below: str) -> None:
    """Write a title, and the subject below it."""
    height = 72 * drawn.get_figheight()
    drawn.text(0.01, 1 - 8 / height, title, va="top", fontsize=11.5, weight="bold")
    drawn.text(0.01, 1 - 26 / height, below, va="top", color=MUTED, fontsize=9)


def legend(drawn: Figure, keys: dict[str, Artist]) -> None:
    """Add a legend at the foot."""
    drawn.legend(list(keys.values()), list(keys), loc="lower left", ncols=4, columnspacing=1.4)


def key(marker: str, edge: str, fill: str) -> Line2D:
    """Return a mark as a legend shows it."""
    from matplotlib.lines import Line2D

    return Line2D([], [], marker=marker, ls="", mec=edge, mfc=fill, ms=6.5)


def cost_axis(axes: Axes, which: Literal["x", "y"], low: float, high: float) -> None:
    """Make an axis of ratios logarithmic."""
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = axes.xaxis if which == "x" else axes.yaxis
    _ticks(axis, {tick: f"{tick:g}" for tick in _cost_ticks(low, high)})


def rate_axis(axes: Axes, lowest: float, room: float) -> None:
    """Make the x axis an axis of rates up to 100 %, with space for names beyond."""
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
    """Choose ticks at a distance from each other, round numbers first."""
    plain = sorted((10.0**power for power in range(-6, 7)), key=lambda tick: abs(np.log(tick)))
    near = [1.5, 0.7, 1.2, 0.8, 1.1, 0.9, 1.3, 1.4, 0.6, 1.05, 0.95, 1.02, 0.98]
    kept: list[float] = []
    for tick in [factor * decade for factor in (1, 2, 5) for decade in plain] + near:
        apart = min((abs(np.log(tick / other)) for other in kept), default=np.inf)
        if low <= tick <= high and apart > np.log(high / low) / 9:
            kept.append(tick)
    return sorted(kept)


def column(
    axes: Axes, start: tuple[float, float], texts: Iterable[str], places: Iterable[float]
) -> None:
    """Write texts beside rows. They start at a share of the width, plus some points.

    Ticks could show names too, but a tick takes five times as long.
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


def save(drawn: Figure, file: Path, title: str, alt: str) -> None:
    """Write a figure as SVG, without a date or an address, for light and dark pages."""
    written = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    drawn.savefig(written, format="svg", metadata=no_metadata)
    file.write_text(_finished(written.getvalue(), title, alt), encoding="utf-8", newline="\n")


def _finished(svg: str, title: str, alt: str) -> str:
    """Remove matplotlib's preamble; add the title, the text alternative and the style."""
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg ") :], flags=re.DOTALL)
    svg = re.sub(r" +$", "", svg, flags=re.MULTILINE)
    root, rest = svg.split(">", 1)
    texts = f"<title>{escape(title)}</title><desc>{escape(alt)}</desc>"
    role = root.replace("<svg ", '<svg role="img" ', 1)
    return f"{role}>\n {texts}\n <style>\n{_css()} </style>{rest}"


def _css() -> str:
    """Return CSS rules. They contain no value of the plot."""
    rules = "".join(
        f'  [style*="{kind}: {light}"] {{ {kind}: {dark} !important }}\n'
        for light, dark in (DARK | class_colours()).items()
        for kind in ("fill", "stroke")
    )
    fonts = "text { font-family: system-ui, sans-serif !important }"
    return f"  {fonts}\n  @media (prefers-color-scheme: dark) {{\n{rules}  }}\n"
