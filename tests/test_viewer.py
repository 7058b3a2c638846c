"""The reference viewer in a real browser: every way to turn, zoom and find, on a real document."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

PAGES = 22


@pytest.fixture(scope="module")
def address(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache_dir = tmp_path_factory.mktemp("cache")
    command = [sys.executable, "-m", "sidebooks_core.cli", "serve", str(sample), "--port", "0", "--no-browser"]
    with subprocess.Popen([*command, "--cache-dir", str(cache_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+/", process.stdout.readline())
        assert found is not None
        yield found[0]
        process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Any]:
    """The reader, open at the first page."""
    context = browser.new_context(viewport={"width": 820, "height": 1100}, device_scale_factor=1.5, has_touch=True)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    tab.goto(address)
    tab.click("#shelf a")
    shown(tab, 1)
    yield tab
    context.close()
    assert not problems


def shown(tab: Any, page: int) -> None:
    """Wait until a page is on the screen, sharp."""
    tab.wait_for_selector(f'#canvas[data-page="{page}"][data-sharp="true"]', timeout=20_000)


def ink(tab: Any) -> float:
    """Share of dark pixels of the canvas."""
    return float(
        tab.evaluate(
            """() => { const c = document.getElementById('canvas');
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3] && d[i] < 128) n += 1; return n / (d.length / 4); }"""
        )
    )


def test_keys_turn(tab: Any) -> None:
    assert ink(tab) > 0.001
    for key, page in (
        ("ArrowRight", 2),
        ("PageDown", 3),
        (" ", 4),
        ("ArrowLeft", 3),
        ("PageUp", 2),
        ("End", PAGES),
        ("Home", 1),
    ):
        tab.keyboard.press(key)
        shown(tab, page)
    tab.keyboard.press("ArrowLeft")
    shown(tab, 1)


def test_neighbours_are_decoded_before_the_turn(tab: Any) -> None:
    tab.wait_for_timeout(1500)
    for _ in range(4):
        sharp = tab.evaluate(
            """async () => { const c = document.getElementById('canvas'); const before = c.dataset.turn;
            document.getElementById('next').click();
            while (c.dataset.turn === before) await new Promise(requestAnimationFrame); return c.dataset.sharp; }"""
        )
        assert sharp == "true", "the first frame after the turn"
        tab.wait_for_timeout(1000)


def test_fingers_turn(tab: Any) -> None:
    tab.touchscreen.tap(780, 500)
    shown(tab, 2)
    tab.touchscreen.tap(40, 500)
    shown(tab, 1)
    for start, end, page in ((600, 300, 2), (300, 600, 1)):
        tab.mouse.move(start, 500)
        tab.mouse.down()
        tab.mouse.move(end, 505, steps=5)
        tab.mouse.up()
        shown(tab, page)


def test_pinching_and_double_tapping_zoom(tab: Any) -> None:
    plain = ink(tab)
    tab.mouse.dblclick(410, 400)
    tab.wait_for_function("window.sidebooks.zoom === 3")
    tab.wait_for_timeout(1000)
    assert abs(ink(tab) - plain) > 1e-4
    tab.keyboard.press("0")
    tab.wait_for_function("window.sidebooks.zoom === 1")
    session = tab.context.new_cdp_session(tab)
    for kind, spread in (("touchStart", 50), ("touchMove", 100), ("touchMove", 150), ("touchEnd", None)):
        points = [] if spread is None else [{"x": 410 - spread, "y": 500, "id": 0}, {"x": 410 + spread, "y": 500, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    tab.wait_for_function("window.sidebooks.zoom > 2")
    shown(tab, 1)


def test_the_strip_riffles(tab: Any) -> None:
    tab.locator("#strip").fill("15")
    shown(tab, 15)
    assert tab.locator("#number").text_content() == f"15 of {PAGES}"


def test_the_outline_leads_to_its_pages(tab: Any) -> None:
    tab.click("#outline-button")
    entries = tab.locator("#side button")
    assert entries.count() > 5
    entries.nth(entries.count() - 1).click()
    tab.wait_for_function("window.sidebooks.page > 5")


def test_search_finds_and_highlights(tab: Any) -> None:
    yellow = """() => { const c = document.getElementById('canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0;
        for (let i = 0; i < d.length; i += 4) if (d[i] > 200 && d[i + 2] < 190 && d[i + 1] > 180) n += 1;
        return n; }"""
    tab.fill("#query", "ルビ")
    tab.press("#query", "Enter")
    shown(tab, 4)
    tab.wait_for_timeout(200)
    assert tab.evaluate(yellow) > 100
    assert tab.locator("#side button").count() >= 1


def test_two_pages_and_night_and_japanese(tab: Any) -> None:
    tab.click("#next")
    shown(tab, 2)
    tab.click("#spread")
    shown(tab, 2)
    tab.keyboard.press("ArrowRight")
    shown(tab, 4)
    tab.click("#spread")
    tab.click("#night")
    assert tab.evaluate("document.documentElement.hasAttribute('data-night')")
    tab.click("#language")
    assert tab.evaluate("document.documentElement.lang") == "ja"
    assert tab.locator("#next").get_attribute("aria-label") == "次へ"


def test_progress_and_choices_are_kept(tab: Any, address: str) -> None:
    tab.locator("#strip").fill("9")
    shown(tab, 9)
    tab.click("#night")
    tab.click("#back")
    tab.wait_for_selector("#shelf a")
    tab.click("#shelf a")
    shown(tab, 9)
    tab.reload()
    shown(tab, 9)
    assert tab.evaluate("document.documentElement.hasAttribute('data-night')")


def test_controls_have_names_and_fingers_reach_them(tab: Any) -> None:
    for button in tab.locator("#reader button:visible").all():
        assert button.get_attribute("aria-label") or button.text_content().strip()
        box = button.bounding_box()
        assert box["width"] >= 44
        assert box["height"] >= 44
