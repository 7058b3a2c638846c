"""Which images the viewer asks for, when, and what it paints of them."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from viewer_screen import NEEDS_CHROMIUM, PAGES, address, browser, canvas_pixels, folder, get, picture, shown, tab

pytestmark = NEEDS_CHROMIUM
__all__ = ["address", "browser", "folder", "tab"]


def test_the_page_is_painted_pixel_by_pixel(tab: Any, address: str) -> None:
    [document] = json.loads(get(f"{address}documents"))["documents"]
    painted = canvas_pixels(tab)
    height, width = (side - 2 * 12 for side in painted.shape[:2])
    expected = np.asarray(
        Image.open(io.BytesIO(get(f"{address}documents/{document['id']}/pages/1/{width}x{height}"))).convert("RGB")
    )
    rows, columns = np.nonzero(painted[..., 3])
    [top, left] = [rows.min() + 1, columns.min() + 1]  # within its edge
    page = painted[top : top + expected.shape[0], left : left + expected.shape[1], :3]
    assert page.shape == expected.shape
    assert np.array_equal(page, expected)


def test_zoom_shows_the_tiles_of_the_level_it_needs(tab: Any, address: str) -> None:
    requested: list[str] = []
    tab.on("request", lambda one: requested.append(one.url))
    # In one task: a busy machine would show the levels between, and ask for their tiles.
    plus = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: '+', bubbles: true}))"
    tab.evaluate(f"() => {{ for (let step = 0; step < 3; step++) {plus}; }}")
    tab.wait_for_selector('#canvas[data-zoom="3.375"][data-sharp="true"]')
    picture(tab, "zoomed")
    tiles = [re.search(r"/pages/1/tiles/(\d+)/(\d+)_(\d+)$", url) for url in requested]
    found = {(int(one[1]), int(one[2]), int(one[3])) for one in tiles if one}
    pages = json.loads(get(f"{address}documents/{tab.evaluate('window.sidebooks.book.id')}/pages.json"))["pages"]
    finest = len(pages[0]["levels"]) - 1
    width_px, height_px, side = pages[0]["levels"][finest]
    assert {level for level, _, _ in found} == {finest}
    assert 4 <= len(found) < -(-width_px // side) * -(-height_px // side), "those that are seen, not the page"
    largest = tab.evaluate("Math.max(...performance.getEntriesByType('resource').map(one => one.decodedBodySize))")
    assert largest < 4 << 20
    tab.keyboard.press("ArrowDown")
    tab.wait_for_function("() => window.sidebooks.y < -100")
    shown(tab, 1)
    assert tab.evaluate("window.sidebooks.page") == 1, "arrows move what is zoomed"


def test_previews_come_in_bundles(tab: Any) -> None:
    asked = "performance.getEntriesByType('resource').map(one => one.name).filter(one => /previews\\/|preview$/.test(one))"
    tab.wait_for_function(f"() => {asked}.filter(one => /previews/.test(one)).length === 2")
    assert sorted(re.findall(r"previews/(.+)", " ".join(tab.evaluate(asked)).replace(" ", "\n"))) == ["1-16", "17-22"]
    tab.keyboard.press("End")
    shown(tab, PAGES)


@pytest.mark.parametrize("height", [1100, 600])
def test_the_page_of_an_address_is_asked_for_once_and_before_the_modules_run(browser: Any, address: str, height: int) -> None:
    tab = browser.new_context(viewport={"width": 820, "height": height}, device_scale_factor=1.5).new_page()
    tab.goto(address)
    link = tab.locator("#shelf a").first.get_attribute("href")
    asked: list[str] = []
    tab.on("request", lambda one: asked.append(re.sub(r".*/documents/[^/]+/", "", one.url)))
    tab.goto("about:blank")
    tab.goto(f"{address}{link}/7")
    shown(tab, 7)
    asked_of_page = [one for one in asked if one.startswith("pages/7/") or one == "runs.json"]
    first = [one for one in asked_of_page if not one.endswith(("/text", "/links"))]  # those follow when the page is looked at
    assert len(first) == len(set(first)) == 3, "the preview, the geometry, the page"
    assert len(tab.evaluate("[...globalThis.early]")) == 0, "nothing was asked for in vain"
    tab.context.close()


def test_the_page_of_an_address_is_shown_before_anything_else_is_there(browser: Any, address: str) -> None:
    tab = browser.new_context(viewport={"width": 820, "height": 1100}, device_scale_factor=1.5).new_page()
    tab.goto(address)
    link = tab.locator("#shelf a").first.get_attribute("href")
    tab.evaluate("localStorage.setItem('sidebooks light', 'night')")
    held: list[Any] = []
    tab.route(re.compile(r"/runs\.json$|/preview$"), lambda route: held.append(route))
    tab.goto("about:blank")
    tab.goto(f"{address}{link}/7")
    tab.wait_for_selector('#early[data-page="7"][data-shown="sharp"]')
    assert tab.evaluate("document.getElementById('canvas').dataset.book") is None
    assert tab.evaluate("getComputedStyle(document.getElementById('early')).filter").startswith("invert"), "no flash at night"
    box = tab.locator("#early").bounding_box()
    across = tab.evaluate("document.getElementById('early').naturalWidth")
    assert abs(box["width"] * 1.5 - across) < 0.1, "pixel by pixel"
    tab.wait_for_timeout(300)
    while held:
        held.pop().continue_()
    shown(tab, 7)
    assert tab.locator("#early").count() == 0, "the canvas took over"
    tab.context.close()


def test_a_coarse_answer_is_painted_and_then_replaced(browser: Any, address: str) -> None:
    tab = browser.new_context(viewport={"width": 600, "height": 800}).new_page()
    tab.goto(address)
    link = tab.locator("#shelf a").first.get_attribute("href")
    seen: list[str] = []

    def answer(route: Any) -> None:
        seen.append(route.request.url)
        reply = route.fetch()
        coarse = {"sidebooks-resolution": "0.25", "cache-control": "max-age=2"} if len(seen) == 1 else {}
        route.fulfill(response=reply, headers={**reply.headers, **coarse})

    tab.route(re.compile(r"/pages/3/\d+x\d+$"), answer)
    tab.goto(f"{address}{link}/3")
    tab.wait_for_selector('#canvas[data-page="3"][data-sharp="false"]')
    shown(tab, 3)
    assert len(seen) == 2
    tab.context.close()


def test_a_page_that_cannot_be_drawn_is_not_shown_as_an_empty_one(browser: Any, address: str) -> None:
    tab = browser.new_context(viewport={"width": 600, "height": 800}).new_page()
    tab.goto(address)
    link = tab.locator("#shelf a").first.get_attribute("href")
    problem = {"type": "about:blank", "status": 500, "detail": "budget.pdf, page 6: the worker process died"}
    pages = re.compile(r"/pages/6/(\d+x\d+|preview)$")
    tab.route(pages, lambda route: route.fulfill(status=500, json=problem))
    tab.goto(f"{address}{link}/6")
    tab.wait_for_selector('#canvas[data-page="6"][data-failed="true"]')
    painted = canvas_pixels(tab)
    middle = painted[painted.shape[0] // 2, painted.shape[1] // 2]
    assert tuple(middle[:3]) != (255, 255, 255), "paper would look like an empty page"
    assert "This page cannot be shown" in tab.inner_text(".stage .failed")
    picture(tab, "failed")
    tab.keyboard.press("PageDown")
    shown(tab, 7)
    tab.unroute(pages)
    tab.keyboard.press("PageUp")
    shown(tab, 6)
    assert tab.evaluate("document.getElementById('canvas').dataset.failed") == "false"
    tab.context.close()


def test_a_busy_server_is_asked_again(browser: Any, address: str) -> None:
    tab = browser.new_context(viewport={"width": 600, "height": 800}).new_page()
    tab.goto(address)
    link = tab.locator("#shelf a").first.get_attribute("href")
    refusals = [503]

    def answer(route: Any) -> None:
        if refusals:
            route.fulfill(status=refusals.pop(), headers={"retry-after": "1"}, body="busy")
        else:
            route.continue_()

    tab.route(re.compile(r"/pages/5/\d+x\d+$"), answer)
    tab.goto(f"{address}{link}/5")
    shown(tab, 5)
    assert refusals == []
    tab.context.close()


def test_the_byte_budget_of_decoded_images_binds(browser: Any, address: str) -> None:
    tab = browser.new_context(viewport={"width": 820, "height": 1100}, device_scale_factor=3).new_page()
    tab.goto(address)
    tab.click("#shelf a")
    shown(tab, 1)
    for page in range(2, 14):  # an image has 30 MB
        tab.keyboard.press("ArrowRight")
        shown(tab, page)
    used = tab.evaluate("window.sidebooks.book.decodedBytes")
    assert 60 << 20 < used < 170 << 20
    tab.click("#back")
    tab.wait_for_selector("#shelf a")
    assert tab.evaluate("window.sidebooks.book") is None
    tab.context.close()
