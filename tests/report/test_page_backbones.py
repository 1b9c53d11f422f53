"""The page of two backbones in a browser: on the second nobody leads, and only there are Rollout and a measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .opening import open_page, reopened

METHODS = ["random", "gradcam", "rise", "rollout", "ttame"]


@pytest.fixture(scope="module")
def written(page: Callable[..., Path]) -> Path:
    return page(METHODS, 9, leader="rise", undefined={"shapes_vit": "rollout"})


def _filters(tab: Any) -> dict[str, str]:
    names = ("backbone", "score", "order", "class")
    return {name: tab.locator(f"#filter-{name}").input_value() for name in names}


def test_no_leader_is_shown_where_nobody_leads(opened: Any) -> None:
    first, second = opened.locator(".card").all()
    assert second.locator(".headline").inner_text().startswith("Nobody leads on shapes_vit")
    assert (first.locator("th.leader").count(), second.locator("th.leader").count()) == (1, 0)
    assert "of which none leads" in second.locator("caption").inner_text()
    assert second.locator("th small", has_text="of ").count() == 0, "0 of 0 would say nothing"
    opened.select_option("#filter-backbone", "shapes_vit")
    opened.locator("#gallery-table button.tile").first.click()
    assert opened.locator("#stage-first").input_value() == "ttame", "the reference"
    assert opened.locator("#stage-second").input_value() not in ("", "ttame")


def test_a_measure_that_one_backbone_lacks_is_said(opened: Any) -> None:
    opened.select_option("#dots-measure", "pointing_game")
    first, second = opened.locator("#intervals .panel").all()
    assert first.get_by_text("No method has this measure here").is_visible()
    assert not second.get_by_text("No method has this measure here").is_visible()
    assert second.locator("li:visible").count() == len(METHODS)


def test_a_link_opens_the_same_gallery_after_another_backbone(opened: Any) -> None:
    assert _filters(opened)["score"] == "insertion", "the sharpest"
    opened.select_option("#filter-backbone", "shapes_vit")
    shown = _filters(opened)
    assert shown["score"] == "ad_100", "nothing is sharp here, so the first"
    assert reopened(opened) == "backbone=shapes_vit"
    assert _filters(opened) == shown
    opened.select_option("#filter-order", "best:rollout")
    opened.select_option("#filter-score", "pointing_game")
    chosen = _filters(opened)
    assert reopened(opened) == "backbone=shapes_vit&order=best%3Arollout&score=pointing_game"
    assert _filters(opened) == chosen
    opened.select_option("#filter-backbone", "shapes_cnn")
    kept = _filters(opened)
    assert kept == {"backbone": "shapes_cnn", "score": "insertion", "order": "agreement", "class": ""}
    assert reopened(opened) == "", "what is not here is not in the address"
    assert _filters(opened) == kept


def test_a_filter_that_both_backbones_have_is_kept(opened: Any) -> None:
    opened.select_option("#filter-score", "deletion")
    opened.select_option("#filter-backbone", "shapes_vit")
    assert _filters(opened)["score"] == "deletion"
    assert reopened(opened) == "score=deletion&backbone=shapes_vit"
    assert _filters(opened)["score"] == "deletion"


def test_a_score_that_is_not_here_gives_way_to_the_sharpest(opened: Any, written: Path) -> None:
    open_page(opened, f"{written.as_uri()}#score=pointing_game")
    assert _filters(opened)["score"] == "insertion"


def test_a_chart_without_the_methods_brought_out_is_not_dimmed(opened: Any) -> None:
    while (pressed := opened.locator("#legend [aria-pressed=true]")).count():
        pressed.first.click()
    opened.locator("#legend [data-method=rollout]").click()
    opacity = "id => getComputedStyle(document.querySelector(`svg g[id='${id}']`)).opacity"
    assert opened.evaluate(opacity, "shapes_cnn-morf:rise") == "1"
    assert float(opened.evaluate(opacity, "shapes_vit-morf:rise")) < 0.5
    assert opened.evaluate(opacity, "shapes_vit-morf:rollout") == "1"
