"""The results page for every eye, width and reader: contrast, names, no sideways scrolling, axe-core, paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def written(page: Callable[..., Path]) -> Path:
    return page(["random", "gradcam", "rise", "ttame"], 4, leader="rise")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_at_any_width_by_eye_and_by_a_screen_reader(tab: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab.emulate_media(color_scheme=scheme)
    for width in (390, 768, 1280, 1600):
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling of the page"
    for open_image in (False, True):
        if open_image:
            tab.locator("#gallery-table button.tile").first.click()
        found = axe.run(tab).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:150], len(one["nodes"])) for one in found] == []
    tab.keyboard.press("Escape")


def test_on_paper_tables_are_whole_and_nothing_is_left_to_press(tab: Any) -> None:
    tab.emulate_media(media="print")
    pressed = (
        "() => [...document.querySelectorAll('main button:not(th button, .tile)')].filter(of => of.offsetWidth).length"
    )
    assert tab.evaluate(pressed) == 0
    cut = "() => [...document.querySelectorAll('.wide')].filter(of => of.scrollHeight > of.clientHeight + 1).length"
    assert tab.evaluate(cut) == 0
    assert not tab.locator("nav").is_visible()
    said = tab.locator(".card details p").first
    assert not said.is_visible()
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert said.is_visible(), "nobody opens it on paper"
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not said.is_visible()
    tab.emulate_media(media="screen")
