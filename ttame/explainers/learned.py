"""Every learned method: the map of a trained attention mechanism, in one forward pass.

TAME (Ntrougkas et al., ISM 2022), T-TAME (Ntrougkas et al., IEEE Access 2024), L-CAM (Gkartzonika et al., ECCVW 2022)
P-TAME (Ntrougkas et al., IEEE OJSP 2025) and the mechanisms of T-TAME's ablation study differ in their mechanism and
training; using them is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ttame.attention.auxiliary import features_read
from ttame.attention.checkpoint import TrainedMechanism, load_checkpoint
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.options import NoOptions
from ttame.params.auxiliary import AuxiliarySettings


class Learned(Explainer):
    """The raw map of the target class from a trained mechanism; any class can be asked for.

    Target layers: the feature layers that the mechanism was trained on; P-TAME's are those of its auxiliary classifier,
    and the classifier that it explains is not run at all.

    Formula:
        L_k = the raw map c_k of the class, min-max normalised;   c = mechanism(feature layers)
        In training a = sigmoid(c), and
        loss = λ₁ CE(f(a · x), class) + λ₂ mean (a + 0.0005)^0.3 + λ₃ variation(a)

    Limits:
        A class that no training image was given has an untrained map, or its class activation map where the training
        starts from that: the column *Untrained %* says for how many images that is so. Another seed gives another
        mechanism, and a training can end with the map of a single class inverted. The loss asks the masked image to
        keep its class, which is what AD and IC ask too: they flatter what was trained with it.
    """

    def __init__(
        self,
        backbone: Backbone,
        checkpoint: Path | TrainedMechanism,
        design: str,
        auxiliary: AuxiliarySettings | None = None,
    ) -> None:
        """Prepare the mechanism of a checkpoint, which has to be one of this design for this classifier.

        Args:
            backbone: the frozen classifier.
            checkpoint: the trained mechanism, or the file that holds it.
            design: its key in `ttame.attention.designs.DESIGNS`.
            auxiliary: the classifier that it has to read, or None for the one that the checkpoint names.
        """
        super().__init__(backbone, NoOptions())
        if isinstance(checkpoint, Path):
            checkpoint = load_checkpoint(checkpoint, backbone, design, auxiliary)
        self._trained = checkpoint
        self._network = self._trained.network.to(next(backbone.parameters()))

    @torch.no_grad()
    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, h, w) raw maps `c` (not the sigmoid) at the resolution of the first feature set, at most 56
        but for P-TAME."""
        auxiliary = self._trained.auxiliary
        if auxiliary is not None:
            auxiliary.classifier.to(images)  # where the explained classifier may have been moved in between
        features = features_read(self.backbone, auxiliary, images, self._trained.layers)
        maps: Tensor = self._network.to(images)(features, targets[:, None])
        return maps[:, 0]

    def training_counts(self, targets: Tensor) -> Tensor:
        """How often each target was a model truth in training; the map of a class with 0 is untrained."""
        return self._trained.counts[targets.cpu()]
