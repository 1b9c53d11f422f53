"""T-TAME (Ntrougkas et al., IEEE Access 2024): a trained attention mechanism, one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttame.attention.checkpoint import load_checkpoint
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.errors import TTameError
from ttame.explainers.explainer import Explainer


class TTame(Explainer):
    """The raw map of the target class from a trained mechanism; any class can be asked for."""

    name = "ttame"

    def __init__(self, backbone: Backbone, options: Mapping[str, Any], checkpoint: Path | None) -> None:
        if checkpoint is None:
            raise TTameError(
                f"{self.name} needs a trained mechanism; run `python -m ttame train {backbone.name} {self.name}`"
            )
        self._backbone = backbone
        network, self._counts = load_checkpoint(checkpoint, backbone, self.name)
        self._network = network.to(next(backbone.parameters()).device)

    @torch.no_grad()
    def __call__(self, images: Tensor, targets: Tensor, samples: Sequence[Sample] = ()) -> Tensor:
        """(B, h, w) raw maps `c` (not the sigmoid) at the resolution of the first feature set, at most 56."""
        _, features = self._backbone.features(images, self._backbone.layers)
        maps: Tensor = self._network(list(features.values()), targets[:, None])
        return maps[:, 0]

    def training_counts(self, targets: Tensor) -> Tensor:
        """How often each target was a model truth in training; the map of a class with 0 is untrained."""
        return self._counts[targets.cpu()]
