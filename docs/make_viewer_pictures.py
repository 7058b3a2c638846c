"""Makes the pictures of the reader in docs/explanation/images/viewer, with Chromium; `docs/make_pictures.py` runs it.

Fonts of the machine show in them: it needs a Japanese one, such as Debian's fonts-noto-cjk.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
IMAGES = DOCS / "explanation" / "images" / "viewer"
SAMPLES = DOCS / "tutorial" / "samples"
COLOURS = 64


class Screen(NamedTuple):
    """What a picture is taken of."""

    width: int
    height: int
    ratio: float
    locale: str = "ja-JP"
    scheme: str = "light"
    is_touch: bool = True


IPAD = Screen(810, 1080, 1)
ANDROID = Screen(1280, 800, 1, scheme="dark")
PHONE = Screen(390, 844, 1.5)
DESKTOP = Screen(1440, 900, 1, "en-GB", is_touch=False)


def reader(tab: Any) -> None:
    """The reader at its third page, without the hint."""
    tab.locator("#shelf a[href*='#']").first.click()
    sharp(tab)
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
        sharp(tab)
    tab.wait_for_timeout(1500)


def sharp(tab: Any) -> None:
    """Wait for the page."""
    tab.wait_for_selector("#canvas[data-sharp=true]")
    tab.wait_for_timeout(300)


def keys(*pressed: str) -> Callable[[Any], None]:
    """The reader after some keys."""

    def act(tab: Any) -> None:
        reader(tab)
        for one in pressed:
            tab.keyboard.press(one)
            tab.wait_for_timeout(300)
        sharp(tab)
        tab.wait_for_timeout(1200)

    return act


def panel(name: str) -> Callable[[Any], None]:
    """The reader with a panel."""

    def act(tab: Any) -> None:
        reader(tab)
        tab.click(f"#tools [data-panel={name}]")
        tab.wait_for_timeout(900)

    return act


def search(tab: Any) -> None:
    """The reader with hits, at the second one."""
    panel("find")(tab)
    tab.keyboard.type("縦組")
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(1000)
    tab.keyboard.press("Escape")
    tab.keyboard.press("n")
    sharp(tab)
    tab.wait_for_timeout(1200)


def two_papers(tab: Any) -> None:
    """Two papers side by side."""
    panel("more")(tab)
    tab.locator("#side .menu button").first.click()
    tab.wait_for_timeout(500)
    tab.locator("#side .lines button").first.click()
    tab.wait_for_selector(".pane .canvas[data-sharp=true]")
    tab.wait_for_timeout(1500)


def hint(tab: Any) -> None:
    """The first page that somebody opens."""
    tab.evaluate("localStorage.removeItem('sidebooks hint')")
    tab.locator("#shelf a[href*='#']").first.click()
    tab.wait_for_selector(".hint")
    sharp(tab)


PICTURES: dict[str, tuple[Screen, Callable[[Any], None]]] = {
    "reader-ipad-ja-day": (IPAD, reader),
    "reader-ipad-ja-width": (IPAD, keys("w")),
    "reader-ipad-ja-bare": (IPAD, keys("f")),
    "reader-ipad-ja-hint": (IPAD, hint),
    "reader-android-ja-night": (ANDROID, reader),
    "reader-android-ja-two": (ANDROID._replace(scheme="light"), two_papers),
    "reader-phone-ja-day": (PHONE, reader),
    "reader-phone-ja-search": (PHONE, search),
    "reader-phone-ja-display": (PHONE, panel("display")),
    "reader-desktop-en-contents": (DESKTOP, panel("contents")),
    "reader-desktop-en-pages": (DESKTOP, panel("pages")),
    "reader-desktop-en-night": (DESKTOP._replace(scheme="dark"), search),
}


def chromium(playwright: Any) -> Any:
    """The browser of the machine, started."""
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])


def keep(tab: Any, name: str) -> None:
    """Take a picture of what a tab shows."""
    taken = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    taken.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder) / "served"
        served.mkdir()
        for sample in ("jlreq-ja.pdf", "june-meeting.pdf"):
            shutil.copy(SAMPLES / sample, served)
        command = [sys.executable, "-m", "sidebooks_core", "serve", str(served), "--port", "0", "--no-browser"]
        with subprocess.Popen([*command, "--cache-dir", folder], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = re.search(r"http://[^\s,]+/", process.stdout.readline())
            assert found is not None
            take(found[0])
            process.kill()


def take(address: str) -> None:
    """Take the pictures from a server."""
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        for name, (screen, act) in PICTURES.items():
            context = browser.new_context(
                viewport={"width": screen.width, "height": screen.height},
                device_scale_factor=screen.ratio,
                has_touch=screen.is_touch,
                locale=screen.locale,
                color_scheme=screen.scheme,  # type: ignore[arg-type]
            )
            context.add_init_script("if (!localStorage.length) localStorage.setItem('sidebooks hint', 'seen')")
            tab = context.new_page()
            tab.set_default_timeout(15_000)
            tab.goto(address)
            tab.wait_for_selector("#shelf a[href*='#']")
            act(tab)
            keep(tab, name)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
