"""What an explainer says of a few images, and how it looks."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ttame.api.images import Photo, seen_by
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.report.pictures import OPACITY, class_name, overlay

SHOWN = 8
"""Images of a notebook's cell at most."""
THUMBNAIL = 160
"""Longer side of one, in pixels."""


class Passes(NamedTuple):
    """Passes of the classifier for one map, counted; the pass that finds the model truths is none of them."""

    forward: float
    backward: float


@dataclass(frozen=True, repr=False, eq=False)
class Explanation:
    """Maps of B images.

    Attributes:
        method: its registered name.
        saliency: (B, H, W) in [0, 1] at the size of the input, higher is more relevant; 0 everywhere for a map without
            contrast.
        raw: (B, h, w) at the method's own resolution, any real values.
        targets: (B,) int64, the classes that are explained.
        probabilities: (B,) of the targets, in [0, 1].
        passes: forward and backward passes of the classifier, per image.
        class_names: of all classes, or None.
        training_counts: (B,) int64, how often each target was a model truth in the method's training, 0 for a map that
            is untrained; None for a method without training.
        photos: (B, H, W, 3) uint8, what the classifier saw.
        preprocessing: how it wants its images.
    """

    method: str
    saliency: Tensor
    raw: Tensor
    targets: Tensor
    probabilities: Tensor
    passes: Passes
    class_names: Sequence[str] | None
    training_counts: Tensor | None
    photos: NDArray[np.uint8]
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def labels(self) -> list[str]:
        """What the targets are called."""
        return [class_name(self.class_names, target) for target in self.targets.tolist()]

    def overlay(self, photo: Photo | None = None, index: int = 0, opacity: float = OPACITY) -> Image.Image:
        """A map in colour over its image in grey, as large as the classifier's input.

        Args:
            photo: the image, resized and cropped as for the classifier; None for what the classifier saw.
            index: of the image, 0 to B - 1.
            opacity: of the colours, in [0, 1].

        Raises:
            TTameError: for an index or an opacity out of range, and a photo that cannot be read.
        """
        index = index.item() if isinstance(index, np.integer) else index
        if not isinstance(index, int) or not 0 <= index < len(self):
            raise TTameError(f"index: {index!r} is none of {len(self)} images; expected 0 to {len(self) - 1}")
        if not isinstance(opacity, Real) or not 0 <= opacity <= 1:
            raise TTameError(f"opacity: {opacity!r}; expected 0 to 1")
        under = self.photos[index] if photo is None else np.asarray(seen_by(photo, self.preprocessing, "photo"))
        blended = overlay(under, self.saliency[index].float().cpu(), opacity)
        return Image.fromarray(np.round(255 * blended).astype(np.uint8))

    def __repr__(self) -> str:
        rows = ", ".join(f"{label} {probability}" for label, probability in self._captions()[:SHOWN])
        more = ", ..." if len(self) > SHOWN else ""
        return f"Explanation of {len(self)} image{'s' * (len(self) != 1)} by {self.method}: {rows}{more}"

    def _repr_html_(self) -> str:
        figures = []
        for index, (label, probability) in enumerate(self._captions()[:SHOWN]):
            picture, content = self.overlay(index=index), io.BytesIO()
            picture.thumbnail((THUMBNAIL, THUMBNAIL))
            picture.save(content, "PNG")
            source = base64.b64encode(content.getvalue()).decode()
            figures.append(
                f'<figure style="margin:0 8px 8px 0"><img src="data:image/png;base64,{source}">'
                f"<figcaption>{html.escape(label)} {probability}</figcaption></figure>"
            )
        more = f"<p>and {len(self) - SHOWN} more</p>" if len(self) > SHOWN else ""
        return f'<div style="display:flex;flex-wrap:wrap">{"".join(figures)}</div>{more}'

    def _captions(self) -> list[tuple[str, str]]:
        """What every target is called, and its probability."""
        shares = [f"{100 * share:.1f} %" for share in self.probabilities.tolist()]
        return list(zip(self.labels, shares, strict=True))
