"""The viewer for those who chose the colours of their screen themselves, or more contrast."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from served import Served, until_listed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

SHARP = '#canvas[data-page="1"][data-sharp="true"]'
LEAST_CONTRAST = 7.0
"""Of text, where somebody asked for more."""
LEAST_OF_CONTROLS = 4.5


@pytest.fixture(scope="module")
def address(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Served(sample, cache=tmp_path_factory.mktemp("cache")) as server:
        until_listed(server.address)
        yield server.address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


def picture(tab: Any, name: str) -> None:
    """For somebody to look at, where the environment names a folder."""
    seen = os.environ.get("SIDEBOOKS_SCREENSHOTS")
    if seen:
        tab.screenshot(path=str(Path(seen) / f"contrast-{name}.png"))


def seen(tab: Any) -> Any:
    """What is seen of the page."""
    return np.asarray(Image.open(io.BytesIO(tab.locator("#stage").screenshot())).convert("RGB"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_with_forced_colours_the_page_is_seen_and_not_the_text_over_it(chromium: Any, address: str, scheme: str) -> None:
    context = chromium.new_context(
        viewport={"width": 820, "height": 1100}, forced_colors="active", color_scheme=scheme, locale="ja-JP"
    )
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_selector("#shelf a")
    picture(tab, f"forced-{scheme}-shelf")
    tab.click("#shelf a")
    tab.wait_for_selector(SHARP)
    tab.wait_for_selector("#text span", state="attached")
    picture(tab, f"forced-{scheme}-reader")
    with_text = seen(tab)
    tab.evaluate("document.getElementById('text').style.visibility = 'hidden'")
    assert np.array_equal(with_text, seen(tab)), "the text over the page is not seen"
    tab.click("#display-button")
    tab.wait_for_selector("#side [data-choice=page]")
    pressed = "getComputedStyle(document.querySelector('#side [data-choice=page]')).outlineStyle"
    assert tab.evaluate(pressed) == "solid", "what is switched on is seen without colour"
    border = "getComputedStyle(document.getElementById('next')).borderTopStyle"
    assert tab.evaluate(border) == "solid"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark", "night"])
def test_more_contrast_is_given_to_those_who_ask_for_it(chromium: Any, address: str, scheme: str) -> None:
    context = chromium.new_context(
        viewport={"width": 820, "height": 1100}, contrast="more", color_scheme="dark" if scheme == "dark" else "light"
    )
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_selector("#shelf a")
    if scheme == "night":
        tab.evaluate("document.documentElement.toggleAttribute('data-night', true)")
    colours = tab.evaluate(
        """() => Object.fromEntries(['ink', 'paper', 'bar', 'line', 'soft', 'accent', 'on-accent', 'grave']
        .map(name => [name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()]))"""
    )
    for ground in ("paper", "bar"):
        for ink in ("ink", "soft", "accent", "grave"):
            assert contrast(colours[ink], colours[ground]) >= LEAST_CONTRAST, (ink, ground)
        assert contrast(colours["line"], colours[ground]) >= LEAST_OF_CONTROLS
    assert contrast(colours["on-accent"], colours["accent"]) >= LEAST_CONTRAST
    picture(tab, f"more-{scheme}-shelf")
    context.close()


def contrast(first: str, second: str) -> float:
    """Of two colours, "#rrggbb", as WCAG reckons it."""
    lights = []
    for colour in (first, second):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        lights.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(lights) + 0.05) / (min(lights) + 0.05)
