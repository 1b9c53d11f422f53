"""Rollout with attention weights that the models themselves give, by other ways than ours."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ttame.errors import NotDefined
from ttame.explainers.explainer import make_explainer

from ..backbones.attention.families import FAMILIES, make
from ..backbones.attention.oracle import attention_weights

FIRST_OF_MEAN = {
    "mean": 0,
    "mean_of_patches": 3,
    "mean_of_all": 0,
    "relative": 0,
    "beit": 1,
    "eva": 1,
    "eva02": 1,
    "dinov3": 5,
    "hf_dinov2": 1,
}
"""The first token of those whose mean is classified."""


def _deciding_row(family: str, product: Tensor) -> Tensor:
    """(B, 16), of the rolled out (B, N, N)."""
    first = product[:, 0]
    mean = product[:, FIRST_OF_MEAN[family] :].mean(1) if family in FIRST_OF_MEAN else first
    return ((first + mean) / 2 if family == "hf_dinov2" else mean)[:, -16:]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("normalise", [True, False])
def test_rollout_of_every_family(family, normalise) -> None:
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]()).double()
    images, targets = torch.randn(2, 3, 32, 32).double(), torch.tensor([1, 4])
    weights = [layer.mean(1) for layer in attention_weights(backbone.model, images)]
    product = torch.eye(weights[0].shape[-1]).double().expand(2, -1, -1)
    for layer in weights[:3]:
        factor = layer + torch.eye(layer.shape[-1]).double()
        product = (factor / factor.sum(-1, keepdim=True) if normalise else factor) @ product
    if family == "siglip":
        product = weights[3] @ product  # the row of the query that pools
    maps = make_explainer("rollout", backbone, {"normalise_rows": normalise})(images, targets)
    torch.testing.assert_close(maps.flatten(1), _deciding_row(family, product))


def test_windows_are_no_attention_among_all_tokens_and_another_method_is_named() -> None:
    from timm.models.swin_transformer import SwinTransformer

    model = SwinTransformer(
        img_size=32, patch_size=2, window_size=4, embed_dim=12, depths=(1, 1), num_heads=(1, 1), num_classes=5
    )
    backbone = make(model)
    for method in ("rollout", "gae", "legrad", "lrp"):
        with pytest.raises(NotDefined, match=f"^{method} is .*windows and stages as of Swin.*; use gradcam, rise, iia"):
            make_explainer(method, backbone)
    maps = make_explainer("iia", backbone, {"steps": 2})(torch.randn(1, 3, 32, 32), torch.tensor([1]))
    assert maps.isfinite().all()
