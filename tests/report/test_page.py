"""The results page, from results made by hand: the file, and what is chosen for it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ttame.report.page.candidates import pictured_images, places_to_show, spread
from ttame.report.page.likeness import agreement_by_image, likeness
from ttame.report.page.scatter import Box, frontier, place_labels

METHODS = ["random", "gradcam", "rise", "ttame"]


@pytest.fixture(scope="module")
def written(page) -> Path:
    return page(METHODS, 9, gone=3, leader="rise")


def test_one_file_that_fetches_nothing(written) -> None:
    text = written.read_text()
    assert "<script>alert(1)" not in text
    for tag in ('src="http', "src='http", "@import", '<link rel="stylesheet"', "fetch("):
        assert tag not in text
    assert written.stat().st_size < 15e6


@pytest.mark.parametrize(("methods", "images"), [(["gradcam"], 1), (["gradcam"], 4), (METHODS, 1)])
def test_one_image_or_one_method(page, methods, images) -> None:
    text = page(methods, images).read_text()
    shown = re.sub('<script type="application/json".*?</script>', "", text, flags=re.DOTALL)  # maps are letters, too
    assert ("n/a" in shown) == (images == 1)
    assert re.search(r"\bnan\b", shown) is None
    assert "too few methods or images to tell them apart" in shown or "no measure may rank" in shown
    assert " leads on shapes_cnn" not in shown
    assert "of which none leads" in shown
    brought_out = re.findall('aria-pressed="true" data-method="(.*?)"', shown)
    assert brought_out == [method for method in methods if method == "ttame"], "the reference, since nobody leads"


def test_agreement_is_the_mean_correlation() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = {name: torch.rand(3, 28, 28, generator=generator) for name in ("gradcam", "rise", "random")}
    maps["gradcam"][0] = maps["rise"][0]
    found = agreement_by_image(maps)
    flat = [maps[name].flatten(1).numpy() for name in ("gradcam", "rise")]
    for index in range(3):
        assert found[index] == pytest.approx(np.corrcoef(flat[0][index], flat[1][index])[0, 1], abs=1e-6)
    assert found[0] == pytest.approx(1.0)


def test_shown_images_span_the_agreement() -> None:
    values = np.array([0.3, 0.1, 0.9, 0.5, 0.7])
    assert spread(values, 3) == [1, 3, 2]
    assert spread(values, 10) == [1, 0, 3, 4, 2]


def test_likeness_is_the_mean_correlation_of_two_methods() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = {name: torch.rand(70, 28, 28, generator=generator) for name in ("gradcam", "rise", "random")}
    table = likeness(maps)
    flat = {name: of.flatten(1).numpy() for name, of in maps.items()}
    expected = np.mean([np.corrcoef(flat["gradcam"][i], flat["random"][i])[0, 1] for i in range(70)])
    assert table.loc["gradcam", "random"] == pytest.approx(expected, abs=1e-6)
    assert np.diag(table).tolist() == pytest.approx([1.0] * 3)


def test_of_many_candidates_the_hardest_and_the_largest_losses_are_shown() -> None:
    agreeing = np.linspace(0, 1, 100)
    worth = {"rise": np.full(100, 0.9), "ttame": np.full(100, 0.9), "random": np.zeros(100)}
    for method in ("rise", "ttame"):
        worth[method][41:43] = 0.1  # hardest for both
    worth["ttame"][71:73] = 0.5  # where the reference loses
    shown = places_to_show(agreeing, worth, "ttame", 8)
    assert len(shown) == len(set(shown)) == 8
    assert {0, 99, 41, 42, 71, 72} <= set(shown)
    assert shown == sorted(shown), "by agreement"
    assert places_to_show(agreeing, {}, "ttame", 8) == spread(agreeing, 8)


def test_the_picture_shows_different_classes_of_images_that_are_there() -> None:
    images: list[dict[str, str | None]] = [{"photo": "x", "class": name} for name in "aaaabbbbcccc"]
    images[1]["photo"] = None
    shown = pictured_images(images)
    assert [images[place]["class"] for place in shown] == ["a", "b", "c"]
    assert 1 not in shown
    assert pictured_images([{"photo": None, "class": "a"}]) == []
    assert pictured_images(images[:1]) == [0]


def test_labels_keep_apart_where_many_methods_cost_the_same() -> None:
    methods = ["gradcam", "gradcam++", "xgradcam", "layercam", "hirescam", "eigencam", "eigengradcam", "rise", "ttame"]
    places = pd.DataFrame({"x": [60.0] * 7 + [400.0] * 2, "y": [50.0, 52, 52, 53, 55, 58, 60, 50, 50]}, index=methods)
    boxes = list(place_labels(places, [(60.0, 50.0), (400.0, 50.0)]).values())
    assert len(boxes) == 9
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert not any(box.overlaps(Box(x - 3, y - 3, x + 3, y + 3)) for x, y in places.to_numpy())
        assert not box.overlaps(Box(80, 49, 380, 51)), "the line is free"


def test_the_frontier_has_the_methods_that_no_other_beats() -> None:
    points = pd.DataFrame({"x": [1, 1, 2, 100, 127], "y": [5, 6, 7, 4, 4]}, index=["a", "b", "c", "d", "e"])
    assert frontier(points) == ["a", "d"]
