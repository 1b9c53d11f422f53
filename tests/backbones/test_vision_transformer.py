from __future__ import annotations

from functools import partial

import torch

from ttame.backbones.vision_transformer import VisionTransformer


def test_it_is_timms_with_the_same_weights() -> None:
    from timm.layers import HybridEmbed
    from timm.models.vision_transformer import VisionTransformer as TimmVisionTransformer
    from timm.models.vision_transformer_hybrid import ConvStem

    torch.manual_seed(0)
    stem = ConvStem(channels=(8, 16, 24), depth=3, stride=(2, 2, 2))
    timms = TimmVisionTransformer(
        img_size=32,
        patch_size=1,
        num_classes=5,
        embed_dim=24,
        depth=2,
        num_heads=4,
        embed_layer=partial(HybridEmbed, backbone=stem, proj=False),
    ).eval()
    ours = VisionTransformer(32, stem_widths=(8, 16, 24), depth=2, heads=4, classes=5).eval()
    ours.load_state_dict(timms.state_dict())
    images = torch.randn(20, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), timms(images), rtol=0, atol=1e-6)
    assert ours.patch_embed.grid_size == timms.patch_embed.grid_size
