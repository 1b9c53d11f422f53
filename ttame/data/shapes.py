"""The embedded data set: small images rendered from a seed, with the truth about where the evidence is.

Every image shows one object on a textured background among distractors. The class is the *conjunction* of the
object's outline and its fill pattern. Distractors carry one of the two, never both: a plainly filled outline, or a
pattern in a shape that is no class outline. So a classifier has to look at the object, and a saliency map that
points elsewhere is wrong by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IMAGE_SIZE = 64
OUTLINES = ("circle", "square", "triangle", "star", "cross")
PATTERNS = ("striped", "dotted")
DISTRACTORS = (3, 5)
MOST_PARTS = DISTRACTORS[1] + 1
CLASS_NAMES = tuple(f"{pattern} {outline}" for outline in OUTLINES for pattern in PATTERNS)

Array = NDArray[np.float64]
Window = tuple[slice, slice]


@dataclass(frozen=True)
class ShapesImage:
    """One rendered image.

    Attributes:
        pixels: (64, 64, 3) uint8, RGB.
        object_mask: (64, 64) bool, true on the pixels of the object that decides the class.
        parts: (64, 64) uint8, which part is seen at each pixel: 0 for the background, 1 and on for the distractors in
            the order of painting, and `part_count` for the object.
        part_count: distractors and the object.
        label: index into `CLASS_NAMES`.
    """

    pixels: NDArray[np.uint8]
    object_mask: NDArray[np.bool_]
    parts: NDArray[np.uint8]
    part_count: int
    label: int


def render(seed: int, index: int, without: int | None = None) -> ShapesImage:
    """Render image `index` of the data set with this seed; the same pair gives the same pixels everywhere.

    Args:
        seed, index: of the image.
        without: the part that is left out, everything else untouched: what it hid is seen.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, index]))
    label = int(random.integers(len(CLASS_NAMES)))
    outline, pattern = divmod(label, len(PATTERNS))
    canvas = _background(random)
    painted = [_distractor(random) for _ in range(int(random.integers(DISTRACTORS[0], DISTRACTORS[1] + 1)))]
    painted.append(_object(OUTLINES[outline], PATTERNS[pattern], random))
    parts = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for part, (window, coverage, fill) in enumerate(painted, start=1):
        if part != without:
            canvas[window] += coverage[..., None] * (fill - canvas[window])
            parts[window][coverage > 0.5] = part
    canvas += random.normal(0.0, 0.02, canvas.shape)
    pixels = np.round(np.clip(canvas, 0.0, 1.0) * 255.0).astype(np.uint8)
    return ShapesImage(pixels, parts == len(painted), parts, len(painted), label)


_ROWS, _COLUMNS = np.mgrid[0:IMAGE_SIZE, 0:IMAGE_SIZE].astype(np.float64)


def _background(random: np.random.Generator) -> Array:
    """A colour gradient plus three faint gratings: texture, but no edge that looks like an outline."""
    corners = random.uniform(0.15, 0.85, (2, 3)) * 0.5 + random.uniform(0.1, 0.4)
    angle = random.uniform(0, 2 * np.pi)
    ramp = (np.cos(angle) * _COLUMNS + np.sin(angle) * _ROWS) / (2 * IMAGE_SIZE) + 0.5
    canvas = corners[0] + (corners[1] - corners[0]) * ramp[..., None]
    for _ in range(3):
        angle, phase = random.uniform(0, 2 * np.pi, 2)
        wavelength = random.uniform(5.0, 24.0)
        wave = np.sin(2 * np.pi * (np.cos(angle) * _COLUMNS + np.sin(angle) * _ROWS) / wavelength + phase)
        canvas = canvas + wave[..., None] * random.uniform(-0.05, 0.05, 3)
    return canvas


def _window(centre: Array, radius: float) -> Window:
    """The pixels that an object may cover, the soft edge of one pixel included.

    In radii, a square's corner, which is the furthest point of all outlines, lies at 1.13.
    """
    reach = 1.25 * radius + 1
    row, column = (slice(max(0, int(place - reach)), int(place + reach) + 2) for place in centre)
    return row, column


def _local(window: Window, centre: Array, radius: float, angle: float) -> tuple[Array, Array]:
    """Pixel coordinates in the frame of an object: unit radius, rotated."""
    down, right = (_ROWS[window] - centre[0]) / radius, (_COLUMNS[window] - centre[1]) / radius
    return right * np.cos(angle) + down * np.sin(angle), -right * np.sin(angle) + down * np.cos(angle)


def _polygon(x: Array, y: Array, corners: Array) -> Array:
    """Signed distance to a simple polygon (negative inside), by the distance to its edges and the crossing rule."""
    distance = np.full_like(x, np.inf)
    inside = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge_x, edge_y = x1 - x0, y1 - y0
        along = np.clip(((x - x0) * edge_x + (y - y0) * edge_y) / (edge_x**2 + edge_y**2), 0.0, 1.0)
        distance = np.minimum(distance, (x - x0 - along * edge_x) ** 2 + (y - y0 - along * edge_y) ** 2)
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < x0 + (y - y0) / edge_y * edge_x)
    return np.where(inside, -1.0, 1.0) * np.sqrt(distance)


def _regular(corner_count: int, inner: float | None = None) -> Array:
    """Corners of a regular polygon, or of a star when an inner radius is given; one corner points up."""
    count = corner_count * (1 if inner is None else 2)
    angles = np.arange(count) * 2 * np.pi / count - np.pi / 2
    radii = np.ones(count) if inner is None else np.where(np.arange(count) % 2, inner, 1.0)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _cross(x: Array, y: Array) -> Array:
    arm = 0.36
    width = np.maximum(np.abs(x) - 1.0, np.abs(y) - arm)
    height = np.maximum(np.abs(x) - arm, np.abs(y) - 1.0)
    return np.minimum(width, height)


_SIGNED_DISTANCE: dict[str, Callable[[Array, Array], Array]] = {
    "circle": lambda x, y: np.hypot(x, y) - 0.9,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) - 0.8,
    "triangle": lambda x, y: _polygon(x, y, _regular(3) * 1.1),
    "star": lambda x, y: _polygon(x, y, _regular(5, inner=0.42) * 1.1),
    "cross": _cross,
    # For distractors alone: no class has this outline.
    "ellipse": lambda x, y: (np.hypot(x, y / 0.45) - 1.0) * 0.45,
}


def _coverage(outline: str, x: Array, y: Array, radius: float) -> Array:
    """Share of each pixel of a window that lies inside the outline, antialiased over one pixel."""
    return np.clip(0.5 - _SIGNED_DISTANCE[outline](x, y) * radius, 0.0, 1.0)


def _pattern(name: str, x: Array, y: Array, radius: float, random: np.random.Generator) -> Array:
    """Weight of the second colour of a fill at each pixel of a window."""
    angle, phase, shift = random.uniform(0, 2 * np.pi, 3)
    u = (np.cos(angle) * x + np.sin(angle) * y) * radius
    v = (-np.sin(angle) * x + np.cos(angle) * y) * radius
    if name == "striped":
        wave = np.sin(2 * np.pi * u / random.uniform(4.5, 6.5) + phase)
    else:
        period = random.uniform(5.0, 6.5)
        wave = np.sin(2 * np.pi * u / period + phase) * np.sin(2 * np.pi * v / period + shift) * 2.0 - 0.3
    return np.clip(wave * 1.6 + 0.5, 0.0, 1.0)


def _contrasting_colours(random: np.random.Generator) -> tuple[Array, Array]:
    dark = random.uniform(0.0, 0.45, 3)
    light = np.clip(dark + random.uniform(0.35, 0.6, 3), 0.0, 1.0)
    return (dark, light) if random.uniform() < 0.5 else (light, dark)


def _distractor(random: np.random.Generator) -> tuple[Window, Array, Array]:
    """Window, coverage and fill of half of a class: a plain class outline, or a class pattern in an ellipse."""
    radius = random.uniform(5.0, 9.0)
    centre = random.uniform(4, IMAGE_SIZE - 4, 2)
    window = _window(centre, radius)
    x, y = _local(window, centre, radius, random.uniform(0, 2 * np.pi))
    first, second = _contrasting_colours(random)
    if random.uniform() < 0.5:
        return window, _coverage(OUTLINES[int(random.integers(len(OUTLINES)))], x, y, radius), first
    weight = _pattern(PATTERNS[int(random.integers(len(PATTERNS)))], x, y, radius, random)[..., None]
    return window, _coverage("ellipse", x, y, radius), first + weight * (second - first)


def _object(outline: str, pattern: str, random: np.random.Generator) -> tuple[Window, Array, Array]:
    """Window, coverage and fill of the object that decides the class."""
    radius = random.uniform(10.0, 15.0)
    centre = random.uniform(radius + 1, IMAGE_SIZE - radius - 1, 2)
    window = _window(centre, radius)
    x, y = _local(window, centre, radius, random.uniform(-0.35, 0.35))
    first, second = _contrasting_colours(random)
    weight = _pattern(pattern, x, y, radius, random)[..., None]
    return window, _coverage(outline, x, y, radius), first + weight * (second - first)
