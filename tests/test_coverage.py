"""docs/coverage.md holds for the small architectures, and layers are where their libraries have them."""

from __future__ import annotations

import pytest
import torch

from scripts.coverage.architectures import make, names
from scripts.coverage.table import rows_of
from scripts.coverage.trial import try_out

from .conftest import REPOSITORY

SMALL = (
    "timm/mobilenetv3_small_100",
    "timm/xcit_nano_12_p16_224",
    "transformers/ViT",
    "transformers/Dinov2WithRegisters",
    "transformers/Swin",
    "transformers/ResNet",
)
PAGE = (REPOSITORY / "docs" / "coverage.md").read_text()


def _cells(table: str, name: str) -> list[str]:
    row = next(line for line in table.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_page_holds(name: str) -> None:
    found, written = _cells(rows_of([try_out(name)]), name), _cells(PAGE, name)
    # Last bits of random networks differ between processors.
    assert float(found.pop(3)) == pytest.approx(float(written.pop(3)), abs=0.1)
    assert found == written


def test_the_page_has_all_of_them() -> None:
    assert len(names()) >= 60
    refused = [line.removeprefix("- ").split(":")[0] for line in PAGE.splitlines() if line.startswith("- t")]
    for name in names():
        assert f"| {name} " in PAGE or name in refused, name


def test_every_architecture_that_works_points_to_the_corner() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(("| timm", "| torchvision", "| transformers"))]
    assert len(rows) >= 60
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[4] == "yes", row
        assert cells[3] == "–" or float(cells[3]) >= 0.5, row


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "deit_tiny_distilled_patch16_224",
        "xcit_nano_12_p16_224",
        "swin_tiny_patch4_window7_224",
        "twins_svt_small",
    ],
)
def test_shapes_are_those_that_timm_states(name: str) -> None:
    backbone = make(f"timm/{name}")
    image = torch.zeros(1, 3, *backbone.preprocessing.input_size)
    with torch.no_grad():
        stated = backbone.model.forward_intermediates(image, output_fmt="NCHW", intermediates_only=True)  # type: ignore[operator]
        _, features = backbone.features(image, backbone.layers)
    shapes = [tuple(backbone.to_maps(found).shape) for found in features.values()]
    assert shapes == [tuple(maps.shape) for maps in stated][-3:]
