from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import ttame
from ttame.api.images import as_batch
from ttame.data.shapes import render

from .conftest import SIDE, refused, wrapped


def test_pixels_of_image_files(tmp_path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for index, path in enumerate(paths):
        Image.fromarray(render(1, index).pixels).save(path)
    model = ttame.open_model("shapes_cnn")
    images = ttame.load_images(paths, model)
    assert torch.equal(ttame.load_images(str(paths[0]), model), images[:1])
    pixels = torch.from_numpy(np.stack([render(1, index).pixels for index in range(3)]))
    torch.testing.assert_close(model.unnormalise(images), pixels.permute(0, 3, 1, 2) / 255, atol=1e-6, rtol=0)


def test_a_photo_is_the_same_whatever_it_is_given_as(folder, module, dtype) -> None:
    model = wrapped(module)
    path = folder / "photos/3.png"
    tensor = ttame.load_images(path, model)
    assert tensor.dtype == dtype
    assert tensor.shape == (1, 3, SIDE, SIDE)
    with Image.open(path) as picture:
        given = [path, str(path), picture, [path], (picture,), tensor, tensor[0], [tensor[0]]]
        for images in given:
            batch = as_batch(images, model)
            assert torch.equal(batch.clean, tensor)
            torch.testing.assert_close(batch.pixels, model.unnormalise(tensor), rtol=0, atol=1e-6)
    assert as_batch([path, tensor[0]], model).names == ["3.png", "1"]
    assert as_batch(tensor.repeat(2, 1, 1, 1), model).names == ["0", "1"]


def test_files_that_are_called_alike_keep_as_many_folders_as_tell_them_apart(folder, model) -> None:
    paths = [folder / name for name in ("a/x/cat.png", "b/x/cat.png", "b/cat.png", "b/dog.png")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "photos/1.png", path)
    names = ["a/x/cat.png", "b/x/cat.png", "b/cat.png", "dog.png"]
    given = [*paths, paths[0], torch.zeros(3, SIDE, SIDE)]
    assert as_batch(given, model).names == [*names, names[0], "5"], "the same file once more is the same image"
    random = ttame.Explainer("random", model)
    result = random(paths)
    assert len({saliency.numpy().tobytes() for saliency in result.raw}) == 4
    assert ttame.evaluate(model, paths, result, ["complexity"]).index.tolist() == names
    assert torch.equal(random(paths[3]).raw, result.raw[3:]), "a name of its own stays as it is"


def test_a_tensor_of_another_precision_gets_the_models(module, dtype) -> None:
    model = wrapped(module)
    for other in (torch.float32, torch.float64, torch.float16):
        images = torch.rand(1, 3, SIDE, SIDE, dtype=other)
        assert torch.equal(as_batch(images, model).clean, images.to(dtype))


def test_orientation_and_transparency_of_a_picture_in_memory(model) -> None:
    clear = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    assert as_batch(clear, model).pixels.min() == 1


ROW, NAN = torch.zeros(3, SIDE, SIDE), torch.full((2, 3, SIDE, SIDE), torch.nan)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (ROW.byte(), r"images: torch\.uint8 pixels; expected normalised floating-point numbers"),
        (ROW + 255, "images: values up to 255 are not normalised for SmallCNN"),
        (ROW[:, 2:], r"images: \(1, 3, 30, 32\); expected a normalised tensor \(B, 3, 32, 32\)"),
        (ROW[0], r"images: a tensor \(32, 32\); expected a normalised tensor"),
        (NAN, "images: image 0 of 2: has values that are not finite"),
        ([ROW, NAN[0]], r"images\[1\]: has values that are not finite"),
        ([], "images: there is none"),
        (NAN[:0], "images: there is none"),
        (ROW.numpy(), "images: a ndarray; expected"),
        ([ROW, ROW.numpy()], r"images\[1\]: a ndarray; .* make a picture of it with PIL\.Image\.fromarray"),
        (["photos/1.png", "nowhere.png"], r"images\[1\]: nowhere\.png: no such image; mend the path"),
        ("text.png", r"images: text\.png: not an image that Pillow can read; replace it or leave it out"),
        ("photos", "images: photos is a folder"),
        (Image.new("RGB", (900, 1)), "images: cannot be decoded .*900 x 1 pixels"),
    ],
)
def test_what_is_no_image_is_named(images, message, model, odd_files) -> None:
    refused(lambda: as_batch(images, model), message)
