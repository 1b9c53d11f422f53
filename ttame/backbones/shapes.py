"""The two classifiers of the embedded data set: a small residual CNN and a small vision transformer.

As in the paper they are *already trained*: `scripts/train_shapes_classifiers.py` made the weights beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ttame.backbones.vision_transformer import VisionTransformer
from ttame.data.shapes import CLASS_NAMES, IMAGE_SIZE

MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a skip connection (He et al., CVPR 2016).

    torchvision has it too, but importing torchvision costs two seconds that every stage of the demo would pay.
    """

    def __init__(self, width_in: int, width: int, stride: int, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps))))) + shortcut)


def _stage(width_in: int, width: int, stride: int, blocks: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or width_in != width:
        shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
    first = ResidualBlock(width_in, width, stride, shortcut)
    return nn.Sequential(first, *(ResidualBlock(width, width, 1) for _ in range(blocks - 1)))


class ShapesCNN(nn.Module):
    """Residual CNN, (B, 3, 64, 64) normalised images -> (B, 10) logits; feature maps of 32, 16 and 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.layer1 = _stage(32, 32, stride=1, blocks=1)
        self.layer2 = _stage(32, 64, stride=2, blocks=1)
        self.layer3 = _stage(64, 128, stride=2, blocks=2)
        # A fully connected head that knows positions, as VGG's: with a mean over positions Grad-CAM would be exact.
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Sequential(nn.Linear(128 * 4 * 4, 64), nn.ReLU(inplace=True), nn.Linear(64, len(CLASS_NAMES)))

    def forward(self, images: Tensor) -> Tensor:
        features = self.layer3(self.layer2(self.layer1(self.stem(images))))
        return self.head(torch.flatten(self.pool(features), 1))


def shapes_cnn() -> nn.Module:
    """The CNN with random weights."""
    return ShapesCNN()


def shapes_vit() -> nn.Module:
    """The transformer with random weights: 6 blocks of width 96 on 8x8 tokens."""
    return VisionTransformer(IMAGE_SIZE, stem_widths=(32, 64, 96), depth=6, heads=4, classes=len(CLASS_NAMES))


WEIGHTS = Path(__file__).with_name("weights")
CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {"shapes_cnn": shapes_cnn, "shapes_vit": shapes_vit}
