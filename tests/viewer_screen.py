"""A served folder, a browser that reads it, and what is on its screen: for tests of the viewer."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from served import until_listed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

PAGES = 22
"""Of the document that is served."""


@pytest.fixture(scope="module")
def folder(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is served, watched."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(sample, folder / "sample.pdf")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache_dir = tmp_path_factory.mktemp("cache")
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(folder), "--port", "0", "--no-browser"]
    with subprocess.Popen([*command, "--cache-dir", str(cache_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+/", process.stdout.readline())
        assert found is not None
        until_listed(found[0], len(list(folder.iterdir())))
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


def picture(tab: Any, name: str) -> None:
    """For somebody to look at, where the environment names a folder."""
    seen = os.environ.get("SIDEBOOKS_SCREENSHOTS")
    if seen:
        tab.screenshot(path=str(Path(seen) / f"viewer-{name}.png"))


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
        return body


def canvas_pixels(tab: Any) -> Any:
    """What is painted: (height, width, 4), uint8."""
    url = tab.evaluate("document.getElementById('canvas').toDataURL('image/png').split(',')[1]")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url))))


def choose(tab: Any, answer: str) -> None:
    """One of the choices of how pages are shown."""
    tab.click("#display-button")
    tab.click(f"#side [data-choice='{answer}']")
    tab.keyboard.press("Escape")


def ink(tab: Any) -> float:
    """Share of dark pixels of the canvas."""
    return float(
        tab.evaluate(
            """() => { const c = document.getElementById('canvas');
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3] && d[i] < 128) n += 1; return n / (d.length / 4); }"""
        )
    )
