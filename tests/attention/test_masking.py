from __future__ import annotations

import pytest
import torch
from torch import nn

from ttame.attention.masking import classes_of_masks, mask_images, own_masks
from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing

from ..conftest import IMAGENET


def test_golden_masks_that_enter_the_loss(golden) -> None:
    arrays = golden("losses")
    maps, logits, labels = arrays["a"], arrays["random.logits"], arrays["random.labels"]
    # The golden labels are drawn, not the argmax; put them on top so that they are the model truths.
    truths = logits.scatter(1, labels[:, None], float(logits.amax()) + 1)
    chosen = classes_of_masks(truths, truths.argmax(1), "random")
    torch.testing.assert_close(maps[:, chosen], arrays["get_a.random"], rtol=0, atol=0)
    chosen = classes_of_masks(truths, truths.argmax(1), "diagonal")
    assert torch.equal(_gather(maps, chosen), arrays["get_a.diagonal"])
    chosen = classes_of_masks(logits, logits.argmax(1), "max")
    assert torch.equal(_gather(maps, chosen), arrays["get_a.max"])


def _gather(maps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return torch.stack([image[chosen] for image, chosen in zip(maps, classes, strict=True)])


@pytest.mark.parametrize("policy", ["raw_normalize", "new", "renormalize"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_golden_input_policies(golden, policy, dtype) -> None:
    arrays = golden("losses")
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone = Backbone("x", model, Preprocessing((224, 224), 224, "bilinear", *IMAGENET), ["0"], "0")
    images = arrays["policy.lowres_image"].to(dtype).repeat_interleave(16, 2).repeat_interleave(16, 3)
    masks = arrays["policy.a"].to(dtype)[torch.arange(2), arrays["policy.labels"]][:, None]
    seen = mask_images(images, masks, backbone, policy).double()
    tolerance = 3e-6 if dtype == torch.float32 else 1e-12
    expected = {name: arrays[f"policy.{policy}.body_input_{name}"] for name in ("strided", "row100")}
    torch.testing.assert_close(seen[:, :, ::7, ::7], expected["strided"], atol=tolerance, rtol=0)
    torch.testing.assert_close(seen[:, :, 100], expected["row100"], atol=tolerance, rtol=0)
    mean = arrays[f"policy.{policy}.body_input_channel_mean"]
    torch.testing.assert_close(seen.mean((2, 3)), mean, atol=tolerance, rtol=0)


@pytest.mark.parametrize("mode", ["random", "diagonal", "max"])
def test_own_masks_are_those_of_the_model_truth(mode) -> None:
    torch.manual_seed(0)
    logits, maps = torch.randn(4, 6), torch.rand(4, 6, 3, 3)
    chosen = classes_of_masks(logits, logits.argmax(1), mode)
    masks = maps[:, chosen] if mode == "random" else _gather(maps, chosen)
    expected = maps[torch.arange(4), logits.argmax(1)][:, None]
    assert torch.equal(own_masks(masks, mode), expected)


def test_golden_own_masks(golden) -> None:
    arrays = golden("ad_ic")
    masks = own_masks(arrays["random.mask"], "random")
    assert torch.equal(masks[:, 0], torch.stack([arrays["random.mask"][index, index] for index in range(3)]))
