from __future__ import annotations

import pytest
import torch

from ttame.backbones.layout import Layout, possible_layouts
from ttame.backbones.tokens import TokenLayout

MAPS = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
LAYOUTS = [Layout("channels_first", (4, 6)), Layout("channels_last", (4, 6)), Layout("tokens", (4, 6), 2)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_maps_go_into_an_output_and_come_back(layout: Layout) -> None:
    shape = {"channels_first": (2, 3, 4, 6), "channels_last": (2, 4, 6, 3), "tokens": (2, 26, 3)}[layout.axes]
    before = torch.randn(shape)
    output = layout.replace_maps(before, MAPS)
    assert output.shape == shape
    assert torch.equal(layout.to_maps(output), MAPS)
    if layout.axes == "tokens":
        assert torch.equal(output[:, :2], before[:, :2]), "prefix tokens stay"
        assert torch.equal(output[1, 2 + 1 * 6 + 5], MAPS[1, :, 1, 5]), "row by row"


def test_one_output_takes_any_number_of_maps() -> None:
    layout = Layout("tokens", (4, 6), 1)
    output = layout.replace_maps(torch.randn(1, 25, 3), torch.randn(5, 3, 4, 6))
    assert output.shape == (5, 25, 3)


@pytest.mark.parametrize(
    ("shape", "size", "stated", "expected"),
    [
        ((1, 8, 7, 7), (224, 224), None, ["(C, 7, 7)"]),
        ((1, 7, 7, 7), (224, 224), None, ["(C, 7, 7)", "(7, 7, C)"]),
        ((1, 7, 7, 96), (224, 224), None, ["(7, 7, C)"]),
        ((1, 8, 7, 11), (224, 352), None, ["(C, 7, 11)"]),
        ((1, 8, 13, 19), (100, 150), None, ["(C, 13, 19)", "(8, 13, C)"]),  # 12.5 and 18.75 rounded up
        ((1, 8, 1, 1), (224, 224), None, []),
        ((1, 8, 7, 14), (224, 224), None, []),
        ((1, 196, 8), (224, 224), None, ["(0 + 14 x 14, C)"]),
        ((1, 201, 8), (224, 224), None, ["(5 + 14 x 14, C)"]),
        ((1, 25, 8), (32, 48), None, ["(1 + 4 x 6, C)", "(5 + 4 x 5, C)"]),
        ((1, 197, 8), (224, 224), TokenLayout(1, (14, 14)), ["(1 + 14 x 14, C)"]),
        ((1, 196, 8), (224, 224), TokenLayout(1, (14, 14)), ["(0 + 14 x 14, C)"]),
        ((1, 10), (224, 224), None, []),
    ],
)
def test_layouts_that_a_shape_allows(shape, size, stated, expected) -> None:
    assert [str(layout) for layout in possible_layouts(shape, size, stated)] == expected
