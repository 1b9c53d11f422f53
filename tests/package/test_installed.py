"""ttame from its wheel, in a folder that is no checkout."""

from __future__ import annotations

import re
import textwrap

import pytest
from PIL import Image

import ttame

from ..conftest import REPOSITORY

pytestmark = pytest.mark.slow

BEFORE = """
import torch
from torch import nn

torch.manual_seed(0)
my_module = nn.Sequential(nn.Conv2d(3, 8, 16, 16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
"""
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def photo(run, tmp_path):
    file = tmp_path / "my photos" / "a cat.jpg"
    Image.radial_gradient("L").convert("RGB").resize((300, 240)).save(file)
    return file


def test_methods_are_listed(run) -> None:
    listed = run("-m", "ttame", "methods").stdout
    assert "T-TAME" in listed
    assert "Grad-CAM" in listed


def test_a_photo_is_explained(run, photo) -> None:
    said = run("-m", "ttame", "show", photo.name, "--method", "gradcam", "layercam").stdout
    assert "a cat.maps.png" in said
    assert Image.open(photo.with_name("a cat.maps.png")).width > 300


def test_the_python_of_the_readme_runs(run, photo, python) -> None:
    code = re.search(r"^( *)model = ttame\.wrap\(.*?\.save\(.*?\)\n", README, re.MULTILINE | re.DOTALL)
    assert code is not None
    (photo.parent / "photos").mkdir()
    photo.rename(photo.parent / "photos" / "cat.jpg")
    run("-c", BEFORE + "import ttame\n" + textwrap.dedent(code[0]))
    assert Image.open(photo.with_name("cat.png")).size == (224, 224)
    said = run("-c", "import ttame; print(ttame.__file__, ttame.__version__)").stdout
    assert said.startswith(str(python.parents[1]))
    assert said.endswith(f" {ttame.__version__}\n")


def test_experiments_come_with_the_package(run, photo) -> None:
    for number in range(6):
        Image.radial_gradient("L").rotate(number * 15).convert("RGB").save(photo.with_name(f"{number}.png"))
    said = run("-m", "ttame", "new", "mine", "--model", "tf_efficientnet_lite0", "--train", ".", "--evaluate", ".")
    assert "mine is active in params.yaml" in said.stdout
    refused = run("-m", "ttame", "use", "nothing", code=1)
    assert "shapes" in refused.stderr


def test_the_schema_is_that_of_the_repository(run) -> None:
    published = (REPOSITORY / "workflow/schemas/params.schema.json").read_text()
    assert run("-m", "ttame", "schema").stdout == published
