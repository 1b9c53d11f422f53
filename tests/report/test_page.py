"""The results page: made from results made by hand, and opened in a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ttame.report.page.gallery import agreement, spread

METHODS = ["random", "gradcam", "rise", "ttame"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def written(page) -> Path:
    return page(METHODS, 9, gone=3)


@pytest.fixture
def opened(browser, written) -> Iterator[Any]:
    """The page in a browser; an error or a request fails the test."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: None if request.url.startswith("data:") else complaints.append(request.url))
    tab.goto(written.as_uri())
    assert complaints.pop(0) == written.as_uri(), "the page itself is the only request"
    yield tab
    tab.wait_for_timeout(200)
    tab.close()
    assert complaints == []


def _column(tab: Any, column: int) -> list[str]:
    rows = tab.locator("#comparison tbody tr").all()
    return [row.locator("th, td span:first-child").nth(column).inner_text() for row in rows]


def test_a_heading_sorts_its_column_better_end_first(opened) -> None:
    for heading, reverse in (("AD(100)", False), ("IC(100)", True)):
        button = opened.locator("#comparison th button", has_text=heading)
        column = opened.locator("#comparison thead th").all_inner_texts().index(button.inner_text())
        button.focus()
        opened.keyboard.press("Enter")
        found = [float(text) for text in _column(opened, column)]
        assert found == sorted(found, reverse=reverse)
        assert len(set(found)) > 1
        button.click()
        assert [float(text) for text in _column(opened, column)] == sorted(found, reverse=not reverse)
        sorted_ones = opened.locator("#comparison th[aria-sort]")
        assert sorted_ones.count() == 1


def test_filter_and_open_an_image(opened) -> None:
    rows = opened.locator("#gallery-table tbody tr")
    assert rows.count() == 9
    opened.select_option("#filter-agreement", "disagree")
    assert rows.count() == 3
    assert opened.locator("#gallery-count").inner_text() == "3 of 9 images shown"
    opened.select_option("#filter-agreement", "all")
    present = rows.filter(has_not_text="3.png").first
    present.scroll_into_view_if_needed()
    present.locator("canvas").first.wait_for()
    present.locator("button.tile").nth(1).click()
    viewer = opened.locator("#viewer")
    assert viewer.is_visible()
    assert viewer.locator("figure").count() == 1 + len(METHODS)
    assert viewer.locator("tbody tr").count() == len(METHODS)
    opened.wait_for_timeout(300)
    painted = """() => [...document.querySelectorAll("#viewer canvas")].map(canvas =>
      new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size)"""
    assert min(opened.evaluate(painted)) > 20, "every map is drawn"
    opened.keyboard.press("Escape")
    assert not viewer.is_visible()


def test_a_deleted_image_says_so_and_names_are_text(opened) -> None:
    gone = opened.locator("#gallery-table tbody tr", has_text="3.png")
    gone.scroll_into_view_if_needed()
    gone.get_by_text("the image is no longer there").first.wait_for()
    assert gone.locator("canvas").count() == 0
    assert opened.locator("#gallery-table th", has_text="<script>alert(1)</script>").count() == 1


def test_methods_are_brought_out_of_the_charts(opened) -> None:
    line = opened.locator('svg g[id="shapes_cnn-morf:gradcam"]')
    assert "on" not in (line.get_attribute("class") or "")
    opened.locator("#legend button[data-method=gradcam]").click()
    assert "on" in (line.get_attribute("class") or "")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_at_any_width_by_eye_and_by_a_screen_reader(opened, width, scheme) -> None:
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling of the page"
    nameless = """() => [...document.querySelectorAll("button, svg, canvas, select, [role=region]")]
      .filter(element => !(element.getAttribute("aria-label") || element.textContent?.trim() || element.labels?.length))
      .map(element => element.outerHTML.slice(0, 80))"""
    assert opened.evaluate(nameless) == []
    for selector in ("body", "td small", "figcaption", ".verdict", "nav a", "#legend button"):
        assert _contrast(opened, selector) >= 4.5, selector


def _contrast(tab: Any, selector: str) -> float:
    """Contrast of a text to what is behind it (WCAG 2, success criterion 1.4.3 asks for 4.5)."""
    script = """selector => {
      const colour = text => text.match(/[\\d.]+/g).map(Number);
      let element = document.querySelector(selector), ink = colour(getComputedStyle(element).color), paper;
      do { paper = colour(getComputedStyle(element).backgroundColor); element = element.parentElement; }
      while (paper[3] === 0 && element);
      return [ink.slice(0, 3), paper.slice(0, 3)];
    }"""
    luminances = []
    for colour in tab.evaluate(script, selector):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
        luminances.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def test_one_file_that_fetches_nothing(written) -> None:
    text = written.read_text()
    assert "<script>alert(1)" not in text
    for tag in ('src="http', "src='http", "@import", '<link rel="stylesheet"', "fetch("):
        assert tag not in text
    assert written.stat().st_size < 15e6


@pytest.mark.parametrize(("methods", "images"), [(["gradcam"], 1), (["gradcam"], 4), (METHODS, 1)])
def test_one_image_or_one_method(page, methods, images) -> None:
    text = page(methods, images).read_text()
    assert ("n/a" in text) == (images == 1)
    assert "nan" not in text.replace("nano", "")


def test_agreement_is_the_mean_correlation() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = {name: torch.rand(3, 28, 28, generator=generator) for name in ("gradcam", "rise", "random")}
    maps["gradcam"][0] = maps["rise"][0]
    found = agreement(maps)
    flat = [maps[name].flatten(1).numpy() for name in ("gradcam", "rise")]
    for index in range(3):
        assert found[index] == pytest.approx(np.corrcoef(flat[0][index], flat[1][index])[0, 1], abs=1e-6)
    assert found[0] == pytest.approx(1.0)


def test_shown_images_span_the_agreement() -> None:
    values = np.array([0.3, 0.1, 0.9, 0.5, 0.7])
    assert spread(values, 3) == [1, 3, 2]
    assert spread(values, 10) == [1, 0, 3, 4, 2]
