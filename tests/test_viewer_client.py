"""The viewer's client without a screen: what it asks for, keeps, tries again and gives up; its types, package and weight."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from served import Served, until_listed

from sidebooks_core.server.viewer.npm import pack
from sidebooks_core.server.viewer_files import VIEWER, minified, viewer_files
from sidebooks_core.tiling.spreads import SpreadRule, Spreads

NODE, NPM = shutil.which("node"), shutil.which("npm")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(NODE is None or NPM is None, reason="needs node and npm")

ACORN = "acorn-8.14.0"
FIRST_PAGE_BYTES = 20_000
"""Compressed: what the first page needs of the viewer."""
PAGES = 1400


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's modules, in a folder that says that they are modules."""
    folder = tmp_path_factory.mktemp("package")
    pack.assemble(folder)
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is published."""
    return pack.pack(tmp_path_factory.mktemp("packed"))


def script(*names: str) -> str:
    """Scripts of the folder `viewer_client`, one after the other."""
    return "\n".join((Path(__file__).parent / "viewer_client" / f"{name}.mjs").read_text("utf-8") for name in names)


def run(folder: Path, code: str, given: object = None) -> Any:
    """What a module prints that runs in a folder. given: its `given`."""
    assert NODE is not None
    file = folder / "script.mjs"
    file.write_text(f"const given = {json.dumps(given)};\n{code}", "utf-8")
    done = subprocess.run([NODE, file], cwd=folder, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_pages_are_paired_as_the_readers_of_the_server_pair_them(package: Path) -> None:
    sizes = [(595.0, 842.0), (842.0, 595.0), (842.0, 1191.0), (612.0, 792.0), (500.0, 500.0), (595.0, 1000.0)]
    chance = random.Random(20)
    cases = []
    for count, _ in product((1, 2, 3, 4, 7, 30), range(8)):
        pages = [chance.choice(sizes) for _ in range(count)]
        for direction, together, cover_alone in product(("ltr", "rtl"), (True, False), (True, False)):
            rule = SpreadRule(pairs=together, cover_alone=cover_alone)
            paired = Spreads.of_pages(pages, direction, rule)  # type: ignore[arg-type]
            turns = [[paired.turned(page, by) for by in (-2, -1, 1, 2)] for page in range(count)]
            expected = {
                "spreads": [[page + 1 for page in paired.spread_of(page)] for page in range(count)],
                "turned": [[None if one is None else min(one) + 1 for one in line] for line in turns],
            }
            cases.append({"rule": [direction, together, cover_alone], "pages": pages, "expected": expected})
    run(package, script("spreads"), cases)


def test_previews_of_any_page_come_within_a_budget_and_nothing_is_asked_for_twice(package: Path) -> None:
    run(package, script("fake_server", "previews"))


def test_the_preview_of_a_page_that_somebody_jumps_to_does_not_delay_it(package: Path) -> None:
    run(package, script("fake_server", "jump"))


def test_an_outage_is_bridged_or_told_and_what_failed_can_be_asked_for_again(package: Path) -> None:
    run(package, script("fake_server", "outage"))


def test_what_is_given_up_is_no_failure(package: Path) -> None:
    run(package, script("fake_server", "given_up"))


def test_a_search_goes_by_steps_and_can_be_stopped(package: Path) -> None:
    run(package, script("fake_server", "search"))


def test_events_come_again_after_an_outage_and_none_to_a_page_that_nobody_sees(package: Path) -> None:
    run(package, script("fake_server", "events"))


def test_a_meeting_survives_what_networks_and_tablets_do(package: Path) -> None:
    run(package, script("meeting"))


def test_the_types_of_the_viewer_hold() -> None:
    told = subprocess.run(
        pack.tsc("-p", os.fspath(VIEWER / "npm" / "tsconfig.json")), stdout=subprocess.PIPE, text=True, timeout=300
    )
    assert told.returncode == 0, told.stdout


def test_the_package_reads_from_a_server_where_there_is_no_screen(archive: Path, sample: Path, tmp_path: Path) -> None:
    assert NPM is not None
    with tarfile.open(archive) as packed:
        names = {name.removeprefix("package/") for name in packed.getnames()}
    assert names >= {"client.js", "client.d.ts", "layout.js", "layout.d.ts", "README.md", "LICENSE", "package.json"}
    assert not {name for name in names if name.endswith(".js")} - set(pack.modules())
    home = tmp_path / "home"
    home.mkdir()
    (home / "package.json").write_text('{"type": "module", "private": true}')
    install = [NPM, "install", "--silent", "--no-audit", "--no-fund", "--offline", archive]
    subprocess.run(install, cwd=home, check=True, timeout=300, stdout=subprocess.DEVNULL)
    (tmp_path / "served").mkdir()
    shutil.copy(sample, tmp_path / "served" / "sample.pdf")
    with Served(tmp_path / "served", cache=tmp_path / "cache") as served:
        until_listed(served.address)
        found = run(
            home,
            script("package"),
            served.address.rstrip("/"),
        )
    assert found["pages"] == found["steps"][-1] > 1
    assert found["type"].startswith("image/")
    assert found["bytes"] > 100
    assert found["hits"] >= 1 == found["first"]
    assert found["seen"]
    assert found["bundle"] == [True, True]
    assert (found["gave_up"], found["failure"]) == ("AbortError", None)


def test_scripts_mean_the_same_without_their_comments(tmp_path: Path) -> None:
    assert NPM is not None
    subprocess.run([NPM, "pack", "--silent", ACORN.replace("acorn-", "acorn@")], cwd=tmp_path, check=True, timeout=240)
    with tarfile.open(tmp_path / f"{ACORN}.tgz") as archive:
        parser = archive.extractfile("package/dist/acorn.mjs")
        assert parser is not None
        (tmp_path / "acorn.mjs").write_bytes(parser.read())
    pairs = {path.name: (path.read_text("utf-8"), minified(path.read_text("utf-8"))) for path in VIEWER.glob("*.js")}
    pages = ((VIEWER / "index.html").read_text("utf-8"), viewer_files()["index.html"].decode())
    written, served = ([*re.findall(r"<script>(.*?)</script>", page, re.DOTALL)] for page in pages)
    pairs |= {f"index.html {at}": both for at, both in enumerate(zip(written, served, strict=True))}
    assert len(pairs) > 20
    run(tmp_path, script("same_meaning"), pairs)
    assert sum(len(served) for _, served in pairs.values()) < 0.8 * sum(len(written) for written, _ in pairs.values())


def test_the_style_of_the_page_means_the_same_without_blanks() -> None:
    written, served = (
        re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[0]
        for page in ((VIEWER / "index.html").read_text("utf-8"), viewer_files()["index.html"].decode())
    )
    tokens = [[one.strip() for one in re.split(r"([{};,:])", style) if one.strip()] for style in (written, served)]
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) > 300
    assert [style.count(" :") for style in (written, served)] == [2, 2], "a blank before a colon stands between selectors"
    assert len(served) < 0.95 * len(written)


@pytest.fixture
def long_book(tmp_path: Path) -> Iterator[Served]:
    """A document of 1,400 light pages, served."""
    (tmp_path / "served").mkdir()
    with pymupdf.open() as document:
        for _ in range(PAGES):
            document.new_page(width=300, height=400)
        document.save(tmp_path / "served" / "long.pdf")
    with Served(tmp_path / "served", cache=tmp_path / "cache") as served:
        until_listed(served.address)
        yield served


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_strip_is_full_wherever_one_reads_on_or_jumps_to(long_book: Served) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 820, "height": 1100})
        tab.goto(long_book.address)
        tab.wait_for_selector("#shelf a")
        tab.evaluate(
            """async () => {
                const { Book } = await import("./viewer/book.js");
                const { fetchPreviews } = Book.prototype;
                Book.prototype.fetchPreviews = function (...given) {
                    window.book = this;
                    return fetchPreviews.apply(this, given);
                };
            }"""
        )
        tab.click("#shelf a")
        tab.wait_for_selector('#canvas[data-page="1"][data-sharp="true"]')
        move = (
            "page => { const at = document.getElementById('position'); at.value = page; at.dispatchEvent(new Event('input')); }"
        )

        def strip_of(page: int, cells: int | None = None) -> int:
            tab.wait_for_selector(f'#canvas[data-page="{page}"][data-sharp="true"]')
            if cells is None:  # all that the strip asks for
                tab.wait_for_function("() => window.book")
                tab.evaluate("page => book.fetchPreviews(page)", page)
                tab.evaluate("page => book.onupdate(page + 1)", page)
                tab.wait_for_timeout(100)
                cells = int(tab.get_attribute("#strip", "data-painted"))
                assert cells > 4
            tab.wait_for_function("cells => Number(document.getElementById('strip').dataset.painted) === cells", arg=cells)
            assert tab.evaluate("() => book.previewBytes.held <= book.previewBytes.most")
            return cells

        tab.evaluate(move, 100)
        cells = strip_of(100)
        for _ in range(401):
            tab.keyboard.press("ArrowRight")
        strip_of(501, cells)
        tab.evaluate(move, 1300)
        strip_of(1300, cells)
        browser.close()


def fetched(address: str) -> tuple[bytes, int]:
    """A text that a server sends compressed, and the bytes that it sends."""
    request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        sent: bytes = answer.read()
        is_compressed = answer.headers["Content-Encoding"] == "gzip"
        assert is_compressed or len(sent) <= 1024
        return gzip.decompress(sent) if is_compressed else sent, len(sent)


def test_what_the_first_page_needs_is_light(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    shutil.copy(sample, tmp_path / "served" / "sample.pdf")
    with Served(tmp_path / "served", cache=tmp_path / "cache") as served:
        weights: dict[str, int] = {}
        page, weights["index.html"] = fetched(served.address)
        asked = re.findall(r'<(?:link|script)[^>]*(?:href|src)="viewer/([a-z_-]+\.(?:js|css))"', page.decode())
        assert "main.js" in asked
        while asked:
            name = asked.pop()
            if name not in weights:
                text, weights[name] = fetched(f"{served.address}viewer/{name}")
                if name.endswith(".js"):
                    asked += re.findall(r'(?:^|[;}\n])(?:import|export)[^;()]*?"\./([a-z_-]+\.js)"', text.decode())
    assert "client.js" in weights
    assert "book.js" in weights
    assert sum(weights.values()) <= FIRST_PAGE_BYTES, weights
