"""The steps of P-TAME's training, against a loop that writes everything down once more."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.attention.auxiliary import Auxiliary
from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing

from ..conftest import TinyCNN
from .recipe import auxiliary_features, auxiliary_settings, ptame_training


class PlainLoop:
    """P-TAME's training written down once more: the mechanism, the loss, AdamW with amsgrad and its cycle."""

    def __init__(self, network: nn.Module) -> None:
        self.network: Any = network
        self.parameters = dict(network.named_parameters())
        self.state = {name: [torch.zeros_like(p) for _ in range(3)] for name, p in self.parameters.items()}
        self.steps = 0

    def losses(self, images: Tensor, backbone: Backbone, auxiliary: Auxiliary) -> list[Tensor]:
        mean, std = (torch.tensor(v).double().view(3, 1, 1) for v in ((0.2, 0.5, 0.6), (0.3, 0.4, 0.2)))
        labels = backbone.model((images - mean) / std).argmax(1)
        branches = []
        for feature, conv, norm in zip(
            auxiliary_features(images, auxiliary), self.network.convs, self.network.bns, strict=True
        ):
            branch = functional.relu(norm(conv(feature)) + feature)
            while branch.shape[2] < 32:
                branch = functional.interpolate(branch, scale_factor=2, mode="bilinear", align_corners=False)
            branches.append(branch)
        masks = self.network.fuser(torch.cat(branches, 1)).sigmoid()[:, labels]
        own = torch.stack([masks[index, index] for index in range(len(images))])[:, None]
        own = functional.interpolate(own, images.shape[2:], mode="bilinear", align_corners=False)
        logits = backbone.model((own * images - mean) / std)
        chosen = -logits.log_softmax(1)[torch.arange(len(images)), labels]
        rough = (masks[:, :, 1:] - masks[:, :, :-1]).square().sum() + (masks[..., 1:] - masks[..., :-1]).square().sum()
        borders = (masks[:, :, 0], masks[:, :, -1], masks[..., 0], masks[..., -1])
        rough = rough + 0.3 * sum(border.square().sum() for border in borders)
        area = (masks + 0.0005).sqrt().mean()
        return [0.1313 * chosen.mean(), 0.8386 * area, 0.001 * rough / (2 * len(images))]

    def step(self, images: Tensor, backbone: Backbone, auxiliary: Auxiliary, cycle: tuple[float, float]) -> float:
        loss = torch.stack(self.losses(images, backbone, auxiliary)).sum()
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        self.steps += 1
        rate, beta = cycle
        with torch.no_grad():
            for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
                first, second, largest = self.state[name]
                decay = 0.0 if name.endswith("bias") else 0.1
                parameter.mul_(1 - rate * decay)
                first += (1 - beta) * (gradient - first)
                second += 0.001 * (gradient.square() - second)
                torch.maximum(largest, second, out=largest)
                size = largest.sqrt() / math.sqrt(1 - 0.999**self.steps) + 1e-8
                parameter.sub_(rate / (1 - beta**self.steps) * first / size)
        return loss.item()


def test_steps_are_those_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    preprocessing = Preprocessing((32, 32), 32, "bilinear", (0.2, 0.5, 0.6), (0.3, 0.4, 0.2))
    backbone = Backbone("tiny", TinyCNN(), preprocessing)
    auxiliary = Auxiliary(auxiliary_settings("shapes_cnn"), backbone)
    training = ptame_training(backbone, auxiliary)
    plain = PlainLoop(copy.deepcopy(training.network).double())
    for module in (backbone, auxiliary.classifier, training.network):
        module.double()
    generator = torch.Generator().manual_seed(3)
    for _ in range(4):
        images = torch.rand(4, 3, 32, 32, generator=generator, dtype=torch.float64)
        group = training.optimiser.param_groups[0]
        cycle = (group["lr"], group["betas"][0])
        expected = plain.step(images, backbone, auxiliary, cycle)
        assert training.step(images).loss.total.item() == pytest.approx(expected, rel=1e-9)
    for name, tensor in plain.network.state_dict().items():
        torch.testing.assert_close(training.network.state_dict()[name], tensor, atol=1e-9, rtol=1e-7)
