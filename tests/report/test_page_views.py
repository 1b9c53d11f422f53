"""The results page in a browser: one page for all tests, which each put it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .opening import open_page, reopened

METHODS = ["random", "gradcam", "rise", "ttame"]
PAINTED = """selector => [...document.querySelectorAll(selector)].every(canvas =>
  new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size > 20)"""
"""Whether every map is drawn."""


@pytest.fixture(scope="module")
def written(page: Callable[..., Path]) -> Path:
    return page(METHODS, 9, gone=3, leader="rise")


def _column(tab: Any, heading: str) -> list[str]:
    column = tab.locator("#comparison thead th").all_inner_texts().index(heading)
    return [
        row.locator("th, td").nth(column).inner_text().split()[0] for row in tab.locator("#comparison tbody tr").all()
    ]


def test_the_first_screen_says_who_leads_and_shows_it(opened: Any) -> None:
    headline = opened.locator(".headline")
    assert headline.inner_text().startswith("RISE leads on shapes_cnn: the best or no worse than the best in ")
    assert headline.bounding_box()["y"] < 400
    picture = opened.locator("table.picture")
    assert picture.locator("tbody tr").count() == 3
    assert picture.locator("thead th").first.inner_text() == "Image"
    assert sorted(picture.locator("thead th").all_inner_texts()[1:])[0].startswith("Grad-CAM")
    assert picture.bounding_box()["y"] + picture.bounding_box()["height"] < 900, "without scrolling"
    assert picture.locator("canvas").count() == 3 * (1 + 3)
    opened.wait_for_function(PAINTED, arg=".picture canvas")


def test_a_heading_sorts_its_column_and_a_link_brings_the_order_back(opened: Any) -> None:
    for heading, reverse in (("AD(100) ↓†", False), ("Insertion ↑", True)):
        button = opened.locator("#comparison th button", has_text=heading)
        button.focus()
        opened.keyboard.press("Enter")
        found = [float(text) for text in _column(opened, heading)]
        assert found == sorted(found, reverse=reverse)
        assert len(set(found)) > 1
        button.click()
        assert [float(text) for text in _column(opened, heading)] == sorted(found, reverse=not reverse)
        assert opened.locator("#comparison th[aria-sort]").count() == 1
    before = opened.locator("#comparison tbody th").all_inner_texts()
    assert "sort-table-shapes_cnn=" in reopened(opened)
    assert opened.locator("#comparison tbody th").all_inner_texts() == before


def test_kinds_of_methods_go_from_the_whole_page(opened: Any) -> None:
    opened.locator("[data-toggle-kind=control]").click()
    opened.locator("[data-toggle=unfit]").click()
    for again in (False, True):
        if again:
            assert reopened(opened) == "without=control&plain=unfit"
        assert opened.locator("#comparison tbody tr:visible").count() == 3
        assert opened.locator("#comparison th.unfit:visible").count() == 0
        assert opened.locator("#intervals li:visible").count() == 3
        assert opened.locator("#likeness thead th:visible").count() == 3
        assert "Random" not in opened.locator("#gallery-table thead").inner_text()
        assert opened.locator('svg g[id="shapes_cnn-morf:random"]').is_hidden()
    opened.locator("[data-toggle-kind=control]").click()
    assert opened.locator("#comparison tbody tr:visible").count() == 4


def test_what_is_shown_of_a_table_is_copied(opened: Any) -> None:
    opened.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    opened.locator("[data-toggle-kind=control]").click()
    tools = opened.locator("#comparison .tools").first
    tools.get_by_text("Copy CSV").click()
    lines = opened.evaluate("window.copied").splitlines()
    assert lines[0].startswith("Method,Leads ↑,Insertion ↑,")
    assert sorted(line.split(",")[0] for line in lines[1:]) == ["Grad-CAM", "RISE", "T-TAME"]
    assert {len(line.split(",")) for line in lines} == {len(lines[0].split(","))}
    assert all(0 <= float(line.split(",")[2].replace("≈", "")) <= 100 for line in lines[1:])
    assert tools.locator("output").inner_text() == "Copied what is shown"
    tools.get_by_text("Copy LaTeX").click()
    text = opened.evaluate("window.copied")
    assert r"\begin{tabular}{lr" in text
    assert r"\textbf{" in text
    assert r"Insertion $\uparrow$ &" in text
    assert text.count(r" \\") == 4


def test_headings_and_names_stay_and_a_cue_says_what_is_beyond(opened: Any) -> None:
    opened.set_viewport_size({"width": 390, "height": 500})
    box = opened.locator("#comparison .wide").first
    cue = opened.locator("#comparison .cue").first
    assert cue.inner_text().endswith("more columns →")
    where = (
        "() => [...document.querySelectorAll('#comparison thead th:first-child')].map(of => of.getBoundingClientRect())"
    )
    before = opened.evaluate(where)[0]
    cue.click()
    box.evaluate("of => of.scrollTo({ left: 150, top: 40, behavior: 'instant' })")
    after = opened.evaluate(where)[0]
    edge = box.bounding_box()
    assert after["left"] == pytest.approx(edge["x"], abs=1)
    assert after["top"] == pytest.approx(edge["y"], abs=1)
    assert before["width"] < 190, "most of a phone is left for numbers"
    box.evaluate("of => of.scrollTo({ left: 1e5, behavior: 'instant' })")
    cue.wait_for(state="hidden")
    open_page(opened, opened.url)
    assert opened.locator("#gallery-filters:not([open])").count() == 1, "choices are in the way on a phone"
    opened.set_viewport_size({"width": 1280, "height": 900})
    open_page(opened, opened.url)
    assert opened.locator("#gallery-filters[open]").count() == 1


def test_the_gallery_filters_and_orders_by_score(opened: Any) -> None:
    rows = opened.locator("#gallery-table tbody tr")
    assert rows.count() == 9
    opened.select_option("#filter-agreement", "disagree")
    assert rows.count() == 3
    assert opened.locator("#gallery-count").inner_text().startswith("3 of 9 images shown")
    opened.select_option("#filter-agreement", "all")
    opened.select_option("#filter-score", "deletion")
    for order, rising in (("best:gradcam", True), ("worst:gradcam", False)):
        opened.select_option("#filter-order", order)
        scores = _scores(opened, "Grad-CAM")
        assert scores == sorted(scores, reverse=not rising), "the lower deletion is the better"
    opened.select_option("#filter-order", "loss")
    names = ["Grad-CAM", "RISE", "T-TAME"]
    columns = dict(zip(names, (_scores(opened, name) for name in names), strict=True))
    losses = [
        own - min(others) for own, *others in zip(columns["T-TAME"], columns["Grad-CAM"], columns["RISE"], strict=True)
    ]
    assert losses == pytest.approx(sorted(losses, reverse=True), abs=0.11)
    opened.locator("#filter-confidence").fill("50")
    confident = [float(text.split()[-2]) for text in rows.locator("th").all_inner_texts()]
    assert 0 < len(confident) < 9
    assert min(confident) >= 50
    shown = rows.locator("th").all_inner_texts()
    assert reopened(opened) == "score=deletion&order=loss&confidence=50"
    assert rows.locator("th").all_inner_texts() == shown


def _scores(tab: Any, method: str) -> list[float]:
    column = tab.locator("#gallery-table thead tr > *").all_inner_texts().index(method)
    cells = tab.locator(f"#gallery-table tbody tr > :nth-child({column + 1}) .score").all_inner_texts()
    return [float(text.removeprefix("★ ")) for text in cells]


def test_an_image_is_opened_and_two_methods_are_compared(opened: Any) -> None:
    present = opened.locator("#gallery-table tbody tr").filter(has_not_text="3.png").first
    present.scroll_into_view_if_needed()
    present.locator("canvas").first.wait_for()
    present.locator("button.tile").nth(1).click()
    viewer = opened.locator("#viewer")
    assert viewer.is_visible()
    assert viewer.locator("figure").count() == 1 + len(METHODS)
    assert viewer.locator("tbody tr").count() == len(METHODS)
    opened.wait_for_function(PAINTED, arg="#viewer canvas")
    assert opened.locator("#stage-first").input_value() == "ttame", "the map that was opened"
    assert opened.locator("#stage-second").input_value() == "rise", "the leader"
    clip = "() => getComputedStyle(document.getElementById('stage-right')).clipPath"
    before = opened.evaluate(clip)
    opened.locator("#stage-slider").focus()
    opened.keyboard.press("ArrowRight")
    assert opened.evaluate(clip) != before
    pixels = "() => document.querySelector('#stage-left canvas').toDataURL()"
    shown = opened.evaluate(pixels)
    opened.locator("#stage-opacity").fill("100")
    opened.wait_for_function(f"shown => ({pixels})() !== shown", arg=shown)
    title = opened.locator("#viewer-title").inner_text()
    opened.locator("#viewer-after").click()
    assert opened.locator("#viewer-title").inner_text() != title
    opened.locator("#viewer-before").click()
    assert reopened(opened).startswith("image=")
    assert opened.locator("#viewer-title").inner_text() == title
    opened.keyboard.press("Escape")
    assert not viewer.is_visible()
    opened.wait_for_function("() => !location.hash.includes('image')")


def test_losing_the_class_under_morf_is_good_for_the_method(opened: Any) -> None:
    opened.locator("#gallery-table button.tile").first.click()
    image = opened.evaluate("opened.image.scores.rise")
    row = opened.locator("#viewer-scores tbody tr", has_text="RISE")
    morf, lerf = row.locator(".path").all()
    for cell, order, good in ((morf, "morf", False), (lerf, "lerf", True)):
        for place, kept in enumerate(image[order].values()):
            step = cell.locator("span").nth(place)
            assert step.get_attribute("class") == ("good" if kept is good else "poor")
            assert step.inner_text().endswith("✓" if kept is good else "–")


def test_a_deleted_image_says_so_and_names_are_text(opened: Any) -> None:
    gone = opened.locator("#gallery-table tbody tr", has_text="3.png")
    gone.scroll_into_view_if_needed()
    gone.get_by_text("the image is no longer there").first.wait_for()
    assert gone.locator("canvas").count() == 0
    assert opened.locator("#gallery-table th", has_text="<script>alert(1)</script>").count() == 1


def test_methods_are_brought_out_with_their_bands(opened: Any) -> None:
    line, band = (opened.locator(f'svg g[id="shapes_cnn-morf:gradcam{of}"]') for of in ("", ":band"))
    assert "on" not in (line.get_attribute("class") or "")
    assert band.is_hidden()
    opened.locator("#legend button[data-method=gradcam]").click()
    assert "on" in (line.get_attribute("class") or "")
    assert band.is_visible()
    opened.select_option("#dots-measure", "deletion")
    opened.locator('nav a[href="#curves"]').click()
    opened.wait_for_function("location.hash.includes('at=')")  # the page hears of the click a moment later
    assert "measure=deletion&at=curves" in reopened(opened)
    assert band.is_visible()
    assert opened.locator('.dots[data-measure="deletion"]').is_visible()
    assert opened.evaluate("window.scrollY") > 500
