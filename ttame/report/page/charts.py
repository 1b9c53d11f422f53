"""The curves of the results page as SVG that takes the page's colours and fonts."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ttame.explainers.registry import Kind, find

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

KINDS: dict[Kind, str] = {
    "learned": "Learned",
    "ablation": "Ablations",
    "gradient": "Gradient",
    "perturbation": "Perturbation",
    "integrated": "Integrated",
    "attention": "Attention",
    "control": "Controls",
}
"""What the page calls them."""

LINES = ("-", "--", ":", "-.", (0, (6, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
MARKERS = "osD^v<>"
DASHES = {"-": "", "--": "6 3", ":": "2 2", "-.": "7 2 2 2"}
MARK_PATHS = {
    "o": "M11 5a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "s": "M11.5 1.5h7v7h-7z",
    "D": "M15 0.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
    "^": "M15 1l4 8h-8z",
    "v": "M15 9l4 -8h-8z",
    "<": "M11 5l8 -4v8z",
    ">": "M19 5l-8 -4v8z",
}
"""The marks as in Matplotlib."""
INK = "#010203"
"""Stands for the text colour of the page until the SVG is written."""

Style = tuple[str, Any, str]


def styles(methods: Sequence[str]) -> dict[str, Style]:
    """Colour, line and marker of every method of an experiment, so that all its charts have the same."""
    seen: dict[str, int] = {}
    found: dict[str, Style] = {}
    for method in methods:
        colour = COLOURS[find(method).kind]
        place = seen.get(colour, 0)
        seen[colour] = place + 1
        found[method] = colour, LINES[place % len(LINES)], MARKERS[place % len(MARKERS)]
    return found


def sample(look: Style) -> str:
    """A short piece of a method's line with its mark, for a key."""
    colour, line, marker = look
    dashes = DASHES[line] if isinstance(line, str) else " ".join(str(3 * length / 2) for length in line[1])
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    shape = MARK_PATHS[marker]
    return (
        '<svg class="sample" viewBox="0 0 30 10" aria-hidden="true">'
        f'<path d="M0 5H30" stroke="{colour}" stroke-width="2"{dashed}/><path d="{shape}" fill="{colour}"/></svg>'
    )


def curves(
    lines: Mapping[str, pd.DataFrame],
    *,
    looks: Mapping[str, Style],
    across: str,
    up: str,
    description: str,
    chart_id: str,
    limits: tuple[float, float] | None = None,
) -> str:
    """A line per method over the index of its table, and a band around it that the page shows of a chosen method.

    Args:
        lines: of every method, by position: mean and, where they are known, low and high.
        looks: of `styles`.
        across, up: names of the axes.
        description: what a person who does not see the chart is told.
        chart_id: begins the ids of the lines, `<chart_id>:<method>`; bands have `:band` behind.
        limits: of the values, or None to fit them.
    """
    figure, axes = _new()
    for method, table in lines.items():
        colour, line, _ = looks[method]
        gid = f"{chart_id}:{method}"
        if "low" in table:
            axes.fill_between(
                table.index, table["low"], table["high"], color=colour, alpha=0.2, lw=0, gid=f"{gid}:band"
            )
        axes.plot(table.index, table["mean"], color=colour, linestyle=line, linewidth=1.6, gid=gid)
    axes.set(xlabel=across, ylabel=up)
    if limits:
        axes.set_ylim(*limits)
    return _svg(figure, description, chart_id)


def by_epoch(
    runs: Mapping[tuple[str, int], pd.Series[Any]],
    *,
    looks: Mapping[str, Style],
    up: str,
    description: str,
    chart_id: str,
    highest: float | None,
) -> str:
    """A line with a mark at every epoch for each method and seed, over an axis from zero.

    Args:
        runs: values by epoch.
        looks: of `styles`.
        up: what they are.
        description, chart_id: as of `curves`; the ids of the lines have `:<seed>` behind.
        highest: end of the axis, or None to fit it.
    """
    figure, axes = _new((3.6, 2.7))
    for (method, seed), series in runs.items():
        colour, line, marker = looks[method]
        axes.plot(
            series.index,
            series,
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=3.5,
            linewidth=1.3,
            gid=f"{chart_id}:{method}:{seed}",
        )
    axes.set(xlabel="epoch", ylabel=up)
    axes.set_ylim(0, highest)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
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
