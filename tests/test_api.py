from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import ttame
from ttame import explain, load_images, open_model
from ttame.data.shapes import render
from ttame.errors import TTameError
from ttame.explainers.gradcam import GradCAM
from ttame.explainers.options import NoOptions
from ttame.metrics.masking import normalise_map

from .conftest import REPOSITORY


def test_maps_of_image_files(tmp_path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for index, path in enumerate(paths):
        Image.fromarray(render(1, index).pixels).save(path)
    model = open_model("shapes_cnn")
    images = load_images(paths, model)
    assert torch.equal(load_images(str(paths[0]), model), images[:1])
    pixels = torch.from_numpy(np.stack([render(1, index).pixels for index in range(3)]))
    torch.testing.assert_close(model.unnormalise(images), pixels.permute(0, 3, 1, 2) / 255, atol=1e-6, rtol=0)
    maps = explain(model, images, "gradcam")
    truths = model(images).argmax(1)
    expected = normalise_map(GradCAM(model, NoOptions())(images, truths).detach())
    small = torch.nn.functional.interpolate(expected[:, None], (64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(maps, small)
    others = explain(model, images, "gradcam", targets=(truths + 1) % 10)
    assert not torch.equal(maps, others)
    with pytest.raises(TTameError, match="did you mean 'gradcam'"):
        explain(model, images, "grad_cam")


@pytest.mark.parametrize("model", ["resnet18", "resnet18.a1_in1k", "test_vit.r160_in1k"])
def test_number_of_classes_comes_from_the_weights(tmp_path, model) -> None:
    import timm
    import torchvision.models

    torchvision_has_it = model in torchvision.models.list_models()
    make = torchvision.models.get_model if torchvision_has_it else timm.create_model
    torch.manual_seed(0)
    trained = make(model, num_classes=7).eval()
    save_file(trained.state_dict(), tmp_path / "mine.safetensors")
    opened = open_model(model, weights=str(tmp_path / "mine.safetensors"))
    assert opened.num_classes == 7
    assert opened.class_names is None
    image = torch.rand(1, 3, *opened.preprocessing.input_size)
    with torch.no_grad():
        torch.testing.assert_close(opened(image), trained(image), atol=1e-4, rtol=1e-4)


def test_importing_the_package_costs_no_torch() -> None:
    code = "import sys, ttame, ttame.params.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
    assert callable(ttame.explain)
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        ttame.explian  # noqa: B018
