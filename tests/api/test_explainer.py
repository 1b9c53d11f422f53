from __future__ import annotations

import subprocess
import sys
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

import ttame
from ttame.attention import checkpoint as checkpoints
from ttame.data.sample import Sample
from ttame.explainers import rise
from ttame.explainers.explainer import make_explainer
from ttame.explainers.registry import EXPLAINERS
from ttame.metrics.masking import normalise_map, saliency_map

from ..conftest import REPOSITORY
from .conftest import CLASSES, MEAN, SIDE, STD, SmallCNN, refused, small_cnn, wrapped

QUICK: dict[str, dict[str, Any]] = {"rise": {"masks": 20}, "iia": {"steps": 2}}
ON_CNNS = [
    name
    for name, entry in EXPLAINERS.items()
    if entry.training is None and "CNN" in entry.works_on and name != "ground_truth"
]


@pytest.mark.parametrize("method", ON_CNNS)
def test_every_method_gives_what_it_is_in_the_precision_of_the_module(method, module, dtype) -> None:
    model = wrapped(module)
    images = torch.randn(3, 3, SIDE, SIDE, dtype=dtype)
    result = ttame.Explainer(method, model, **QUICK.get(method, {}))(images)
    truths = model(images).argmax(1)
    made = make_explainer(method, model, QUICK.get(method))
    raw = made(images, truths, [Sample(str(number)) for number in range(3)]).detach().to(dtype)
    assert result.raw.dtype == result.saliency.dtype == result.probabilities.dtype == dtype
    torch.testing.assert_close(result.raw, raw)
    torch.testing.assert_close(result.saliency, saliency_map(raw, (SIDE, SIDE)))
    assert torch.equal(result.targets, truths)
    torch.testing.assert_close(result.probabilities, module.eval()(images).softmax(1).amax(1), rtol=1e-4, atol=1e-6)
    assert result.labels == [CLASSES[target] for target in truths]
    assert len(result) == 3


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=[pytest.mark.slow] if name == "rise" else []) for name in ON_CNNS]
)
def test_no_option_has_to_be_named(method, model) -> None:
    maps = ttame.explain(model, torch.randn(1, 3, SIDE, SIDE), method)
    assert maps.shape == (1, SIDE, SIDE)
    assert 0 <= maps.min() <= maps.max() <= 1


def test_grad_cam_is_that_of_the_package_grad_cam(module, dtype) -> None:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    images = torch.randn(3, 3, SIDE, SIDE, dtype=dtype)
    result = ttame.Explainer(
        "gradcam",
        wrapped(module),
    )(images, targets=2)
    with GradCAM(module.eval(), [module.features]) as package:
        expected = package(images, [ClassifierOutputTarget(2)] * 3)
    torch.testing.assert_close(normalise_map(result.saliency), torch.from_numpy(expected).to(dtype), atol=1e-4, rtol=0)


def test_targets_in_every_form(model) -> None:
    images = torch.randn(3, 3, SIDE, SIDE)
    explainer = ttame.Explainer("gradcam", model)
    expected = explainer(images, targets=[4, 4, 4])
    forms: tuple[Any, ...] = (4, (4, 4, 4), torch.tensor([4, 4, 4]), torch.tensor(4), torch.tensor([4, 4, 4]).numpy())
    for targets in forms:
        found = explainer(images, targets=targets)
        assert torch.equal(found.raw, expected.raw)
        assert found.targets.tolist() == [4, 4, 4]
    assert not torch.equal(explainer(images, targets=1).raw, expected.raw)


def test_passes_are_counted_for_an_image_whatever_came_before(model) -> None:
    images = torch.randn(5, 3, SIDE, SIDE)
    model(images)
    explainer = ttame.Explainer("rise", model, masks=20)
    for batch_size in (32, 2):
        assert explainer(images, batch_size=batch_size).passes == (20, 0)
    assert ttame.Explainer("gradcam", model)(images).passes == (1, 1)
    assert ttame.Explainer("center", model)(images).passes == (0, 0)


def test_batches_change_nothing(module, dtype) -> None:
    images = torch.randn(5, 3, SIDE, SIDE, dtype=dtype)
    explainer = ttame.Explainer("rise", wrapped(module), masks=20)
    torch.testing.assert_close(explainer(images, batch_size=2).raw, explainer(images).raw)


def test_masks_are_drawn_once(model, monkeypatch) -> None:
    draw = Mock(wraps=rise.draw_grids)
    monkeypatch.setattr(rise, "draw_grids", draw)
    explainer = ttame.Explainer("rise", model, masks=20)
    images = torch.randn(2, 3, SIDE, SIDE)
    first = explainer(images)
    assert torch.equal(explainer(images).raw, first.raw)
    explainer(images[:1], targets=3)
    assert draw.call_count == 1


def test_a_checkpoint_is_read_once(model, folder, monkeypatch) -> None:
    ttame.train(model, "ttame", "photos", epochs=1, batch_size=5, output="mine.safetensors")
    read = Mock(wraps=checkpoints.safe_open)
    monkeypatch.setattr(checkpoints, "safe_open", read)
    explainer = ttame.Explainer("ttame", model, checkpoint="mine.safetensors")
    (folder / "mine.safetensors").unlink()
    first = explainer("photos/1.png")
    assert torch.equal(explainer("photos/1.png").raw, first.raw)
    assert read.call_count == 1


def test_nothing_is_written_and_no_params_are_needed(folder) -> None:
    before = sorted(folder.rglob("*"))
    model = wrapped(small_cnn())
    result = ttame.Explainer("gradcam", model)(["photos/1.png", "photos/2.png"])
    ttame.evaluate(model, ["photos/1.png", "photos/2.png"], result)
    ttame.train(model, "ttame", "photos", epochs=1, batch_size=5)
    result.overlay("photos/1.png")
    assert sorted(folder.rglob("*")) == before


def test_importing_the_package_costs_no_torch() -> None:
    code = "import sys, ttame, ttame.params.settings; assert ttame.TTameError; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
    assert set(ttame.__all__) <= set(dir(ttame))
    assert all(getattr(ttame, name) is not None for name in ttame.__all__)
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        ttame.explian  # noqa: B018


def test_types_are_told() -> None:
    assert (REPOSITORY / "ttame/py.typed").exists()
    assert '"py.typed"' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


def test_a_model_can_be_moved_to_another_precision() -> None:
    model = wrapped(SmallCNN()).double()
    result = ttame.Explainer("gradcam", model)(torch.rand(1, 3, SIDE, SIDE))
    assert result.saliency.dtype == torch.float64


@pytest.mark.parametrize(
    ("method", "said", "message"),
    [
        ("grad-cam", {}, "method: 'grad-cam' is no method; did you mean 'gradcam'"),
        ("ground_truth", {}, "method: ground_truth is known of the embedded data alone"),
        ("rollout", {}, "method: rollout is defined on transformers alone"),
        ("gradcam", {"model": SmallCNN()}, r"model: a SmallCNN; expected a classifier, of ttame\.open_model"),
        ("rise", {"mask": 9}, "mask: no option of rise; did you mean 'masks'"),
        ("gradcam", {"masks": 9}, "masks: no option of gradcam; it has none"),
        ("gradcam", {"target_layer": "layer3"}, r"target_layer: is the classifier's; say it to ttame\.wrap or"),
        ("rise", {"layers": ["layer3"]}, r"layers: is the classifier's; say it to ttame\.wrap or"),
        ("rise", {"keep": 1.5}, r"keep: 1\.5 should be less than 1"),
        ("rise", {"masks": 2.5}, r"masks: 2\.5 should be a valid integer"),
        ("rise", {"scores": "logit"}, "scores: 'logit' should .*; did you mean 'logits'"),
        ("rise", {"checkpoint": "mine.safetensors"}, "checkpoint: rise is not trained and reads none"),
        ("ttame", {}, "checkpoint: is missing; ttame reads a trained mechanism"),
        ("ttame", {"checkpoint": 5}, "checkpoint: a int; expected a mechanism or the path"),
        ("ttame", {"checkpoint": "nowhere.safetensors"}, r"checkpoint: nowhere\.safetensors: no such file"),
        ("ttame", {"checkpoint": "text.safetensors"}, r"checkpoint: text\.safetensors: not a checkpoint"),
        ("ttame", {"masks": 3}, "masks: no option of ttame; it has none"),
    ],
)
def test_a_mistake_is_said_before_anything_is_explained(method, said, message, model, odd_files) -> None:
    refused(lambda: ttame.Explainer(method, **({"model": model} | said)), message)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"targets": 5}, "targets: 5 is no class of SmallCNN; expected 0 to 4"),
        ({"targets": [-1, 0]}, "targets: -1 is no class of SmallCNN"),
        ({"targets": [1]}, "targets: 1 for 2 images; expected one class for each"),
        ({"targets": "cat"}, "targets: 'cat' is no class; expected None"),
        ({"targets": torch.tensor([0.5, 1])}, r"targets: 0\.5 is no class; expected None"),
        ({"targets": True}, "targets: True is no class"),
        ({"batch_size": 0}, "batch_size: 0; expected a whole number, 1 or more"),
    ],
)
def test_a_class_that_there_is_not_is_named(said, message, model, folder) -> None:
    explainer = ttame.Explainer("gradcam", model)
    refused(lambda: explainer(torch.zeros(2, 3, SIDE, SIDE), **said), message)


def test_options_that_are_no_mapping_are_refused(model, folder) -> None:
    images: Any = torch.zeros(1, 3, SIDE, SIDE)
    options: Any = "masks"
    refused(lambda: ttame.explain(model, images, "rise", options=options), "options: 'masks'; expected options by name")


def test_numbers_of_numpy_are_whole_numbers(model) -> None:
    batch_size: Any = np.int64(2)
    assert len(ttame.Explainer("gradcam", model)(torch.zeros(3, 3, SIDE, SIDE), batch_size=batch_size)) == 3


def test_an_option_that_does_not_fit_the_classifier_is_named() -> None:
    from timm.models.vision_transformer import VisionTransformer

    module = VisionTransformer(img_size=SIDE, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=5)
    model = ttame.wrap(module, mean=MEAN, std=STD, input_size=SIDE)
    refused(lambda: ttame.Explainer("lrp", model, start_layer=99), "start_layer: VisionTransformer has 2 blocks")
