"""A tiny transformer of every family, with attention that can be followed: 32 pixels, 16 patches, 3 layers, 2 heads."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing

from ...conftest import IMAGENET

SIZE: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 5}
ROTARY: dict[str, Any] = {"use_rot_pos_emb": True, "ref_feat_shape": (4, 4)}


def vit(**options: Any) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(**SIZE | options)


def _distilled() -> nn.Module:
    from timm.models.deit import VisionTransformerDistilled

    return VisionTransformerDistilled(**SIZE)


def _beit(**options: Any) -> nn.Module:
    from timm.models.beit import Beit

    return Beit(**SIZE, use_abs_pos_emb=False, init_values=0.1, **options)


def _eva(**options: Any) -> nn.Module:
    from timm.models.eva import Eva

    return Eva(**SIZE, **options)


def _relative() -> nn.Module:
    from timm.models.vision_transformer_relpos import VisionTransformerRelPos

    return VisionTransformerRelPos(**SIZE)


def _torchvision() -> nn.Module:
    from torchvision.models import VisionTransformer

    return VisionTransformer(32, 8, 3, 2, 24, 48, num_classes=5)


class HuggingFace(nn.Module):
    """What a user writes around a model of transformers."""

    num_prefix_tokens = 1

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.patch_embed = SimpleNamespace(grid_size=(4, 4))

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images).logits


def hugging_face(name: str, **options: Any) -> HuggingFace:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    config = getattr(transformers, f"{name}Config")(**sizes, intermediate_size=48, num_labels=5, **options)
    return HuggingFace(getattr(transformers, f"{name}ForImageClassification")(config))


FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "timm": vit,
    "registers": lambda: vit(reg_tokens=3),
    "query_norm": lambda: vit(qk_norm=True),
    "layer_scale": lambda: vit(init_values=0.1),
    "clip": lambda: vit(pre_norm=True),
    "deit3": lambda: vit(no_embed_class=True, init_values=0.1),
    "attention_norm": lambda: vit(scale_attn_norm=True),
    "distilled": _distilled,
    "mean": lambda: vit(global_pool="avg", class_token=False),
    "mean_of_patches": lambda: vit(global_pool="avg", reg_tokens=2),
    "mean_of_all": lambda: vit(global_pool="avg", pool_include_prefix=True),
    "siglip": lambda: vit(global_pool="map", class_token=False),
    "beit": lambda: _beit(use_rel_pos_bias=True),
    "beit_shared": lambda: _beit(use_shared_rel_pos_bias=True, global_pool="token"),
    "relative": _relative,
    "eva": _eva,
    "eva02": lambda: _eva(**ROTARY, qkv_fused=False, swiglu_mlp=True, scale_mlp=True, scale_attn_inner=True),
    "dinov3": lambda: _eva(
        use_rot_pos_emb=True, rope_type="dinov3", num_reg_tokens=4, use_abs_pos_emb=False, use_fc_norm=False
    ),
    "torchvision": _torchvision,
    "hf_vit": lambda: hugging_face("ViT"),
    "hf_dinov2": lambda: hugging_face("Dinov2"),
}


# Whose logits are those of the class token, or of it and a distillation token, after plain pre-norm blocks.
PLAIN = ("timm", "registers", "query_norm", "layer_scale", "clip", "deit3", "distilled", "torchvision")


def make(model: nn.Module, layers: list[str] | None = None) -> Backbone:
    """With noise on every parameter, since zeros and small scales hide what an attention layer does."""
    noise = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=noise)
    target = layers[0] if layers else None
    return Backbone("vit", model, Preprocessing((32, 32), 32, "bilinear", *IMAGENET), layers, target)
