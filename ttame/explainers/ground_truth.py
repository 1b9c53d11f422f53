"""The other end of the scale: the object's own mask, where the data has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ttame.data.sample import Sample
from ttame.errors import TTameError
from ttame.explainers.explainer import Explainer


class GroundTruth(Explainer):
    """1 on the object, 0 elsewhere. Not an explanation of the classifier: what a perfect one would come close to.

    Formula:
        L(i, j) = 1 on the object, else 0

    Limits:
        It is not an explanation: what the classifier looks at may lie outside the object, or be one corner of it. Known
        where images are rendered, so of the embedded data alone.
    """

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, H, W) zeros and ones.

        Raises:
            TTameError: when an image has no ground truth.
        """
        masks = [sample.object_mask for sample in samples]
        if any(mask is None for mask in masks):
            raise TTameError("ground_truth: these images have no object masks; take it out of methods.training_free")
        return torch.from_numpy(np.stack([mask for mask in masks if mask is not None])).float().to(images.device)
