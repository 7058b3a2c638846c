"""Pages that cannot be drawn whole, over HTTP and in the viewer: headers, descriptions, a sign on the page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgi import ask
from image_files import PLACED, RGB, TEXT, page, pdf, stream
from served import until_listed

from sidebooks_core import Document, Settings, TileService
from sidebooks_core.documents.problems import IMAGE_LOST
from sidebooks_core.server import Application, Shelf, headers
from sidebooks_core.server.shelf import page_id

TOLD = f'1; "{IMAGE_LOST}"'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def half_broken(tmp_path: Path) -> Path:
    """Three pages, of which the second is not whole."""
    image = stream(b"not a picture" * 9, b"/Type /XObject /Subtype /Image " + RGB + b"/Filter /DCTDecode")
    objects = {3: page(), 7: page(8), 9: page(), 4: stream(TEXT), 8: stream(PLACED + TEXT), 5: image}
    folder = tmp_path / "served"
    folder.mkdir()
    path = folder / "half.pdf"
    path.write_bytes(pdf(objects, pages=b"[3 0 R 7 0 R 9 0 R]", count=3))
    return path


@pytest.fixture
def application(half_broken: Path, tmp_path: Path) -> Iterator[Application]:
    with TileService(Settings(cache_dir=tmp_path / "cache")) as service:
        shelf = Shelf(service)
        shelf.register(half_broken)
        running = Application(shelf, allow_origins=["*"])
        yield running
        running.close()
        shelf.close()


@pytest.fixture
def document(application: Application) -> Document:
    return application.shelf.all()[0].document


def test_images_tell_of_problems_in_a_header(application: Application, document: Document) -> None:
    base = f"/documents/{document.id}/pages"
    for address in (f"{base}/2/preview", f"{base}/2/300x300", f"{base}/2/tiles/0/0_0", f"{base}/2/bundle/0"):
        for _ in range(2):  # the long way, and the short one
            reply = ask(application, address)
            assert reply.status == 200
            assert reply.headers["sidebooks-problems"] == TOLD
            assert "Sidebooks-Problems" in reply.headers["access-control-expose-headers"]
        unchanged = ask(application, address, headers={"if-none-match": reply.headers["etag"]})
        assert unchanged.status == 304
        if "bundle" not in address:
            assert unchanged.headers["sidebooks-problems"] == TOLD
    assert "sidebooks-problems" not in ask(application, f"{base}/1/preview").headers


def test_images_made_from_images_tell_the_same(application: Application, document: Document) -> None:
    for change in ("full/!90,90/!0/default.jpg", "full/!90,90/90/gray.png", "full/!90,90/0/default.webp"):
        for _ in range(2):  # made, and found
            reply = ask(application, f"/iiif/3/{page_id(document, 1)}/{change}")
            assert (reply.status, reply.headers["sidebooks-problems"]) == (200, TOLD)


def test_descriptions_tell_what_is_known(application: Application, document: Document) -> None:
    pages, manifest = f"/documents/{document.id}/pages.json", f"/presentation/3/{document.id}/manifest.json"
    for address in (pages, manifest):
        assert IMAGE_LOST not in ask(application, address).body.decode(), "nothing is drawn for it"
    assert application.service.statistics().renders == 0
    ask(application, f"/documents/{document.id}/pages/2/preview")
    entries = ask(application, pages).json()["pages"]
    assert [entry.get("problems") for entry in entries] == [None, [IMAGE_LOST], None]
    canvases = ask(application, manifest).json()["items"]
    assert [IMAGE_LOST in str(canvas.get("metadata")) for canvas in canvases] == [False, True, False]


@pytest.mark.parametrize("problems", [("議員",), ('say "no" \\ \r\nset-cookie: a=b',), tuple("abcdefgh" * 9), ("x" * 500, "y")])
def test_the_header_is_short_and_plain(problems: tuple[str, ...]) -> None:
    [(_, value)] = headers.told_problems(problems)
    assert value.isascii()
    assert value.decode().isprintable()
    assert len(value) <= headers.LONGEST_PROBLEMS + 8
    assert value.startswith(b"%d" % len(problems))


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize(("language", "sign"), [("en", "Not all of this page"), ("ja", "このページの一部")])
def test_the_viewer_shows_a_sign_on_the_page(half_broken: Path, tmp_path: Path, language: str, sign: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
    command = [
        sys.executable,
        "-m",
        "sidebooks_core",
        "serve",
        str(half_broken.parent),
        "--port",
        "0",
        "--no-browser",
    ]
    with (
        subprocess.Popen([*command, "--cache-dir", str(tmp_path / "cache")], stdout=subprocess.PIPE, text=True) as process,
        sync_api.sync_playwright() as playwright,
    ):
        assert process.stdout is not None
        address = re.search(r"http://\S+/", process.stdout.readline())
        assert address is not None
        until_listed(address[0])
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(locale=language, viewport={"width": 800, "height": 900}).new_page()
        tab.goto(address[0])
        tab.click("#shelf a")
        tab.wait_for_selector('#canvas[data-page="1"][data-sharp="true"]', timeout=30_000)
        assert tab.locator(".problems").count() == 0
        tab.keyboard.press("ArrowRight")
        tab.wait_for_selector('#canvas[data-page="2"][data-sharp="true"]', timeout=30_000)
        tab.wait_for_selector(".problems", timeout=10_000)
        assert sign in tab.inner_text(".problems summary")
        tab.click(".problems summary")
        assert IMAGE_LOST in tab.inner_text(".problems")
        tab.keyboard.press("ArrowRight")
        tab.wait_for_selector('#canvas[data-page="3"][data-sharp="true"]', timeout=30_000)
        tab.wait_for_selector(".problems", state="detached", timeout=10_000)
        browser.close()
        process.kill()
