"""The tiny networks that the golden arrays were computed with."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing

PLAIN = Preprocessing((32, 32), 32, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def _parameters(arrays: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def cams_cnn(arrays: dict[str, Tensor], layer: str) -> Backbone:
    """`cams.npz`, `cnn.*`."""
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 6))
    model.load_state_dict(_parameters(arrays, "cnn.param."))
    return Backbone("golden", model, PLAIN, [layer], layer)


def rise_cnn(arrays: dict[str, Tensor]) -> Backbone:
    """`rise.npz`."""
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(12, 6))
    model.load_state_dict(_parameters(arrays, "param."))
    return Backbone("golden", model, PLAIN, ["2"], "2")


class _IIA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1))
        self.classifier = nn.Sequential(nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 6))

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.adaptive_avg_pool2d(self.features(images).relu_(), 2)
        return self.classifier(torch.flatten(maps, 1))


def iia_cnn(arrays: dict[str, Tensor]) -> Backbone:
    """`iia_cnn.npz`; its ReLU works in place, as VGG's do."""
    model = _IIA()
    model.load_state_dict(_parameters(arrays, "param."))
    return Backbone("golden", model, PLAIN, ["features.2"], "features.2")


def golden_vit(arrays: dict[str, Tensor], prefix: str = "param.", last_epsilon: float = 1e-6) -> Backbone:
    """timm's transformer of sections 5, 7 and 8: 16 patches of 8, width 32, 3 blocks, 4 heads, 10 classes."""
    from timm.models.vision_transformer import VisionTransformer

    model = VisionTransformer(
        img_size=32,
        patch_size=8,
        embed_dim=32,
        depth=3,
        num_heads=4,
        mlp_ratio=2,
        num_classes=10,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    model.norm.eps = last_epsilon
    model.load_state_dict(_parameters(arrays, prefix))
    return Backbone("golden", model, PLAIN)
