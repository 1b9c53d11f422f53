"""What a caller's block without gradients changes: nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

import ttame
from ttame.explainers.registry import find

from .conftest import SIDE, small_cnn, wrapped

Block = Callable[[], AbstractContextManager[Any]]
QUICK: dict[str, dict[str, Any]] = {"iia": {"steps": 2}, "smoothgrad": {"draws": 2}}
blocks = pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])


def _vit() -> torch.nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    return VisionTransformer(img_size=SIDE, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=5).eval()


def _maps(module: torch.nn.Module, method: str, images: Tensor) -> Tensor:
    return ttame.Explainer(method, wrapped(module), **QUICK.get(method, {}))(images, targets=1).raw


@blocks
@pytest.mark.parametrize("method", ["gradcam", "smoothgrad", "scorecam", "iia", "gae", "lrp"])
def test_the_same_maps(method: str, block: Block) -> None:
    make = small_cnn if "CNN" in find(method).works_on else _vit
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    expected = _maps(make(), method, images)
    module = make()
    with block():
        found = _maps(module, method, images + 0)
        assert not found.is_inference()
    torch.testing.assert_close(found, expected)


@blocks
def test_the_same_scores_of_maps_that_were_made_in_the_block_too(block: Block, folder) -> None:
    paths = sorted((folder / "photos").iterdir())[:2]
    model = wrapped(small_cnn())
    explainer = ttame.Explainer("gradcam", model)
    expected = ttame.evaluate(model, paths, explainer(paths), explainer=explainer)
    maps = explainer(paths).raw
    with block():
        pd.testing.assert_frame_equal(ttame.evaluate(model, paths, explainer(paths), explainer=explainer), expected)
        alone = ttame.evaluate(model, ttame.load_images(paths, model), maps + 0)
    pd.testing.assert_frame_equal(alone.set_index(expected.index), expected[alone.columns], rtol=1e-4)


@blocks
def test_the_same_mechanism_which_is_of_use_outside(block: Block, folder) -> None:
    options: dict[str, Any] = {"images": "photos", "epochs": 1, "batch_size": 5}
    expected = ttame.train(wrapped(small_cnn()), "ttame", **options)
    model = wrapped(small_cnn())
    with block():
        found = ttame.train(model, "ttame", **options)
        found.save("mine.safetensors")
        loaded = ttame.load_mechanism("mine.safetensors", model)
    for mechanism in (found, loaded):
        for name, tensor in expected.trained.network.state_dict().items():
            assert torch.equal(mechanism.trained.network.state_dict()[name], tensor)
    assert ttame.Explainer("ttame", model, checkpoint=loaded)("photos/1.png").raw.isfinite().all()


@blocks
def test_a_model_that_was_opened_in_the_block_has_gradients_outside(block: Block, folder) -> None:
    with block():
        model = ttame.open_model("shapes_cnn")
    assert ttame.Explainer("gradcam", model)("photos/1.png").raw.isfinite().all()
