"""Cost against quality: a mark per method, the line of those that no other beats in both, labels that keep apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, hypot, log10

import pandas as pd

from ttame.explainers.registry import title
from ttame.report.page.charts import styles

Point = tuple[float, float]

WIDTH, HEIGHT = 640.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 120.0, 14.0, 40.0
LETTER, LINE = 6.0, 13.0
"""Width of a letter and height of a line of a label."""
STEPS = 30
"""How far a label may move, in half lines."""


@dataclass(frozen=True)
class Box:
    """A rectangle on the drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether they have a point in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def frontier(points: pd.DataFrame) -> list[str]:
    """The methods that no other beats: none has a lower x and no higher y, or a lower y and no higher x; by x, and of
    equals the first.
    """
    found, lowest = [], float("inf")
    for method, row in points.sort_values(["x", "y"], kind="stable").iterrows():
        if row["y"] < lowest:
            found.append(str(method))
            lowest = float(row["y"])
    return found


def scatter(points: pd.DataFrame, *, across: str, up: str, description: str, reference: str, chart_id: str) -> str:
    """SVG of a mark per method over a logarithmic axis; lower y is drawn higher, since 1 is the best rank.

    Args:
        points: x > 0 and y of every method.
        across, up: names of the axes.
        description: what a person who does not see the chart is told.
        reference: the method to bring out.
        chart_id: begins the ids of the marks, `<chart_id>:<method>`.
    """
    low, high = log10(points["x"].min()), log10(points["x"].max())
    high = max(high, low + 1)
    best, worst = floor(points["y"].min()), ceil(points["y"].max() + 0.5)
    x = LEFT + 14 + (points["x"].map(log10) - low) / (high - low) * (WIDTH - LEFT - RIGHT - 14)
    y = TOP + (points["y"] - best) / (worst - best) * (HEIGHT - TOP - BOTTOM)
    places = pd.DataFrame({"x": x, "y": y})
    front = frontier(points)
    line = _staircase([(float(places["x"][method]), float(places["y"][method])) for method in front])
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
    parts = [*_axes(low, high, best, worst), f'<polyline class="front" points="{corners}"/>']
    looks = styles([str(method) for method in points.index])
    labels = place_labels(places, line)
    for method, (colour, _, _) in looks.items():
        centre_x, centre_y = float(places["x"][method]), float(places["y"][method])
        box = labels[method]
        of_reference = ' class="reference"' if method == reference else ""
        strong = ' class="strong"' if method in front else ""
        parts.append(
            f'<g id="{chart_id}:{escape(method)}"{of_reference}>{_leader(centre_x, centre_y, box)}'
            f'<circle cx="{centre_x:.1f}" cy="{centre_y:.1f}" r="4.5" fill="{colour}"/>'
            f'<text x="{box.left:.1f}" y="{box.bottom - 3:.1f}"{strong}>'
            f"{escape(title(method))}</text></g>"
        )
    middle = (HEIGHT - BOTTOM + TOP) / 2
    parts += [
        f'<text class="axis" x="{(WIDTH - RIGHT + LEFT) / 2:.0f}" y="{HEIGHT - 6:.0f}">{escape(across)}</text>',
        f'<text class="axis" transform="translate(12 {middle:.0f}) rotate(-90)">{escape(up)}</text>',
    ]
    return (
        f'<svg class="scatter" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(description)}">'
        f"{''.join(parts)}</svg>"
    )


def place_labels(places: pd.DataFrame, line: Sequence[Point] = ()) -> dict[str, Box]:
    """A box for the label of every mark, near it, that overlaps neither marks nor the line nor other boxes.

    Args:
        places: x and y of the marks on the drawing. Where there is no free place nearby, a label stays where it is
            wanted most.
        line: corners of a line to keep free.
    """
    marks = [*map(tuple, places.to_numpy(float))]
    taken = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in marks]
    taken += [
        Box(x - 2, y - 2, x + 2, y + 2) for x, y in _along(line) if all(hypot(x - a, y - b) > 9 for a, b in marks)
    ]
    found: dict[str, Box] = {}
    for method in places.sort_values(["y", "x"], kind="stable").index:
        x, y = places.loc[method].to_numpy(float)
        wanted = list(_candidates(x, y, LETTER * len(title(str(method))) + 4))
        box = next((box for box in wanted if not any(box.overlaps(other) for other in taken)), wanted[0])
        found[str(method)] = box
        taken.append(box)
    return found


def _staircase(front: Sequence[Point]) -> list[Point]:
    """Corners of the line below which nothing is reached: level up to the next mark, then up to it."""
    corners = list(front[:1])
    for (_, y), (next_x, next_y) in pairwise(front):
        corners += [(next_x, y), (next_x, next_y)]
    return corners


def _along(line: Sequence[Point]) -> Iterator[Point]:
    for (x, y), (next_x, next_y) in pairwise(line):
        count = max(1, round(hypot(next_x - x, next_y - y) / 4))
        for step in range(count + 1):
            yield x + (next_x - x) * step / count, y + (next_y - y) * step / count


def _candidates(x: float, y: float, width: float) -> Iterator[Box]:
    """To the right, then to the left, ever farther up and down, within the drawing."""
    for step in range(STEPS):
        for shift in (step * LINE / 2, -step * LINE / 2):
            top = y - LINE / 2 + shift
            if not 0 <= top <= HEIGHT - BOTTOM - LINE:
                continue
            gap = 8 if step < 2 else 18
            for left in (x + gap, x - gap - width):
                if left >= LEFT and left + width <= WIDTH:
                    yield Box(left, top, left + width, top + LINE)
    yield Box(x + 8, y - LINE / 2, x + 8 + width, y + LINE / 2)


def _leader(x: float, y: float, box: Box) -> str:
    """A line from a mark to a label that is not beside it."""
    middle = (box.top + box.bottom) / 2
    if abs(middle - y) < LINE:
        return ""
    end = box.left - 2 if box.left > x else box.right + 2
    return f'<line class="leader" x1="{x:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{middle:.1f}"/>'


def _axes(low: float, high: float, best: int, worst: int) -> Sequence[str]:
    parts = []
    inner = WIDTH - LEFT - RIGHT - 14
    for power in range(floor(low), ceil(high) + 1):
        for value in (times * 10.0**power for times in (1, 2, 5)):
            if not low - 1e-9 <= log10(value) <= high + 1e-9:
                continue
            x = LEFT + 14 + (log10(value) - low) / (high - low) * inner
            parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP:g}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM:g}"/>')
            parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 14:g}">{value:g}</text>')
    stride = max(1, round((worst - best) / 6))
    for value in range(best, worst + 1, stride):
        y = TOP + (value - best) / (worst - best) * (HEIGHT - TOP - BOTTOM)
        parts.append(f'<line class="grid" x1="{LEFT:g}" y1="{y:.1f}" x2="{WIDTH - RIGHT:g}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick side" x="{LEFT - 5:g}" y="{y + 3.5:.1f}">{value}</text>')
    return parts
