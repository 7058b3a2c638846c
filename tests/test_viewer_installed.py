"""The viewer on a home screen: its manifest and icons, what a browser keeps of it, and a start without a connection."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from served import Served, until_listed

import sidebooks_core
from sidebooks_core.server import viewer_shell

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

VIEWER = Path(sidebooks_core.__file__).parent / "server" / "viewer"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
PAGE = b"""<!doctype html><title>old</title><p id="told"></p><script type="module">
import { keepShell } from "./viewer/connection.js";
import { told } from "./viewer/told.js";
document.getElementById("told").textContent = told;
if (navigator.serviceWorker.controller) document.body.dataset.controlled = "";
keepShell();
</script>"""
KEPT = """async () => {
    await navigator.serviceWorker.ready;
    const found = [];
    for (const name of await caches.keys())
      for (const one of await (await caches.open(name)).keys()) found.push(new URL(one.url).pathname);
    return found.sort();
}"""
READY = """async () => {
    const { active } = await navigator.serviceWorker.ready;
    while (active.state !== 'activated')
      await new Promise(done => active.addEventListener('statechange', done, { once: true }));
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    """A tab of somebody who was never here."""
    context = chromium.new_context(viewport={"width": 820, "height": 1100}, locale="ja-JP")
    yield context.new_page()
    context.close()


class Site:
    """A server with the viewer's own files below /a/, beside the pages of others."""

    def __init__(self) -> None:
        self.mode = "up"
        """"up", "down" (it hangs up), "503" (a proxy answers in its place)."""
        self.asked: list[str] = []
        self.told = "first"
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                site.asked.append(path)
                if site.mode == "down":
                    self.close_connection = True
                    return
                body = site.files().get(path)
                self.send_response(503 if site.mode == "503" else 404 if body is None else 200)
                name = path.rpartition("/")[2] or "index.html"
                self.send_header("content-type", TYPES.get(Path(name).suffix, "text/html"))
                self.send_header("cache-control", "no-cache")
                for key, value in viewer_shell.headers_of(name):
                    self.send_header(key.decode(), value.decode())
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Nothing to the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def files(self) -> dict[str, bytes]:
        """By path. Scripts below `viewer/` are ours, but for the one that says which version it is."""
        names = ("sw.js", "connection.js", "elements.js", "icons.js", "words.js", "words-en.js", "icon-192.png")
        own = {name: (VIEWER / name).read_bytes() for name in names}
        shell = viewer_shell.completed({**own, "index.html": PAGE, "told.js": f"export const told = '{self.told}';".encode()})
        others = {f"/{path}": f"<title>{path}</title>".encode() for path in ("b/", "a", "a/documents", "a/viewer/else", "")}
        return {**others, **{f"/a/viewer/{name}": body for name, body in shell.items()}, "/a/": PAGE}


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.server.shutdown()
    running.server.server_close()


def start(tab: Any, site: Site) -> None:
    """Come twice: from the second time on, the browser keeps the viewer."""
    tab.goto(f"{site.address}/a/")
    tab.evaluate(READY)
    tab.goto(f"{site.address}/a/")
    tab.wait_for_selector("[data-controlled]")


def test_a_browser_keeps_the_viewer_and_nothing_else(tab: Any, site: Site) -> None:
    start(tab, site)
    tab.evaluate("async () => { await (await fetch('documents')).text(); await (await fetch('../b/')).text(); }")
    assert tab.evaluate(KEPT) == [
        "/a/",
        *(f"/a/viewer/{name}" for name in ("connection.js", "elements.js", "icons.js", "told.js", "words-en.js", "words.js")),
    ]
    assert site.asked.count("/a/documents") == 1


@pytest.mark.parametrize("mode", ["down", "503"])
def test_without_a_server_the_viewer_starts_and_what_is_not_its_own_does_not(tab: Any, site: Site, mode: str) -> None:
    start(tab, site)
    site.mode = mode
    tab.goto(f"{site.address}/a/")
    tab.wait_for_selector("#told:not(:empty)")
    for path in ("/a/documents", "/b/", "/", "/a/viewer/else", "/a/viewer/icon-192.png"):
        try:
            answer = tab.goto(site.address + path)
        except sync_api.Error:
            continue
        assert answer.status == 503, path


def test_the_next_start_has_the_newest_viewer(tab: Any, site: Site) -> None:
    start(tab, site)
    tab.evaluate("async () => { await caches.open('of another application'); await caches.open('sidebooks shell /b/ 1'); }")
    before = set(tab.evaluate("caches.keys()"))
    assert tab.inner_text("#told") == "first"
    site.told = "second"
    tab.goto(f"{site.address}/a/")
    tab.wait_for_selector("#told:not(:empty)")
    assert tab.inner_text("#told") == "second"
    deadline_s = time.monotonic() + 20
    while own(before) in (names := set(tab.evaluate("caches.keys()"))):
        assert time.monotonic() < deadline_s, "the old one is still kept"
        time.sleep(0.05)
    assert names == {own(names), "of another application", "sidebooks shell /b/ 1"}
    site.mode = "down"
    tab.goto(f"{site.address}/a/")
    tab.wait_for_selector("#told:not(:empty)")
    assert tab.inner_text("#told") == "second"


def own(names: set[str]) -> str:
    found = [name for name in names if name.startswith("sidebooks shell /a/ ")]
    assert len(found) == 1
    return found[0]


def test_a_viewer_in_the_page_of_others_keeps_nothing(tab: Any, site: Site) -> None:
    tab.goto(f"{site.address}/b/")
    tab.evaluate("() => { const f = document.createElement('iframe'); f.src = '/a/'; document.body.append(f); }")
    tab.frame_locator("iframe").locator("#told:not(:empty)").wait_for()
    assert tab.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0


def test_any_change_of_a_file_is_another_viewer() -> None:
    files = {"a.js": b"1", "b.css": b"2", "icon-192.png": b"3", "index.html": b"4", "sw.js": b"5", "old.js": b"6"}
    first = viewer_shell.completed(files)["sw.js"]
    head, _, rest = first.partition(b";\n")
    assert rest == b"5"
    assert json.loads(head.removeprefix(b"const SHELL = "))["files"] == ["a.js", "b.css"]
    for name in files:
        assert viewer_shell.completed({**files, name: b"x"})["sw.js"].partition(b";\n")[0] != head, name


def test_it_can_be_put_on_the_home_screen(tab: Any, sample: Path, tmp_path: Path) -> None:
    with Served(sample, cache=tmp_path) as server:
        tab.goto(server.address)
        tab.wait_for_selector("#shelf a")
        devtools = tab.context.new_cdp_session(tab)
        found = devtools.send("Page.getAppManifest")
        assert found["errors"] == []
        assert found["url"] == f"{server.address}viewer/manifest.webmanifest"
        assert found["manifest"]["startUrl"] == server.address
        assert found["manifest"]["scope"] == server.address
        found_errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert [one["errorId"] for one in found_errors] == ["in-incognito"], "nothing but how tests are run"
        for icon in json.loads(found["data"])["icons"]:
            answer = tab.request.get(f"{server.address}viewer/{icon['src']}")
            assert answer.headers["content-type"] == icon["type"]
            if icon["type"] == "image/png":
                width, height = Image.open(io.BytesIO(answer.body())).size
                assert f"{width}x{height}" == icon["sizes"]
        touch = tab.get_attribute('link[rel="apple-touch-icon"]', "href")
        assert Image.open(io.BytesIO(tab.request.get(server.address + touch).body())).size == (180, 180)


def test_a_start_without_a_connection_says_so_and_goes_on_by_itself(tab: Any, sample: Path, tmp_path: Path) -> None:
    with Served(sample, cache=tmp_path) as server:
        until_listed(server.address)
        tab.goto(server.address)
        tab.click("#shelf a")
        tab.wait_for_selector('#canvas[data-page="1"][data-sharp="true"]')
        paths = tab.evaluate(KEPT)
        assert {"/", "/viewer/main.js", "/viewer/words-ja.js", "/viewer/shelf.css"} <= set(paths)
        assert all(path == "/" or path.startswith("/viewer/") for path in paths), "no document, and nothing of anybody"
        place, port = tab.url, server.port
    # What may be shown again without asking is shown; here nothing of that is left.
    tab.context.new_cdp_session(tab).send("Network.clearBrowserCache")
    for address in (server.address, place):
        tab.goto("about:blank")
        tab.goto(address)
        tab.wait_for_selector("#shelf .plain h1")
        assert tab.inner_text("#shelf h1") == "サーバーに接続できません"
        assert tab.inner_text("#shelf .plain button") == "もう一度"
        assert "fetch" not in tab.inner_text("body").lower()
    tab.click("#shelf .plain button")
    assert tab.inner_text("#shelf h1") == "サーバーに接続できません"
    with Served(sample, "--port", str(port), cache=tmp_path):
        tab.wait_for_selector('#canvas[data-page="1"][data-sharp="true"]')


def test_an_address_that_names_nothing_leads_to_the_shelf(tab: Any, sample: Path, tmp_path: Path) -> None:
    with Served(sample, cache=tmp_path) as server:
        until_listed(server.address)
        tab.goto(f"{server.address}#%E0%A4%A")
        tab.wait_for_selector("#shelf .plain h1")
        assert tab.inner_text("#shelf h1") == "このアドレスには何もありません"
        tab.click("#shelf .plain button")
        tab.wait_for_selector("#shelf a")
