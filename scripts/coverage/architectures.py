"""Architectures of timm, torchvision and transformers, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ttame.api.wrapping import wrap
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.params.settings import ModelSettings

TIMM = """
resnet18 resnetv2_50 regnety_002 efficientnet_b0 tf_efficientnet_lite0 mobilenetv3_small_100 mobilenetv4_conv_small
ghostnet_100 convnext_atto convmixer_768_32 hrnet_w18_small res2net50_26w_4s repvgg_a0 hgnetv2_b0 darknet53 nfnet_f0
pvt_v2_b0 davit_tiny focalnet_tiny_srf maxvit_rmlp_pico_rw_256 coatnet_pico_rw_224 poolformer_s12 caformer_s18
mobilevit_xxs mobilevitv2_050 nest_tiny gcvit_xxtiny edgenext_xx_small fastvit_t8 efficientvit_b0 tiny_vit_5m_224
inception_next_tiny mambaout_femto visformer_tiny starnet_s1 vit_tiny_patch16_224 deit_tiny_patch16_224
deit_tiny_distilled_patch16_224 deit3_small_patch16_224 beit_base_patch16_224 eva02_tiny_patch14_224
vit_small_patch14_reg4_dinov2 vit_small_patch16_dinov3 vit_base_patch16_siglip_224 vit_base_patch32_clip_224
vit_relpos_small_patch16_224 xcit_nano_12_p16_224 twins_svt_small volo_d1_224 levit_128s pit_ti_224 mvitv2_tiny
cait_xxs24_224 convit_tiny coat_tiny swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 swin_s3_tiny_224
efficientformer_l1 hiera_tiny_224 mixer_s32_224 resmlp_12_224 gmlp_ti16_224 crossvit_tiny_240 tnt_s_patch16_224
sequencer2d_s samvit_base_patch16_224
""".split()  # noqa: SIM905, a list of strings would be a line each
TORCHVISION = [
    "vgg11",
    "alexnet",
    "densenet121",
    "googlenet",
    "squeezenet1_1",
    "shufflenet_v2_x0_5",
    "swin_t",
    "swin_v2_t",
]
TORCHVISION += ["vit_b_32"]

SIDE = 64
"""Of the images of the models of transformers, in pixels."""
_NARROW = {"embedding_size": 8, "hidden_sizes": [16, 24, 32, 48], "depths": [1, 1, 2, 1]}
_WIDTH = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
_PLAIN = {"image_size": SIDE, "patch_size": 8, "num_hidden_layers": 4, **_WIDTH}
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "ViT": _PLAIN,
    "DeiT": _PLAIN,
    "Beit": _PLAIN,
    "Dinov2": _PLAIN,
    "Dinov2WithRegisters": _PLAIN,
    "Swin": {"image_size": SIDE, "embed_dim": 16, "depths": [2, 2, 2], "num_heads": [2, 2, 4], "window_size": 4},
    "ConvNext": {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 2, 1]},
    "ResNet": _NARROW,
    "RegNet": {"embedding_size": 8, "hidden_sizes": [16, 24, 32, 48], "depths": [1, 1, 2, 1], "groups_width": 8},
    "MobileNetV2": {"image_size": SIDE},
}
"""What differs from a config's defaults."""


def names() -> list[str]:
    """All of them, as `library/name`."""
    of_libraries = (("timm", TIMM), ("torchvision", TORCHVISION), ("transformers", TRANSFORMERS))
    return [f"{library}/{name}" for library, known in of_libraries for name in known]


def make(name: str) -> Backbone:
    """A classifier with random weights from a fixed seed, its layers chosen by the rule.

    Args:
        name: as `names` gives it.

    Raises:
        TTameError: when the rule finds no layers.
    """
    torch.manual_seed(0)
    library, _, model = name.partition("/")
    if library == "transformers":
        return wrap(_of_transformers(model), mean=(0.5,) * 3, std=(0.5,) * 3, input_size=SIDE)
    if library == "timm":
        import timm  # noqa: PLC0415

        return wrap(timm.create_model(model).eval())
    return load_backbone(model, ModelSettings(model=model, weights="none"))


def _of_transformers(model: str) -> nn.Module:
    import transformers  # noqa: PLC0415, two seconds that other libraries need not pay

    config = getattr(transformers, f"{model}Config")(num_labels=10, **TRANSFORMERS[model])
    make_model: Callable[..., nn.Module] = getattr(transformers, f"{model}ForImageClassification")
    return make_model(config).eval()
