"""Marks of plots: points, rows with intervals or boxes, tables of ratios."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from detcost.intervals import BAND
from detcost.report.plots import style as look

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def points(drawn: Figure, axes: Axes, known: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw settings as points of cost and rate with names, and the steps of the frontier."""
    import seaborn as sns

    line = known[known["frontier"]]
    steps = [*line["bound"], 1], [*line["ratio"], line["ratio"].min()]
    kind = np.select([known["frontier"], known["whole"]], ["frontier", "dominated"], "partial")
    colours = {"frontier": look.BLUE, "dominated": look.GREY, "partial": look.GREY}
    axes.grid(True)
    axes.step(*steps, where="post", color=look.BLUE, lw=1.5, zorder=1)
    edges = [colours[name] for name in kind]
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
    marks.set_facecolors([look.PAGE if name == "partial" else colours[name] for name in kind])
    _name_points(axes, known[["bound", "ratio"]].to_numpy(), names)
    axes.set(xlabel="rate of divergence in repeat and process: at most (95 %)", ylabel=look.COST)
    keys: dict[str, Artist] = {
        "on the frontier": look.key("o", look.BLUE, look.BLUE),
        "dominated": look.key("o", look.GREY, look.GREY),
        "not known in every scenario": look.key("o", look.GREY, look.PAGE),
        "some comparison diverged": look.key("X", look.MUTED, look.MUTED),
    }
    look.legend(drawn, keys)


def rows(names: Sequence[str], machines: Sequence[str]) -> tuple[Figure, Axes]:
    """Return axes with a row for each name, the first on top; without machines it has boxes."""
    step = 12 + 10 * (len(machines) or 1)
    room = 170 if len(machines) < 2 else look.width(machines) + 56
    drawn, axes = look.figure((350, step * len(names)), look.width(names) + 14, room, 54, 70)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel=look.COST)
    axes.set_yticks([])
    look.column(axes, (0, -10), names, range(len(names)))
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.hlines(
        np.arange(0.5, len(names) - 1),
        0,
        1,
        look.GRID,
        lw=0.8,
        transform=axes.get_yaxis_transform(),
    )
    return drawn, axes


def bands(drawn: Figure, axes: Axes, low: float, high: float, machines: int) -> None:
    """Shade the free band, hatch the band of the A/A comparison, and add their legend.

    The A/A band is the widest of several ``machines``. For boxes (0 machines) it is the median.
    """
    free = axes.axvspan(1 - BAND, 1 + BAND, color=look.GREY, alpha=0.25, lw=0, zorder=0.5)
    keys: dict[str, Artist] = {f"free: within ±{100 * BAND:g} %": free}
    if low < high:
        itself = axes.axvspan(low, high, fill=False, hatch="////", ec=look.MUTED, lw=0, zorder=0.6)
        which = {0: ", median", 1: ""}.get(machines, ", widest")
        keys[f"A/A: default against itself{which}"] = itself
    axes.axvline(1, color=look.INK, lw=0.9, zorder=0.7)
    if machines:
        keys["hollow: ambiguous"] = look.key("o", look.MUTED, look.PAGE)
    look.legend(drawn, keys)


def intervals(axes: Axes, costs: pd.DataFrame, machines: Sequence[str]) -> None:
    """Draw a mark and an interval for each row of ``costs``, machines beside each other."""
    alone, of_machines = len(machines) == 1, dict(enumerate(look.MACHINES))
    for mark in range(len(machines)):
        own = costs[costs["mark"] == mark]
        places = own["row"] + 0.8 * ((mark + 0.5) / len(machines) - 0.5)
        colours = own["verdict"].map(look.VERDICTS) if alone else own["mark"].map(of_machines)
        axes.hlines(places, own["low"], own["high"], colours, lw=1.8, zorder=2)
        fills = colours.mask(own["verdict"].eq("ambiguous"), look.PAGE)
        marks = axes.scatter(
            own["ratio"], places, s=34, c=fills, marker=look.MARKERS[mark], zorder=3
        )
        marks.set(edgecolors=colours, linewidths=1.4)
        _arrows(axes, own, places, colours)
    if alone:
        look.column(axes, (1, 10), map(look.cost, costs.itertuples()), costs["row"])
        look.column(axes, (1, 112), costs["verdict"], costs["row"])
    else:
        _name_machines(axes, machines)


def _arrows(
    axes: Axes, costs: pd.DataFrame, places: pd.Series[float], colours: pd.Series[str]
) -> None:
    """Draw arrows where an interval goes beyond the axis."""
    low, high = axes.get_xlim()
    for end, beyond, arrow in ((low, costs["low"] < low, "<"), (high, costs["high"] > high, ">")):
        for place, colour in zip(places[beyond], colours[beyond], strict=True):
            axes.plot(end, place, arrow, color=colour, ms=5, clip_on=False)


def _name_machines(axes: Axes, machines: Sequence[str]) -> None:
    styles = list(zip(look.MARKERS, look.MACHINES, strict=True))[: len(machines)]
    keys = [look.key(marker, colour, colour) for marker, colour in styles]
    places = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.02)}
    texts = axes.legend(keys, [str(i) for i in range(len(keys))], **places).get_texts()
    for text, name in zip(texts, machines, strict=True):
        text.set_text(name)  # not as a label: matplotlib leaves out labels that begin with "_"


def boxes(axes: Axes, costs: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw a box for each row: the distribution of the ratios of all machines.

    A box is three lines. seaborn's box is seven artists, and there may be thousands of boxes.
    """
    ends = costs.groupby("row")["ratio"].quantile(np.linspace(0, 1, 5)).unstack()
    low, first, middle, third, high = ends.to_numpy().T
    rows = ends.index.to_numpy()
    axes.hlines(rows, low, high, look.BLUE, lw=1.4, zorder=2)
    axes.hlines(rows, first, third, look.BLUE, lw=9, zorder=2)
    axes.vlines(middle, rows - 0.36, rows + 0.36, look.INK, lw=1.6, zorder=3)
    axes.set(ylim=(len(names) - 0.5, -0.5), ylabel="", xlabel=look.COST, yticks=[])
    texts = [
        f"{look.ratio(mid)} ({look.ratio(least)}–{look.ratio(most)})"
        for least, mid, most in zip(low, middle, high, strict=True)
    ]
    look.column(axes, (1, 10), texts, rows)


def heatmap(
    scenarios: Sequence[str],
    settings: Sequence[str],
    ratios: pd.DataFrame,
    clear: npt.NDArray[np.bool_],
) -> tuple[Figure, Axes]:
    """Draw a table of ratios, with a row for each scenario. Only ``clear`` cells have colour."""
    step = 46 if len(settings) <= 12 else 38
    size = step * len(settings), 18 * len(scenarios)
    left, slant = look.width(scenarios) + 14, look.width(settings)
    right = max(0.77 * slant - step / 2, 560 - left - size[0], 0) + 8
    drawn, axes = look.figure(size, left, right, 0.65 * slant + 62, 72)
    _colour(drawn, axes, ratios.where(clear))
    _write(axes, ratios.to_numpy(), clear)
    look.column(axes, (0, -6), scenarios, np.arange(len(scenarios)) + 0.5)
    for place, name in enumerate(settings):
        axes.text(place + 0.4, -0.4, name, rotation=40, ha="left", rotation_mode="anchor")
    axes.set(xlabel="", ylabel="")
    return drawn, axes


def _colour(drawn: Figure, axes: Axes, ratios: pd.DataFrame) -> None:
    """Colour the cells with a ratio by its class, and add the key of the classes."""
    import seaborn as sns
    from matplotlib.colors import BoundaryNorm, ListedColormap

    wide, high = drawn.get_size_inches() * 72
    key = drawn.add_axes((10 / wide, 38 / high, 420 / wide, 10 / high))
    note = "grey italics, no colour: ambiguous; –: not measured"
    drawn.text(10 / wide, 8 / high, f"{look.COST}; {note}", color=look.MUTED, fontsize=9)
    sns.heatmap(
        ratios,
        ax=axes,
        cmap=ListedColormap(list(look.class_colours())),
        norm=BoundaryNorm(look.CLASSES, len(look.CLASSES) + 1, extend="both"),
        vmin=look.CLASSES[0],
        vmax=look.CLASSES[-1],
        linewidths=1.5,
        linecolor=look.PAGE,
        xticklabels=False,
        yticklabels=False,
        cbar_ax=key,
        cbar_kws={"orientation": "horizontal", "extendfrac": "auto", "spacing": "uniform"},
    )
    key.set_xticks(look.CLASSES, [f"{end:.2f}".rstrip("0").rstrip(".") for end in look.CLASSES])


def _write(axes: Axes, ratios: npt.NDArray[np.float64], clear: npt.NDArray[np.bool_]) -> None:
    """Write the ratio of each cell, in grey italics if it is not clear."""
    for (row, column), value in np.ndenumerate(ratios):
        sure = bool(clear[row, column])
        axes.text(
            column + 0.5,
            row + 0.5,
            "–" if np.isnan(value) else look.ratio(value),
            ha="center",
            va="center",
            fontsize=9,
            color=look.INK if sure else look.MUTED,
            style="normal" if sure else "italic",
        )


def _name_points(axes: Axes, places: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    """Write names beside points. A name that moves up or down gets a line to its point."""
    points = axes.transData.transform(places)
    steps = axes.transData.transform(axes.lines[0].get_path().vertices)
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    taken += [(*np.fmin(*ends) - 2, *np.fmax(*ends) + 2) for ends in itertools.pairwise(steps)]
    arrow = {"arrowstyle": "-", "color": look.MUTED, "lw": 0.6, "shrinkA": 1, "shrinkB": 4}
    for point, place, name in zip(points, places, names, strict=True):
        up, at_right, box = _free_place(point, look.CHARACTER * len(name), taken, axes.bbox.extents)
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
    """Return how far up a name goes, whether it is at the right, and the box that it takes."""
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
