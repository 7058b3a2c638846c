"""Clients made by others, unchanged, in a real browser: OpenSeadragon and Mirador show our documents from another origin."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from file_origin import origin_of
from marked_pages import marks
from PIL import Image
from served import until_listed

from sidebooks_core.marks import PlacedMark
from sidebooks_core.marks.w3c import Canvas, annotation_page, page_reference

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NPM = shutil.which("npm")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.skipif(NPM is None, reason="needs npm, which fetches the clients"),
]
OPENSEADRAGON = "openseadragon-6.1.1"
MIRADOR = "mirador-4.0.0"
MOST_DIFFERENT = 6.0
"""Mean difference of grey levels, of 255, between what a client shows and the page drawn by us, both at 120 pixels across."""

OSD_PAGE = """<!doctype html><body style="margin:0"><div id="v" style="width:800px;height:1000px;background:#fff"></div>
<script src="openseadragon.js"></script>"""
MIRADOR_PAGE = """<!doctype html><body style="margin:0"><div id="m" style="position:absolute;inset:0"></div>
<script src="mirador.js"></script>"""
DRAWN = """() => [...document.querySelectorAll(".openseadragon-container canvas")].some(one => {
  try {
    const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
    return data.some((value, at) => at % 4 === 3 && value > 0);
  } catch { return false; } })"""
"""Whether something is on a canvas that may be read: that of the annotations. The pages come from another origin."""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The clients as their makers publish them."""
    folder = tmp_path_factory.mktemp("npm")
    assert NPM is not None
    names = [package.replace("-", "@", 1) for package in (OPENSEADRAGON, MIRADOR)]
    subprocess.run([NPM, "pack", "--silent", *names], cwd=folder, check=True, timeout=240, stdout=subprocess.DEVNULL)
    wanted = {
        "openseadragon.js": (OPENSEADRAGON, "package/build/openseadragon/openseadragon.js"),
        "mirador.js": (MIRADOR, "package/dist/mirador.min.js"),
    }
    found = {}
    for name, (package, member) in wanted.items():
        with tarfile.open(folder / f"{package}.tgz") as archive:
            file = archive.extractfile(member)
            assert file is not None
            found[name] = file.read()
    return found


@pytest.fixture(scope="module")
def address(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache_dir = tmp_path_factory.mktemp("cache")
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(sample), "--port", "0", "--no-browser"]
    with subprocess.Popen(
        [*command, "--allow-origin", "*", "--cache-dir", str(cache_dir)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        matched = re.search(r"http://\S+/", process.stdout.readline())
        assert matched is not None
        until_listed(matched[0])
        yield matched[0]
        process.kill()


@pytest.fixture(scope="module")
def files(scripts: dict[str, bytes], address: str) -> dict[str, bytes]:
    """What another server has: pages that use the clients."""
    text = (ROOT / "docs" / "tutorial" / "first-front-end.md").read_text(encoding="utf-8")
    found = re.search(r"^```html\n(.*?)^```", text, re.S | re.M)
    assert found is not None
    return {
        "/tutorial": found[1].replace("http://127.0.0.1:8000", address.rstrip("/")).encode(),
        "/osd": OSD_PAGE.encode(),
        "/mirador": MIRADOR_PAGE.encode(),
        **{f"/{name}": body for name, body in scripts.items()},
    }


@pytest.fixture(scope="module")
def origin(files: dict[str, bytes]) -> Iterator[str]:
    """That server: another origin for a browser."""
    with origin_of(files) as address:
        yield address


@pytest.fixture
def tab() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_context(viewport={"width": 1000, "height": 1000}).new_page()
        browser.close()


def test_the_front_end_of_the_tutorial_turns_pages(tab: Any, origin: str) -> None:
    tab.goto(f"{origin}/tutorial")
    tab.wait_for_selector('#page[data-shown="1 sharp"]')
    for key, page in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2)):
        tab.keyboard.press(key)
        tab.wait_for_selector(f'#page[data-shown="{page} sharp"]')
    assert tab.evaluate("document.getElementById('page').width") > 300
    tab.evaluate("turnTo(20)")  # as a reader types it into the console
    tab.wait_for_selector('#page[data-shown="20 sharp"]')


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
        return body


def grey(image: Image.Image, size: tuple[int, int]) -> Any:
    return np.asarray(image.convert("L").resize(size, Image.Resampling.BOX), float)


@pytest.fixture
def service(address: str) -> str:
    found: str = json.loads(get(f"{address}documents"))["documents"][0]["image_service"]
    return found


def test_every_tile_that_openseadragon_computes_is_there_in_the_size_it_expects(tab: Any, origin: str, service: str) -> None:
    tab.goto(f"{origin}/osd")
    tiles = tab.evaluate(
        """async address => {
        const info = await (await fetch(address)).json(), P = OpenSeadragon.IIIFTileSource.prototype;
        if (!P.supports(info, address)) throw new Error('not recognised');
        const source = new OpenSeadragon.IIIFTileSource(P.configure(info, address)), tiles = [];
        for (let level = source.minLevel; level <= source.maxLevel; level++) {
            const n = source.getNumTiles(level);
            for (let y = 0; y < n.y; y++) for (let x = 0; x < n.x; x++) {
                const bounds = source.getTileBounds(level, x, y, true);
                tiles.push([source.getTileUrl(level, x, y), bounds.width, bounds.height]);
            }
        }
        return tiles; }""",
        f"{service}/info.json",
    )
    assert len(tiles) > 10
    for url, width, height in tiles:
        with Image.open(io.BytesIO(get(url))) as image:
            asked = re.search(r"/(\d+),(\d+)/0/default", url)
            assert asked is not None, url
            assert image.size == (int(asked[1]), int(asked[2])), url
            assert abs(image.width - width) <= 1, url
            assert abs(image.height - height) <= 1, url


def test_openseadragon_shows_the_page(tab: Any, origin: str, service: str, address: str) -> None:
    answers: list[tuple[int, str]] = []
    tab.on("response", lambda one: answers.append((one.status, one.url)) if one.url.startswith(address) else None)
    tab.goto(f"{origin}/osd")
    place = tab.evaluate(
        """address => new Promise((done, failed) => {
        const v = OpenSeadragon({element: document.getElementById('v'), tileSources: [address], showNavigationControl: false,
            animationTime: 0, immediateRender: true, crossOriginPolicy: 'Anonymous'});
        v.addHandler('open-failed', e => failed(e.message));
        v.addHandler('open', () => {
            const item = v.world.getItemAt(0);
            const ready = () => requestAnimationFrame(() => requestAnimationFrame(() => {
                const b = v.viewport.viewportToViewerElementRectangle(item.getBounds());
                done([b.x, b.y, b.width, b.height]); }));
            if (item.getFullyLoaded()) ready(); else item.addHandler('fully-loaded-change', e => e.fullyLoaded && ready());
        }); })""",
        f"{service}/info.json",
    )
    x, y, width, height = (round(side) for side in place)
    shown = Image.open(io.BytesIO(tab.screenshot(clip={"x": x, "y": y, "width": width, "height": height})))
    expected = Image.open(io.BytesIO(get(f"{service}/full/{width},/0/default.png")))
    size = (120, round(120 * height / width))
    difference = np.abs(grey(shown, size) - grey(expected, size)).mean()
    assert difference < MOST_DIFFERENT
    assert grey(shown, size).std() > 5, "there is something to see"
    seen = os.environ.get("SIDEBOOKS_SCREENSHOTS")
    if seen:
        shown.save(Path(seen) / "openseadragon.png")
    assert [answer for answer in answers if answer[0] >= 400] == []
    assert sum("/default." in url for _, url in answers) >= 1


def test_mirador_opens_the_manifest(tab: Any, origin: str, address: str) -> None:
    [document] = json.loads(get(f"{address}documents"))["documents"]
    answers: list[tuple[int, str]] = []
    tab.on("response", lambda one: answers.append((one.status, one.url)) if one.url.startswith(address) else None)
    tab.goto(f"{origin}/mirador")
    tab.evaluate("manifestId => { Mirador.viewer({id: 'm', windows: [{manifestId}]}); }", document["manifest"])
    tab.wait_for_selector(".openseadragon-canvas canvas", timeout=60_000)
    deadline_s = time.monotonic() + 60
    while True:  # the client paints it without asking for permission to read it, so a picture of the screen has to do
        shown = Image.open(io.BytesIO(tab.locator(".openseadragon-canvas").first.screenshot()))
        if np.mean(grey(shown, shown.size) > 250) > 0.1:
            break
        assert time.monotonic() < deadline_s, "no page on the screen"
        time.sleep(0.1)
    assert document["name"] in tab.inner_text("body")
    assert [answer for answer in answers if answer[0] >= 400] == []
    assert any(re.search(r"/iiif/3/[^/]+_p1/\d|/iiif/3/[^/]+_p1/full", url) for _, url in answers), "the page's own image"
    seen = os.environ.get("SIDEBOOKS_SCREENSHOTS")
    if seen:
        tab.screenshot(path=str(Path(seen) / "mirador.png"))


def test_mirador_shows_the_marks_of_a_page(tab: Any, origin: str, address: str, files: dict[str, bytes]) -> None:
    """It reads our annotation pages: it lists what marks say, and draws where they are."""
    [document] = json.loads(get(f"{address}documents"))["documents"]
    manifest = json.loads(get(document["manifest"]))
    canvas = manifest["items"][0]
    scale = canvas["width"] / 600
    at = f"{origin}/annotations/1.json"
    canvas["annotations"] = [page_reference(at)]
    placed = [PlacedMark(one, "exact", 0) for one in marks("anna")]
    canvases = {0: Canvas(canvas["id"], canvas["width"], canvas["height"], scale)}
    files["/annotations/1.json"] = json.dumps(annotation_page(at, placed, canvases, {"anna": "山田"}, for_iiif=True)).encode()
    files["/marked.json"] = json.dumps(manifest).encode()
    tab.goto(f"{origin}/mirador")
    options = {
        "sideBarOpen": True,
        "defaultSideBarPanel": "annotations",
        "highlightAllAnnotations": True,
        "sideBarPanel": "annotations",
    }
    tab.evaluate(
        "([manifestId, options]) => { Mirador.viewer({id: 'm', windows: [{manifestId, ...options}]}); }",
        [f"{origin}/marked.json", options],
    )
    for text in ("付箋の文", "予算", "済", "ここ"):
        tab.wait_for_selector(f"text={text}", timeout=60_000)
    tab.wait_for_function(DRAWN, timeout=60_000)
