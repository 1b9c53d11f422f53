"""What the page's scripts draw and when, and what they do at the edges: no image shown, a refused address, a drag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .opening import open_page

IMAGES = 24


@pytest.fixture(scope="module")
def written(page: Callable[..., Path]) -> Path:
    return page(["random", "gradcam", "rise", "ttame"], IMAGES, leader="rise")


def test_rows_are_drawn_near_the_window_and_emptied_far_from_it(opened: Any) -> None:
    rows = opened.locator("#gallery-table tbody tr")
    assert rows.count() == IMAGES
    height = rows.last.bounding_box()["height"]
    rows.last.scroll_into_view_if_needed()
    rows.last.locator("canvas").first.wait_for()
    opened.evaluate("document.querySelector('#gallery .wide').scrollTo(0, 0); window.scrollTo(0, 0)")
    opened.wait_for_function("() => document.querySelector('#gallery-table tbody tr:last-child canvas') === null")
    assert rows.last.bounding_box()["height"] == height, "nothing jumps"
    assert opened.locator("#gallery-table tr.printed canvas").count() == 8 * 5, "what prints stays"


def test_a_tile_is_no_larger_than_it_is_shown_on_a_dense_screen(opened: Any) -> None:
    draw = """async ([method, largest]) => {
        const gallery = galleryNow(), [image] = gallery.images;
        const canvas = element("canvas");
        await draw(canvas, image, method && image.maps[method], gallery.grid, 0.6, largest);
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return [canvas.width, canvas.height, new Set(data).size];
    }"""
    for method in (None, "rise"):
        width, height, colours = opened.evaluate(draw, [method, 20])
        assert (width, height) == (20, 20)
        assert colours > 20
        assert opened.evaluate(draw, [method, 1000])[:2] == [64, 64], "never larger than the photo"
    assert opened.evaluate("TILE") == 168


def test_photos_are_grey_below_maps(opened: Any) -> None:
    found = opened.evaluate("""async () => {
        const { photo, grey } = await photoOf(galleryNow().images[0]);
        return [photo, grey].map((source) => {
            const context = element("canvas", undefined, { width: 1, height: 1 }).getContext("2d");
            context.drawImage(source, 0, 0);
            return [...context.getImageData(0, 0, 1, 1).data];
        });
    }""")
    (red, green, blue, _), grey = found
    assert grey[:3] == [pytest.approx(0.2126 * red + 0.7152 * green + 0.0722 * blue, abs=1)] * 3
    assert grey[3] == 255


def test_the_buttons_step_from_an_image_that_the_filters_leave_out(opened: Any, written: Path) -> None:
    names = opened.evaluate("galleryNow().images.map(({ name, agreement }) => [name, agreement])")
    left_out = next(name for name, agreement in names if agreement == "agree")
    for button, place in (("#viewer-before", -1), ("#viewer-after", 0)):
        open_page(opened, f"{written.as_uri()}#agreement=disagree&image={left_out}")
        assert opened.locator("#viewer-title").inner_text().endswith(left_out)
        opened.locator(button).click()
        assert opened.evaluate("place => opened.image === shownImages.at(place)", place)
    open_page(opened, f"{written.as_uri()}#confidence=100&image={left_out}")
    assert opened.locator("#gallery-table tbody tr").count() == 0
    assert opened.locator("#viewer-before").is_disabled()
    assert opened.locator("#viewer-after").is_disabled()


def test_the_address_follows_when_the_slider_is_let_go(opened: Any) -> None:
    slide = """async (value) => {
        filters.confidence.value = value;
        filters.confidence.dispatchEvent(new Event("input"));
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        return shownImages.every(({ probability }) => probability >= value / 100);
    }"""
    for value in (30, 60):
        assert opened.evaluate(slide, value)
        assert "#" not in opened.url
        assert opened.locator("#filter-confidence-said").inner_text() == f"{value} %"
    opened.evaluate("filters.confidence.dispatchEvent(new Event('change'))")
    assert opened.url.endswith("#confidence=60")


def test_a_browser_that_refuses_an_address_goes_on(opened: Any) -> None:
    refusing = "() => { history.replaceState = () => { throw new DOMException('too often', 'SecurityError'); }; }"
    opened.evaluate(refusing)
    opened.select_option("#filter-agreement", "disagree")
    assert opened.locator("#gallery-table tbody tr").count() < IMAGES
    opened.evaluate("delete history.replaceState")
    opened.select_option("#filter-score", "deletion")
    assert opened.url.endswith("#agreement=disagree&score=deletion"), "the next one has both"


def test_the_line_follows_a_drag_beyond_the_edge_and_a_swipe_scrolls(opened: Any) -> None:
    opened.locator("#gallery-table button.tile").first.click()
    stage = opened.locator(".stage")
    box = stage.bounding_box()
    middle = box["y"] + box["height"] / 2
    opened.mouse.move(box["x"] + box["width"] / 2, middle)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] + 150, middle)
    assert opened.locator("#stage-slider").input_value() == "100"
    opened.mouse.up()
    opened.mouse.move(box["x"], middle)
    assert opened.locator("#stage-slider").input_value() == "100", "it is let go"
    assert stage.evaluate("of => getComputedStyle(of).touchAction") == "pan-y"
