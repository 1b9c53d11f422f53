"""ttame from its wheel, in a folder that is no checkout."""

from __future__ import annotations

import pytest
from PIL import Image

import ttame

from ..conftest import REPOSITORY

pytestmark = pytest.mark.slow

PYTHON = """
import ttame

assert ttame.__file__.startswith({prefix!r}), ttame.__file__
model = ttame.open_model("tf_efficientnet_lite0")
result = ttame.Explainer("gradcam", model)("a cat.jpg")
result.overlay("a cat.jpg").save("overlay.png")
print(result.saliency.shape, ttame.__version__)
"""


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


def test_python_explains_a_photo(run, photo, python) -> None:
    said = run("-c", PYTHON.format(prefix=str(python.parents[1]))).stdout
    assert ttame.__version__ in said
    assert Image.open(photo.with_name("overlay.png")).size == (224, 224)


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
