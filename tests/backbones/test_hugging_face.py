"""Models of transformers, held against transformers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import ttame
from ttame import explain, load_images, open_model
from ttame.backbones.tokens import TokenLayout
from ttame.data.shapes import render
from ttame.errors import TTameError

from ..tiny_models import SIZE, save_classifier, save_clip, save_processor

IMAGES = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Path, Any]:
    folder: Path = tmp_path_factory.mktemp("hugging_face") / "vit"
    return folder, save_classifier(folder)


def test_a_classifier_gives_the_logits_and_names_of_transformers(saved: tuple[Path, Any]) -> None:
    folder, model = saved
    backbone = open_model(
        f"hf:{folder}", layers=["model.vit.layers.0", "model.vit.layers.1"], target_layer="model.vit.layers.1"
    )
    torch.testing.assert_close(backbone(IMAGES), model(pixel_values=IMAGES).logits.detach())
    assert backbone.class_names == tuple(f"name {index}" for index in range(5))
    assert backbone.tokens == TokenLayout(1, (4, 4))


def test_images_are_prepared_as_the_image_processor_does(saved: tuple[Path, Any], tmp_path: Path) -> None:
    from transformers import AutoImageProcessor

    Image.fromarray(render(1, 0).pixels).resize((90, 90)).save(tmp_path / "photo.png")
    backbone = open_model(f"hf:{saved[0]}")
    processor = AutoImageProcessor.from_pretrained(saved[0], backend="pil")
    expected = processor(images=Image.open(tmp_path / "photo.png"), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(load_images(tmp_path / "photo.png", backbone), expected, atol=1e-5, rtol=0)


SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_labels": 3,
    "patch_size": 8,
}
LAYOUTS: dict[str, tuple[dict[str, Any], TokenLayout | None]] = {
    "DeiT": ({"image_size": SIZE}, TokenLayout(2, (4, 4))),
    "Beit": ({"image_size": SIZE}, TokenLayout(1, (4, 4))),
    "IJepa": ({"image_size": SIZE}, TokenLayout(0, (4, 4))),
    # Made for larger images than its processor gives: the grid is that of the images.
    "Dinov2": ({"image_size": 56}, TokenLayout(1, (4, 4))),
    "Dinov2WithRegisters": ({"image_size": SIZE, "num_register_tokens": 3}, TokenLayout(4, (4, 4))),
    "ResNet": ({"embedding_size": 8, "hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}, None),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_tokens_are_those_of_the_architecture(kind: str, tmp_path: Path) -> None:
    import transformers

    changes, layout = LAYOUTS[kind]
    config = getattr(transformers, f"{kind}Config")(**(SIZES | changes if layout else changes | {"num_labels": 3}))
    model = getattr(transformers, f"{kind}ForImageClassification")(config).eval()
    model.save_pretrained(tmp_path)
    save_processor(tmp_path, "ViTImageProcessor", size={"height": SIZE, "width": SIZE})
    layer = next(name for name, part in model.named_modules() if name.endswith((".0", "stages.1")) and "layer" in name)
    backbone = open_model(f"hf:{tmp_path}", layers=[f"model.{layer}"], target_layer=f"model.{layer}")
    assert backbone.tokens == layout
    assert backbone.is_transformer == (layout is not None)
    torch.testing.assert_close(backbone(IMAGES), model(pixel_values=IMAGES).logits.detach())


def test_a_layer_behind_an_output_with_names_can_be_run_from(tmp_path: Path) -> None:
    """Before DINOv2's last norm stands an encoder that returns a `ModelOutput`."""
    from transformers import Dinov2Config, Dinov2ForImageClassification

    model = Dinov2ForImageClassification(Dinov2Config(**SIZES, image_size=SIZE)).eval()
    model.save_pretrained(tmp_path)
    save_processor(tmp_path, "ViTImageProcessor", size={"height": SIZE, "width": SIZE})
    layer = "model.dinov2.layernorm"
    backbone = open_model(f"hf:{tmp_path}", layers=[layer], target_layer=layer)
    recording = backbone.record(IMAGES, layer)
    torch.testing.assert_close(backbone.rerun(recording, recording.activation), model(pixel_values=IMAGES).logits)


def test_a_model_in_memory_is_read_as_that_of_its_folder(saved: tuple[Path, Any]) -> None:
    folder, model = saved
    opened = open_model(f"hf:{folder}")
    wrapped = ttame.wrap(model, mean=opened.preprocessing.mean, std=opened.preprocessing.std, input_size=SIZE)
    assert (wrapped.tokens, wrapped.layers) == (opened.tokens, opened.layers)
    torch.testing.assert_close(wrapped(IMAGES), opened(IMAGES))
    layer = model.get_submodule(opened.layers[-1].removeprefix("model."))
    named = ttame.wrap(
        model, mean=(0, 0, 0), std=(1, 1, 1), input_size=SIZE, layers=[layer], target_layer=opened.layers[0][6:]
    )
    assert (named.layers, named.target_layer) == ((opened.layers[-1],), opened.layers[0])
    again = ttame.wrap(model, mean=(0, 0, 0), std=(1, 1, 1), input_size=SIZE, layers=opened.layers)
    assert again.layers == opened.layers, "names go round"


def test_a_model_in_memory_without_logits_is_refused(saved: tuple[Path, Any]) -> None:
    with pytest.raises(TTameError, match="not logits; wrap it in a module that returns one"):
        ttame.wrap(saved[1].vit, mean=(0, 0, 0), std=(1, 1, 1), input_size=SIZE)
    with pytest.raises(TTameError, match=r"module: its forward on .* images \(B, 3, 33, 33\) raised ValueError"):
        ttame.wrap(saved[1], mean=(0, 0, 0), std=(1, 1, 1), input_size=33)


def test_methods_explain_it(saved: tuple[Path, Any]) -> None:
    layer = "model.vit.layers.1.layernorm_before"
    backbone = open_model(f"hf:{saved[0]}", layers=[layer], target_layer=layer)
    for method in ("gradcam", "eigencam", "ablationcam", "rise"):
        maps = explain(backbone, IMAGES, method, options={"masks": 4} if method == "rise" else None)
        assert maps.shape == (2, SIZE, SIZE)
        assert maps.isfinite().all()


def test_weights_of_a_state_dict_bring_their_classes(saved: tuple[Path, Any], tmp_path: Path) -> None:
    other = save_classifier(tmp_path / "other", classes=7)
    save_file(other.state_dict(), tmp_path / "seven.safetensors")
    backbone = open_model(f"hf:{saved[0]}", weights=str(tmp_path / "seven.safetensors"))
    torch.testing.assert_close(backbone(IMAGES), other(pixel_values=IMAGES).logits.detach())
    assert backbone.num_classes == 7
    assert backbone.class_names is None
    random = open_model(f"hf:{saved[0]}", weights="none")
    assert random.num_classes == 5
    assert not torch.equal(random(IMAGES), saved[1](pixel_values=IMAGES).logits)


def test_half_precision_is_read_in_single(saved: tuple[Path, Any], tmp_path: Path) -> None:
    from transformers import AutoModelForImageClassification

    shutil.copytree(saved[0], tmp_path / "half")
    AutoModelForImageClassification.from_pretrained(saved[0]).half().save_pretrained(tmp_path / "half")
    assert load_file(tmp_path / "half/model.safetensors")["classifier.weight"].dtype == torch.float16
    backbone = open_model(f"hf:{tmp_path / 'half'}")
    assert {tensor.dtype for tensor in backbone.parameters()} == {torch.float32}
    torch.testing.assert_close(backbone(IMAGES), saved[1](pixel_values=IMAGES).logits, atol=0.02, rtol=0)


def test_a_pair_of_towers_wants_a_head(tmp_path: Path) -> None:
    save_clip(tmp_path)
    with pytest.raises(TTameError, match=r"^head: .*has no classes of its own; .*text-head hf:"):
        open_model(f"hf:{tmp_path}", name="mine")


class _LogitsOf(nn.Module):
    """As users wrap a model of transformers: its logits alone, of an output or of a tuple, or of smaller images."""

    def __init__(self, classifier: nn.Module, way: str) -> None:
        super().__init__()
        self.classifier, self.way = classifier, way

    def forward(self, images: Tensor) -> Tensor:
        if self.way == "tuple":
            return self.classifier(images, return_dict=False)[0]
        return self.classifier(pixel_values=images[..., ::2, ::2] if self.way == "smaller" else images).logits


@pytest.mark.parametrize("way", ["output", "tuple", "smaller"])
def test_a_model_inside_another_module_has_the_layers_of_the_model(way: str, saved: tuple[Path, Any]) -> None:
    model = saved[1]
    known: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    alone = ttame.wrap(model, **known, input_size=SIZE)
    inside = ttame.wrap(_LogitsOf(model, way), **known, input_size=2 * SIZE if way == "smaller" else SIZE)
    assert [layer.replace("classifier.", "model.", 1) for layer in inside.layers] == list(alone.layers)
    assert inside.tokens == alone.tokens
    if way != "smaller":
        for method in ("gradcam", "rollout"):
            found, expected = (ttame.Explainer(method, one)(IMAGES, targets=1).raw for one in (inside, alone))
            torch.testing.assert_close(found, expected)


def test_a_model_whose_own_part_is_called_as_timms_keeps_it(saved: tuple[Path, Any]) -> None:
    """LayoutLMv3's part for patches is called `patch_embed`: what is stated of a model replaces none of its own."""
    from transformers import ViTForImageClassification

    class Patchy(ViTForImageClassification):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.patch_embed, self.num_prefix_tokens = nn.Conv2d(3, 3, 1), "mine"

        def forward(self, pixel_values: Tensor, **options: Any) -> Any:
            return super().forward(self.patch_embed(pixel_values), **options)

    model = _LogitsOf(Patchy(saved[1].config), "output")
    wrapped = ttame.wrap(model, mean=(0.5,) * 3, std=(0.5,) * 3, input_size=SIZE)
    torch.testing.assert_close(wrapped(IMAGES), model.eval()(IMAGES))
    assert wrapped.tokens == TokenLayout(1, (4, 4))
