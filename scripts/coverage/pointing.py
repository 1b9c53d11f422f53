"""A classifier whose class depends on one corner of the image alone, so that a map's peak has to be there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttame.attention.checkpoint import make_network
from ttame.attention.warm_start import class_rows, start_from_cam
from ttame.backbones.backbone import Backbone
from ttame.explainers.explainer import make_explainer

CAMS = ("gradcam", "hirescam")
"""Methods whose maps follow from the head alone. Others weigh channels by passes, or cut by sign what tokens carry in
both signs."""
LEARNED = "ttame_ranked"
"""The mechanism that is CAM before its training; others start at random."""


class CornerHead(nn.Module):
    """The features of a classifier, and two logits: a weighted mean over the lower left quadrant, and 0.

    The weights are what the quadrant of an image has and its rest has not, so the first logit is high there alone.
    """

    def __init__(self, backbone: Backbone, image: Tensor) -> None:
        """Set the head by one image, (1, 3, H, W), normalised."""
        super().__init__()
        self.model = backbone.model
        self._layer = backbone.model.get_submodule(backbone.target_layer)
        self._layout = backbone.layout(backbone.target_layer)
        with torch.no_grad():
            maps = self._maps(image)
        inside = corner_of(maps)
        corner, rest = maps[0][:, inside].mean(1), maps[0][:, ~inside].mean(1)
        self.weights = corner - rest * (corner @ rest) / (rest @ rest)

    def forward(self, images: Tensor) -> Tensor:
        maps = self._maps(images)
        logit = maps[:, :, corner_of(maps)].mean(2) @ self.weights
        return torch.stack([logit, torch.zeros_like(logit)], dim=1)

    def _maps(self, images: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        # Last of the hooks, so that it sees what those of an explainer put in the output's place.
        hook = self._layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        try:
            self.model(images)
        finally:
            hook.remove()
        return self._layout.to_maps(outputs[-1])


def corner_of(maps: Tensor) -> Tensor:
    """(h, w) of (..., h, w): whether a position is in the lower left quadrant."""
    height, width = maps.shape[-2:]
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[(height + 1) // 2 :, : width // 2] = True
    return inside


def corner_image(size: tuple[int, int]) -> Tensor:
    """(1, 3, H, W), normalised, float64: noise in the lower left quadrant, the mean colour elsewhere."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 3, *size, generator=generator, dtype=torch.float64)
    return noise * corner_of(noise)


def misses(backbone: Backbone) -> list[str]:
    """The methods whose map of such a classifier has its peak outside the corner.

    In double precision, since with random weights little of the image may arrive at a deep layer. The backbone stays in
    double precision.
    """
    image = corner_image(backbone.preprocessing.input_size)
    head, layer = CornerHead(backbone.double(), image), f"model.{backbone.target_layer}"
    pointed = Backbone("corner", head, backbone.preprocessing, [layer], layer)
    target = torch.zeros(1, dtype=torch.long)
    found = {method: make_explainer(method, pointed)(image, target)[0] for method in CAMS}
    network = make_network(pointed, "passing", pointed.layers).double().eval()
    start_from_cam(network, class_rows(pointed, layer, [pointed.unnormalise(image)]), 0.0)
    with torch.no_grad():
        features = pointed.features(image, pointed.layers)[1]
        found[LEARNED] = network(list(features.values()), target[:, None])[0, 0]
    return [method for method, raw in found.items() if not corner_of(raw).flatten()[raw.argmax()]]
