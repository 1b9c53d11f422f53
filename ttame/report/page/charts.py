"""The curves and the scatter of the results page as SVG that takes the page's colours and fonts."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttame.explainers.registry import Kind, find, title

COLOURS: dict[Kind, str] = {
    "learned": "#d55e00",
    "ablation": "#d55e00",
    "gradient": "#0072b2",
    "perturbation": "#009e73",
    "integrated": "#cc79a7",
    "attention": "#e69f00",
    "control": "#808080",
}
"""Okabe and Ito's colours (2008), told apart with any colour vision; line styles tell methods of a kind apart."""

LINES = ("-", "--", ":", "-.", (0, (6, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
MARKERS = "osD^v<>"
INK = "#010203"
"""Stands for the text colour of the page until the SVG is written."""

Style = tuple[str, Any, str]


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """Colour, line and marker of every method."""
    seen: dict[str, int] = {}
    found: dict[str, Style] = {}
    for method in methods:
        colour = COLOURS[find(method).kind]
        place = seen.get(colour, 0)
        seen[colour] = place + 1
        found[method] = colour, LINES[place % len(LINES)], MARKERS[place % len(MARKERS)]
    return found


def curves(
    lines: Mapping[str, pd.Series[Any]],
    *,
    across: str,
    up: str,
    description: str,
    chart_id: str,
    limits: tuple[float, float] | None = None,
) -> str:
    """A line per method over the index of its series.

    Args:
        lines: of every method, values by position.
        across, up: names of the axes.
        description: what a person who does not see the chart is told.
        chart_id: begins the ids of the lines, `<chart_id>:<method>`.
        limits: of the values, or None to fit them.
    """
    figure, axes = _new()
    for method, (colour, line, _) in styles(list(lines)).items():
        series = lines[method]
        axes.plot(series.index, series, color=colour, linestyle=line, linewidth=1.6, gid=f"{chart_id}:{method}")
    axes.set(xlabel=across, ylabel=up)
    if limits:
        axes.set_ylim(*limits)
    return _svg(figure, description, chart_id)


def scatter(points: pd.DataFrame, *, across: str, up: str, description: str, chart_id: str) -> str:
    """A point per method: columns x (logarithmic axis) and y; lower y is drawn higher, since 1 is the best rank."""
    figure, axes = _new()
    height = points["y"].rank(method="first")
    for method, (colour, _, marker) in styles([str(name) for name in points.index]).items():
        x, y = points.loc[method].to_numpy(float)
        above = 3 if height[method] % 2 else -9  # so that the labels of neighbours part
        axes.plot([x], [y], marker, color=colour, gid=f"{chart_id}:{method}")
        axes.annotate(title(method), (x, y), xytext=(5, above), textcoords="offset points", fontsize=7, color=INK)
    axes.set(xlabel=across, ylabel=up, xscale="log")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    return _svg(figure, description, chart_id)


def heat_map(values: pd.DataFrame, titles: Mapping[str, str], *, description: str, chart_id: str) -> str:
    """A square table of numbers in [-1, 1] as colours, with the numbers in it; rows and columns have the same keys."""
    names = [titles[str(key)] for key in values.index]
    side = 0.36 * len(names) + 1.6
    figure, axes = _new((side, side))
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    cells = values.to_numpy(float)
    axes.pcolormesh(cells, cmap="RdBu", vmin=-1, vmax=1)
    axes.invert_yaxis()
    for (row, column), value in np.ndenumerate(cells):
        if not np.isnan(value):
            text, colour = f"{value:.1f}".replace("-0.0", "0.0"), "white" if abs(value) > 0.6 else "black"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6, color=colour)
    centres = np.arange(len(names)) + 0.5
    axes.set_xticks(centres, names, rotation=90, fontsize=7)
    axes.set_yticks(centres, names, fontsize=7)
    return _svg(figure, description, chart_id)


def _new(size: tuple[float, float] = (4.8, 3.3)) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return figure, axes


def _svg(figure: Figure, description: str, chart_id: str) -> str:
    buffer = io.StringIO()
    # Text stays text and ids depend on the chart alone, so the same numbers give the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": chart_id}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawing = buffer.getvalue()
    start = drawing.index("<svg")
    body = drawing[drawing.index(">", start) + 1 :].replace(INK, "currentColor")
    width, height = (72 * side for side in figure.get_size_inches())
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(description)}">{body}'
