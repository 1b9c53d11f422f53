"""A classifier under examination: the frozen model, and the evaluation images as it sees them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.params.settings import Settings
from ttame.runtime.device import select_device
from ttame.stages.evaluation_images import EvaluationImages


class Subject:
    """One backbone of an experiment; what is not asked for is not loaded."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.device: torch.device = select_device(settings.execution)

    @cached_property
    def backbone(self) -> Backbone:
        """The frozen classifier on the device."""
        return load_backbone(self.name, self.settings.models[self.name]).to(self.device)

    @cached_property
    def images(self) -> EvaluationImages:
        """The evaluation list."""
        return EvaluationImages(self.settings, self.backbone, self.device)

    def identity(self, origin: Mapping[str, str]) -> dict[str, object]:
        """What decides work in progress: the batch size too, since it decides which images a piece holds."""
        execution = self.settings.execution
        return {"origin": origin, "batch_size": execution.batch_size, "portable": execution.portable}

    @property
    def input_size(self) -> tuple[int, int]:
        """(H, W) of the classifier."""
        return self.backbone.preprocessing.input_size

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """(B, K) of (B, 3, H, W) normalised images, in slices of `execution.batch_size`."""
        return self.logits_of(self.backbone, images)

    @torch.no_grad()
    def logits_of(self, model: Backbone, images: Tensor) -> Tensor:
        """The same of another network."""
        slices = images.split(self.settings.execution.batch_size)
        return torch.cat([model(part.contiguous(memory_format=torch.channels_last)) for part in slices])
