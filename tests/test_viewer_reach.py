"""The viewer in the browsers that it is for: syntax, Firefox, WebKitGTK, as old as may be, and older."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import Engine, Engines
from PIL import Image
from served import Served, until_listed
from syntax import PLAIN_TARGETS, TARGETS, fetch_checker, newer_names, newer_styles, too_new

import sidebooks_core

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

VIEWER = Path(sidebooks_core.__file__).parent / "server" / "viewer"
SCRIPTS = sorted(path.name for path in VIEWER.glob("*.js"))
STYLES = sorted(path.name for path in VIEWER.glob("*.css"))
PLAIN = ("old.js", "old_page.js")
MOST_PAGES = 22
LEAST_COLOURS = 16
BLOCKED = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('blocked', 'SecurityError'); } });"
AS_OLD_AS_MAY_BE = """
delete HTMLDialogElement.prototype.showModal;
for (const name of ['at', 'findLast', 'findLastIndex', 'toSorted', 'toReversed', 'toSpliced', 'with']) {
  delete Array.prototype[name];
  delete Object.getPrototypeOf(Int8Array).prototype[name];
}
delete String.prototype.at;
for (const name of ['structuredClone', 'requestIdleCallback', 'cancelIdleCallback', 'OffscreenCanvas', 'BroadcastChannel',
  'CompressionStream', 'DecompressionStream', 'HTMLDialogElement', 'Sanitizer', 'scheduler', 'navigation']) delete window[name];
for (const name of ['hasOwn', 'groupBy']) delete Object[name];
delete Array.fromAsync; delete Map.groupBy; delete Promise.withResolvers; delete Promise.try;
delete URL.canParse; delete URL.parse;
delete Crypto.prototype.randomUUID; delete Navigator.prototype.locks; delete AbortSignal.timeout; delete AbortSignal.any;
delete AbortSignal.prototype.throwIfAborted; delete Element.prototype.checkVisibility;
delete Element.prototype.requestFullscreen;
delete HTMLElement.prototype.inert; delete HTMLElement.prototype.showPopover; delete Document.prototype.startViewTransition;
delete ReadableStream.prototype[Symbol.asyncIterator]; delete Screen.prototype.orientation;
"""
"""What came after Safari 15.0, taken away from a newer browser before a page's scripts run."""


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


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    """A tab of nobody's."""
    context = chromium.new_context(viewport={"width": 820, "height": 1100}, locale="ja-JP")
    yield context.new_page()
    context.close()


# Syntax


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return fetch_checker(tmp_path_factory.mktemp("npm"))
    except LookupError as error:
        pytest.skip(str(error))


def inline_script(page: str) -> str:
    """What stands in the page itself."""
    return page.rpartition("<script>")[2].partition("</script>")[0]


@pytest.mark.parametrize("name", [*SCRIPTS, *STYLES, "index.html"])
def test_the_oldest_browsers_can_read_each_file(checker: Path, name: str) -> None:
    text = (VIEWER / name).read_text(encoding="utf-8")
    if name == "index.html":
        styles = "".join(re.findall(r"<style>(.*?)</style>", text, re.S))
        assert too_new(checker, styles, "css") == []
        text = inline_script(text)
    targets = PLAIN_TARGETS if name in PLAIN else TARGETS
    assert too_new(checker, text, "css" if name in STYLES else "js", targets) == []


def test_the_check_of_syntax_finds_what_is_too_new(checker: Path) -> None:
    for text in ("'a b'.split(/(?<= )/)", "class A { static { x(); } }", "if (#a in b) c()", "a = /b/v;"):
        assert too_new(checker, text, "js"), text
    assert too_new(checker, "const a = (b) => b;", "js", PLAIN_TARGETS)
    assert too_new(checker, "a { b { color: red } }", "css")
    assert too_new(checker, "class A { #b = 1; #c() { return this.#b?.d ?? 2; } }\nlet e; e ||= 1;", "js") == []


@pytest.mark.parametrize("name", [*SCRIPTS, *STYLES, "index.html"])
def test_each_file_does_without_what_the_oldest_browsers_lack(name: str) -> None:
    text = (VIEWER / name).read_text(encoding="utf-8")
    found = newer_styles(text) if name in STYLES else newer_names(text)
    if name == "index.html":
        found += newer_styles("".join(re.findall(r"<style>(.*?)</style>", text, re.S)))
    assert sorted(set(found)) == []


def test_the_check_of_names_finds_what_is_too_new() -> None:
    assert newer_names("a.at(-1)") == ["at"]
    assert newer_names("one.showModal();") == ["dialog"]
    assert newer_names("if (one.showModal) one.showModal();") == []
    assert newer_names("// a.at(-1)\n/* structuredClone(a) */ b('https://c.at(')") == ["at"]
    assert newer_styles("a { height: 100dvh }") == ["heights"]
    assert newer_styles("a { height: 100vh; height: 100dvh }") == []
    assert newer_styles("a:has(b) { color: color-mix(in srgb, red, blue) }") == ["has", "mixed colours"]


# Engines


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    name: str = request.param
    if why := Engines.missing(name):
        pytest.skip(why)
    start: Callable[[Path], Any] = getattr(Engines, name)
    with start(tmp_path_factory.mktemp(name)) as running:
        yield running


def page_is(page: int) -> str:
    return f"""document.querySelector('#canvas[data-page="{page}"][data-sharp="true"]') !== null"""


def colours(picture: bytes) -> int:
    """How many a picture has, roughly."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(64).convert("RGB")
    return len(image.getcolors(64) or [])


def test_one_reads_in_other_engines(engine: Engine, address: str) -> None:
    engine.open(address)
    engine.until("document.querySelector('#shelf a') && window.sidebooksStarted")
    engine.run("document.querySelector('#shelf a').click()")
    engine.until(page_is(1))
    assert colours(engine.screenshot()) >= LEAST_COLOURS, "a page is seen"
    engine.run("document.getElementById('stage').focus()")
    engine.press("ArrowRight")
    engine.until(page_is(2))
    engine.press("+", "+")
    engine.until("""Number(document.getElementById('canvas').dataset.zoom) > 1.5""")
    engine.press("0")
    engine.until("""Number(document.getElementById('canvas').dataset.zoom) === 1""")
    engine.until("document.querySelector('#text span')")
    engine.run("document.getElementById('find-button').click()")
    engine.until("document.querySelector('#query')")
    engine.run("const q = document.getElementById('query'); q.value = 'article'; q.form.requestSubmit();")
    engine.until("document.querySelector('#hitbar:not([hidden])')")
    engine.run("document.getElementById('contents-button').click()")
    engine.until("document.querySelectorAll('#side:not([hidden]) button').length > 5")
    engine.run("document.documentElement.toggleAttribute('data-night', true)")
    assert colours(engine.screenshot()) >= LEAST_COLOURS
    engine.run("document.getElementById('back').click()")
    engine.until("document.querySelector('#shelf:not([hidden]) a')")
    assert engine.faults() == []


@in_chromium
def test_one_reads_without_anything_newer_than_the_oldest_browsers(tab: Any, address: str) -> None:
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.add_init_script(AS_OLD_AS_MAY_BE)
    tab.goto(address)
    tab.click("#shelf a")
    tab.wait_for_selector('#canvas[data-page="1"][data-sharp="true"]')
    tab.keyboard.press("ArrowRight")
    tab.wait_for_selector('#canvas[data-page="2"][data-sharp="true"]')
    tab.wait_for_selector("#text span", state="attached")
    tab.click("#find-button")
    tab.fill("#query", "article")
    tab.press("#query", "Enter")
    tab.wait_for_selector("#hitbar:not([hidden])")
    tab.click("#back")
    tab.wait_for_selector("#shelf a")
    assert faults == []


# Browsers that are too old, and those that may keep nothing


@in_chromium
@pytest.mark.parametrize("locale", ["ja-JP", "en-GB"])
def test_a_viewer_that_cannot_start_says_so(chromium: Any, address: str, locale: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, locale=locale)
    tab = context.new_page()
    tab.route("**/viewer/main.js", lambda route: route.fulfill(body="const a = ;", content_type="text/javascript"))
    tab.goto(address)
    tab.wait_for_selector("#old h1")
    first, second = ("ja", "en") if locale == "ja-JP" else ("en", "ja")
    assert tab.evaluate("[...document.querySelectorAll('#old div')].map(one => one.lang)") == [first, second]
    assert "iOS" in tab.inner_text("#old")
    assert tab.locator("#old a").count() == 0, "no document is named"
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.unroute("**/viewer/main.js")
    tab.click("#old button >> nth=0")
    tab.wait_for_selector("#shelf a")
    assert tab.locator("#old").count() == 0
    context.close()


@in_chromium
def test_a_browser_without_modules_gets_the_original(tab: Any, address: str, sample: Path) -> None:
    document = tab.request.get(f"{address}documents").json()["documents"][0]["id"]
    tab.add_init_script("delete HTMLScriptElement.prototype.noModule")
    tab.route("**/viewer/main.js", lambda route: route.abort())
    tab.goto(f"{address}#{document}/3")
    tab.wait_for_selector("#old h1")
    assert "古い" in tab.inner_text("#old")
    assert tab.locator("#old button").count() == 0, "to try again would not help"
    link = tab.get_attribute("#old a", "href")
    assert link == f"/documents/{document}/original"
    assert tab.request.get(address.rstrip("/") + link).body() == sample.read_bytes()


@in_chromium
def test_without_scripts_both_languages_say_what_to_do(chromium: Any, address: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(address)
    told = tab.inner_text("body")
    assert "JavaScript を有効に" in told
    assert "turn it on" in told
    context.close()


@in_chromium
def test_one_reads_where_nothing_may_be_kept(tab: Any, address: str) -> None:
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.add_init_script(BLOCKED)
    tab.goto(address)
    tab.click("#shelf a")
    tab.wait_for_selector('#canvas[data-page="1"][data-sharp="true"]')
    tab.keyboard.press("ArrowRight")
    tab.wait_for_url("**/2")
    tab.click("#back")
    tab.click("#shelf a")
    tab.wait_for_url("**/2")
    tab.reload()
    tab.wait_for_selector('#canvas[data-page="2"][data-sharp="true"]')
    assert faults == []


@in_chromium
def test_what_cannot_be_kept_is_remembered_by_the_page(tab: Any, address: str) -> None:
    tab.add_init_script(BLOCKED)
    tab.goto(f"{address}healthz")
    found = tab.evaluate(
        """async () => {
            const { isKept, keys, remove, write } = await import('/viewer/keeping.js');
            const { read } = await import('/viewer/storage.js');
            const before = [isKept(), read('sidebooks a')];
            write('sidebooks a', 1);
            write('sidebooks b', 'x');
            remove('sidebooks b');
            return [...before, read('sidebooks a'), read('sidebooks b'), keys('sidebooks '), isKept()];
        }"""
    )
    assert found == [False, None, "1", None, ["sidebooks a"], False]


@in_chromium
def test_the_oldest_places_go_when_there_is_no_room(tab: Any, address: str) -> None:
    tab.goto(f"{address}healthz")
    found = tab.evaluate(
        """async () => {
            const { isKept, keys, write } = await import('/viewer/keeping.js');
            const { read } = await import('/viewer/storage.js');
            for (let n = 0; n < 60; n += 1) write(`sidebooks page ${n}`, n);
            write('sidebooks page 0', 7);
            let left = 'x'.repeat(6e6);
            while (left.length) {
              try { localStorage.setItem('other', (localStorage.getItem('other') || '') + left); }
              catch { left = left.slice(0, left.length / 2); }
            }
            write('sidebooks night', 'y'.repeat(50));
            const places = keys('sidebooks page ');
            const answer = [isKept(), localStorage.getItem('sidebooks night').length, places.length, read('sidebooks page 0'),
              read('sidebooks page 1'), read('sidebooks page 59')];
            write('sidebooks large', 'z'.repeat(6e6)); // there is no room for this
            answer.push(isKept(), read('sidebooks large').length, localStorage.getItem('sidebooks large'));
            write('sidebooks large', 'z');
            return [...answer, isKept(), localStorage.getItem('sidebooks large')];
        }"""
    )
    assert found == [True, 50, 40, "7", None, "59", False, 6_000_000, None, True, "z"]


PLACES = {
    "": {"kind": "shelf"},
    "#": {"kind": "shelf"},
    "#folder=f1": {"kind": "folder", "id": "f1"},
    "#folder=": {"kind": "unknown"},
    "#search=%E4%BA%88%E7%AE%97%20a%2Fb%26beside%3D": {"kind": "search", "query": "予算 a/b&beside="},
    "#search=": {"kind": "search"},
    "#search=100%": {"kind": "unknown"},
    "#join=t/1": {"kind": "join", "token": "t/1"},
    "#join=": {"kind": "unknown"},
    "#setup=t": {"kind": "setup", "token": "t"},
    "#paper=p1": {"kind": "paper", "id": "p1"},
    "#paper=p1/12": {"kind": "paper", "id": "p1", "page": 12},
    "#paper=": {"kind": "unknown"},
    "#d1": {"kind": "document", "id": "d1"},
    "#d1/": {"kind": "document", "id": "d1"},
    "#d1/12": {"kind": "document", "id": "d1", "page": 12},
    "#d1/1.5": {"kind": "document", "id": "d1"},
    "#d1/0": {"kind": "document", "id": "d1"},
    "#d1/-3": {"kind": "document", "id": "d1"},
    "#d1/1e3": {"kind": "document", "id": "d1"},
    "#d1/99999999999999999999": {"kind": "document", "id": "d1"},
    "#d1/1/2": {"kind": "unknown"},
    "#%E0%A4%A": {"kind": "unknown"},
    "#what=ever": {"kind": "unknown"},
    "#/12": {"kind": "unknown"},
    "#d1/2&beside=paper=p2/3": {
        "kind": "document",
        "id": "d1",
        "page": 2,
        "beside": {"kind": "paper", "id": "p2", "page": 3, "query": "", "token": "", "beside": None},
    },
    "#paper=p1/2&beside=what=ever": {"kind": "paper", "id": "p1", "page": 2},
    "#paper=p1/2&beside=%E0%A4%A": {"kind": "unknown"},
}


@in_chromium
def test_whatever_the_address_says_it_names_a_place(tab: Any, address: str) -> None:
    tab.goto(f"{address}healthz")
    found = tab.evaluate(
        "async all => { const m = await import('/viewer/place.js'); return all.map(m.parsePlace); }", list(PLACES)
    )
    empty = {"id": "", "page": None, "query": "", "token": "", "beside": None}
    assert dict(zip(PLACES, found, strict=True)) == {hash_: {**empty, **place} for hash_, place in PLACES.items()}


def test_the_page_of_the_viewer_holds_what_starts_it() -> None:
    page = (VIEWER / "index.html").read_text(encoding="utf-8")
    assert '<script src="viewer/old.js" async></script>' in page
    assert "sidebooksStarted = true" in (VIEWER / "main.js").read_text(encoding="utf-8")
