"""The text over the pages in a real browser: copied as it is written, read in order, its links, turned pages; and printing."""

from __future__ import annotations

import io
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest
from PIL import Image
from served import until_listed
from viewer_screen import CHROMIUM, get, shown

from sidebooks_core import Settings, TileService

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

CELLS = (("款", "項", "金額"), ("総務費", "総務管理費", "1,234"), ("民生費", "社会福祉費", "56,789"))
COLUMNS = ("縦書きの一列目です。", "縦書きの二列目です。")
LEFT = ("The budget of the year", "is told in two columns")
RIGHT = ("and goes on here with", "what is left of it")
WORDS = 3000


def _minutes(path: Path) -> None:
    """A table, a heading set apart, columns of vertical text; then columns across, links, and a page of very many words."""
    with pymupdf.open() as made:
        page = made.new_page(width=595, height=842)
        page.insert_text((290, 810), "- 2 -", fontsize=9)  # drawn first, as many programs do
        for x, char in zip((200, 240, 280), "予算額", strict=True):
            page.insert_text((x, 120), char, fontname="japan", fontsize=16)
        for row, cells in enumerate(CELLS):
            for x, cell in zip((60, 200, 400), cells, strict=True):
                page.insert_text((x, 200 + 24 * row), cell, fontname="japan", fontsize=12)
        for x, text in zip((520, 500), COLUMNS, strict=True):
            for place, char in enumerate(text):
                page.insert_text((x, 400 + 13 * place), char, fontname="japan", fontsize=12)
        page = made.new_page(width=595, height=842)
        for x, lines in ((60, LEFT), (320, RIGHT)):
            page.insert_textbox((x, 60, x + 220, 200), "\n".join(lines), fontsize=12)
        for row, title in enumerate(("First chapter", "Second chapter", "Third chapter")):
            page.insert_text((60, 300 + 18 * row), title, fontsize=12)
            box = pymupdf.Rect(58, 289 + 18 * row, 160, 303 + 18 * row)
            page.insert_link({"kind": pymupdf.LINK_GOTO, "from": box, "page": 0})
        page.insert_link({"kind": pymupdf.LINK_URI, "from": pymupdf.Rect(400, 700, 420, 710), "uri": "https://example.org/x"})
        page = made.new_page(width=595, height=842)
        for row in range(WORDS // 15):
            text = " ".join(f"word{15 * row + place}" for place in range(15))
            page.insert_text((20, 30 + 3.9 * row), text, fontsize=7)
        page = made.new_page(width=842, height=595)
        page.draw_rect(page.rect, fill=(0.6, 0.8, 1))
        made.save(path)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    _minutes(folder / "minutes.pdf")
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(folder), "--port", "0", "--no-browser"]
    cache_dir = tmp_path_factory.mktemp("cache")
    with subprocess.Popen([*command, "--cache-dir", str(cache_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+/", process.stdout.readline())
        assert found is not None
        until_listed(found[0], 1)
        yield found[0]
        process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The reader, open at the first page, with a layer of its own to fill: see `fill`. On a screen to touch, but where printing
    is tested: tablets tell of its end too early.
    """
    clipboard = ["clipboard-read", "clipboard-write"]
    has_touch = "print" not in request.node.name
    context = browser.new_context(viewport={"width": 900, "height": 1100}, has_touch=has_touch, permissions=clipboard)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    document = re.search(r'"id": ?"(\w+)"', get(f"{address}documents").decode())
    assert document is not None
    tab.goto(f"{address}#{document[1]}/1")
    shown(tab, 1)
    tab.wait_for_selector("#text .line", state="attached")
    tab.evaluate(FILL)
    yield tab
    context.close()
    assert not problems


FILL = """() => { window.fill = async (page, { quarters = 0, scale = 1, language = "", contents } = {}) => {
    const { fillText } = await import("./viewer/text.js");
    const book = window.sidebooks.book || window.sidebooks.state?.book;
    let host = document.getElementById("over");
    if (!host) {
        document.getElementById("text").id = "before";
        host = Object.assign(document.createElement("div"), { id: "over" });
        host.style.cssText = "position:fixed;inset:0;background:#fff;z-index:9";
        host.append(Object.assign(document.createElement("div"), { id: "text" }));
        document.body.append(host);
    }
    const layer = document.getElementById("text");
    const { width_pt, height_pt } = book.pages[page - 1];
    const [width, height] = quarters % 2 ? [height_pt * scale, width_pt * scale] : [width_pt * scale, height_pt * scale];
    window.followed = [];
    window.content = contents || await book.text(page);
    return fillText(layer, [{ page, x: 20, y: 10, width, height, scale }], [window.content], {
        ratio: 1, quartersOf: () => quarters, language,
        label: (number) => `Page ${number}`, follow: (number) => window.followed.push(number) });
}; }"""


def fill(tab: Any, page: int, **asked: Any) -> None:
    assert tab.evaluate("([page, asked]) => window.fill(page, asked)", [page, asked])


def copied(tab: Any) -> list[str]:
    """The lines in the clipboard after all of the text was selected and copied."""
    tab.evaluate("getSelection().selectAllChildren(document.getElementById('text'))")
    tab.evaluate("document.execCommand('copy')")
    text: str = tab.evaluate("navigator.clipboard.readText()")
    assert tab.evaluate("String(getSelection())") == text
    return text.splitlines()


def boxes(tab: Any) -> dict[str, dict[str, float]]:
    """Where the selection of each line is painted."""
    found: dict[str, dict[str, float]] = tab.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("#text .line")].map((line) => {
            const range = document.createRange();
            range.selectNodeContents(line);
            // Across, the box of a line is what is selected; along, its letters are, which may need more or less than the line.
            const [whole, letters] = [line.getBoundingClientRect(), range.getBoundingClientRect()];
            const isFlat = letters.width > letters.height;
            const [x, width] = isFlat ? [letters.x, letters.width] : [whole.x, whole.width];
            const [y, height] = isFlat ? [whole.y, whole.height] : [letters.y, letters.height];
            return [line.textContent, { x, y, width, height }]; }))"""
    )
    return found


# Copying


def test_a_table_and_columns_of_vertical_text_are_copied_line_by_line(tab: Any) -> None:
    fill(tab, 1)
    lines = copied(tab)
    assert "予　算　額" in lines, "a heading that is set apart is one line"
    for cells in CELLS:
        assert "\t".join(cells) in lines
    for column in COLUMNS:
        assert column in lines
    assert lines[-1] == "- 2 -", "the foot of the page is read last"


def test_words_are_copied_with_their_spaces_and_columns_in_their_order(tab: Any) -> None:
    fill(tab, 2)
    assert copied(tab)[:4] == [*LEFT, *RIGHT]


def test_a_part_of_a_line_is_copied_with_its_spaces(tab: Any) -> None:
    fill(tab, 2)
    tab.evaluate(
        """() => { const [one, , , two] = document.querySelectorAll("#text .line span");
        getSelection().setBaseAndExtent(one.firstChild, 1, two.firstChild, 2); }"""
    )
    assert tab.evaluate("String(getSelection())") == "he budget of th"


def test_what_stands_between_words_follows_from_the_gap(tab: Any) -> None:
    found = tab.evaluate(
        """async () => { const { between } = await import("./viewer/text_lines.js");
        return [["令", "和", 0.4], ["予", "算", 2], ["総務費", "管理費", 0.1], ["総務費", "管理費", 1], ["総務費", "管理費", 3],
            ["the", "budget", 0.3], ["the", "budget", 3], ["令和", "8", 0.3], ["1", "2", 1.2, true], ["שלום", "abc", 0],
            ["𠮷野", "家", 0.2]].map((one) => between(...one)); }"""
    )
    assert found == ["", "　", "", "　", "\t", " ", "\t", " ", "\t", "", ""]


def test_right_to_left_words_stand_where_they_are_drawn(tab: Any) -> None:
    words = [[300, 50, 340, 62, "שלום", 0, 0], [250, 50, 295, 62, "עולם", 0, 0]]
    fill(tab, 1, contents={"words": words, "links": []})
    assert copied(tab) == ["שלום עולם"]
    spans = tab.locator("#text .line span")
    for index, word in enumerate(words):
        assert spans.nth(index).bounding_box()["x"] == pytest.approx(word[0] + 20, abs=2)


# Where the text lies


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("scale", [1, 0.6])
def test_the_text_lies_on_the_page_however_it_is_turned(tab: Any, quarters: int, scale: float) -> None:
    fill(tab, 1, quarters=quarters, scale=scale)
    width, height = 595 * scale, 842 * scale
    page = tab.locator("#text .page").bounding_box()
    across, down = (height, width) if quarters % 2 else (width, height)
    assert (page["x"], page["y"]) == pytest.approx((20, 10), abs=0.5)
    assert (page["width"], page["height"]) == pytest.approx((across, down), abs=0.5)
    found = boxes(tab)
    for x0, y0, x1, y1, text, *_ in tab.evaluate("window.content.words"):
        if text not in COLUMNS and text != "額":
            continue
        corners = [(x0 * scale, y0 * scale), (x1 * scale, y1 * scale)]
        for _ in range(quarters):
            corners = [(height - y, x) for x, y in corners]
            width, height = height, width
        (left, right), (top, bottom) = (sorted(one) for one in zip(*corners, strict=True))
        if quarters % 2:
            width, height = height, width
        box = next(box for line, box in found.items() if text in line)
        if text in COLUMNS:
            assert (box["x"] - 20, box["y"] - 10) == pytest.approx((left, top), abs=2)
            assert (box["width"], box["height"]) == pytest.approx((right - left, bottom - top), abs=2)
        elif quarters == 0:
            assert box["x"] + box["width"] - 20 == pytest.approx(right, abs=2), "rounding does not add up along a line"


@pytest.mark.parametrize("language", ["en", "ja"])
def test_words_of_a_line_lie_on_their_boxes(tab: Any, language: str) -> None:
    """Whatever font the browser takes for a language."""
    fill(tab, 3, language=language)
    words = tab.evaluate("window.content.words.map(([x0, , x1]) => [x0, x1])")
    spans = tab.evaluate(
        """() => [...document.querySelectorAll("#text .line span")].map((one) => one.getBoundingClientRect())
        .map(({ left, right }) => [left - 20, right - 20])"""
    )
    assert len(words) == len(spans) == WORDS
    starts = np.array(spans)[:, 0] - np.array(words)[:, 0]
    assert np.abs(starts).max() < 1


def test_a_page_of_many_words_is_filled_by_the_handful(tab: Any) -> None:
    """No step lays out more than a slow tablet does within a frame, and a page that is left is not filled on."""
    tab.evaluate(
        """() => { window.added = [];
        new MutationObserver((told) => {
            const words = told.flatMap((one) => [...one.addedNodes]).map((one) => one.textContent.split(" ").length);
            if (told.length) window.added.push(words.reduce((sum, one) => sum + one, 0)); })
        .observe(document.body, { childList: true, subtree: true }); }"""
    )
    fill(tab, 3)
    added = tab.evaluate("window.added")
    assert sum(added) >= WORDS
    assert max(added) <= 100
    fill(tab, 2)
    both = tab.evaluate("async () => { const one = window.fill(3), other = window.fill(2); return [await one, await other]; }")
    assert both == [False, True]
    assert copied(tab)[0] == LEFT[0]
    assert tab.locator("#text .page").count() == 1


def test_the_same_page_in_another_size_is_moved_and_not_made_again(tab: Any) -> None:
    fill(tab, 2)
    tab.evaluate("document.querySelector('#text .line').dataset.kept = '1'")
    fill(tab, 2, scale=0.5)
    assert tab.locator("#text .line[data-kept]").count() == 1
    assert tab.locator("#text .page").bounding_box()["width"] == pytest.approx(595 / 2, abs=0.5)
    assert tab.locator("#text a").count() == 4


# Read aloud


def test_a_page_is_a_group_with_a_name_and_a_language(tab: Any) -> None:
    for page, asked, language in ((1, {}, "ja"), (2, {}, None), (2, {"language": "en"}, "en")):
        fill(tab, page, **asked)
        host = tab.locator("#text .page")
        assert (host.get_attribute("role"), host.get_attribute("aria-label")) == ("group", f"Page {page}")
        assert host.get_attribute("lang") == language


def test_a_column_of_vertical_text_is_read_as_one_text(tab: Any) -> None:
    fill(tab, 1)
    told = tab.locator("#over").aria_snapshot()
    for column in COLUMNS:
        assert column in told
    assert told.index(COLUMNS[0]) < told.index(COLUMNS[1])
    assert "令 和" not in told


def test_the_system_s_colours_do_not_show_the_text_over_the_picture(browser: Any, tab: Any) -> None:
    fill(tab, 2)
    tab.emulate_media(forced_colors="active")
    assert tab.evaluate("getComputedStyle(document.querySelector('#text .line')).color") == "rgba(0, 0, 0, 0)"


# Links


def test_links_are_named_by_their_text_and_lead_on(tab: Any) -> None:
    fill(tab, 2)
    links = tab.locator("#text a")
    names = [links.nth(index).get_attribute("aria-label") for index in range(links.count())]
    assert names == ["First chapter", "Second chapter", "Third chapter", "https://example.org/x"]
    assert re.search(r"^#\w+/1$", links.nth(0).get_attribute("href"))
    tab.get_by_role("link", name="Second chapter").click()
    assert tab.evaluate("window.followed") == [1]
    told = tab.locator("#over").aria_snapshot()
    assert told.count("Second chapter") == 1, "a line that is a link is not read twice"
    assert (links.nth(3).get_attribute("target"), links.nth(3).get_attribute("rel")) == ("_blank", "noopener noreferrer")


@pytest.mark.parametrize("scale", [1, 0.5])
def test_links_are_large_enough_for_a_finger_and_take_nothing_from_one_another(tab: Any, scale: float) -> None:
    fill(tab, 2, scale=scale)
    links = tab.locator("#text a")
    found = [links.nth(index).bounding_box() for index in range(4)]
    alone = found[3]
    assert (alone["width"], alone["height"]) == pytest.approx((44, 44), abs=0.5)
    for above, below in itertools.pairwise(found[:3]):
        assert above["y"] + above["height"] <= below["y"] + 0.1
        assert above["y"] + above["height"] == pytest.approx(below["y"], abs=0.2), "what is between them is shared"
    assert found[0]["height"] >= 44 - 0.5, "there is room above the first"
    assert found[0]["y"] >= 10


def test_grown_boxes_never_meet(tab: Any) -> None:
    met = tab.evaluate(
        """async () => { const { grownBoxes } = await import("./viewer/text_lines.js");
        let seed = 7; const chance = (most) => (seed = (seed * 16807) % 2147483647) % most;
        for (let round = 0; round < 50; round += 1) {
            const boxes = [];
            while (boxes.length < 12) {
                const [x, y] = [chance(280), chance(280)];
                const one = [x, y, x + 5 + chance(30), y + 5 + chance(12)];
                if (!boxes.some((b) => b[0] < one[2] && one[0] < b[2] && b[1] < one[3] && one[1] < b[3])) boxes.push(one);
            }
            const grown = grownBoxes(boxes, 44, 300, 300);
            for (const [i, a] of grown.entries()) {
                const [left, top, right, bottom] = boxes[i];
                if (a[0] > left || a[1] > top || a[2] < right || a[3] < bottom) return ["shrunk", a, boxes[i]];
                for (const b of grown.slice(i + 1)) {
                    const isIn = (one, other) => one[0] < other[2] - 1e-6 && one[1] < other[3] - 1e-6;
                    if (isIn(a, b) && isIn(b, a)) return [a, b];
                }
            }
        }
        return null; }"""
    )
    assert met is None


# Boxes of vertical text, from the core


@pytest.mark.parametrize("name", ["vertical.pdf", "issue6387.pdf", "test-jlreq.pdf", "issue11555.pdf"])
def test_the_ink_of_vertical_text_is_under_its_boxes(corpus: Path, name: str) -> None:
    """More of it than if the boxes were half a character higher or lower."""
    with TileService(Settings(cache_dir=None, workers=1)) as service:
        document = service.open(corpus / "japanese" / name)
        image = service.page_image(document, 0, fit_px=(1600, 1600))
        dark = np.asarray(Image.open(io.BytesIO(image.data)).convert("L")) < 128
        scale = dark.shape[1] / document.pages[0].width_pt
        words = [word for word in service.text(document, 0) if word.y1_pt - word.y0_pt > 1.5 * (word.x1_pt - word.x0_pt)]
    assert words

    def missed(shift: float) -> int:
        """Dark pixels of the columns' strips that no box covers, of those that the boxes of all shifts may cover."""
        held = 0
        for word in words:
            down = shift * (word.x1_pt - word.x0_pt)
            sides = (word.y0_pt + down, word.y1_pt + down, word.x0_pt, word.x1_pt)
            top, bottom, left, right = (max(0, round(side * scale)) for side in sides)
            held += int(dark[top:bottom, left:right].sum())
        return int(dark.sum()) - held

    assert missed(0) < missed(0.5)
    assert missed(0) < missed(-1)


# Printing


def printed(tab: Any) -> pymupdf.Document:
    tab.emulate_media(media="print")
    content = tab.pdf(prefer_css_page_size=True, format="A4", print_background=True)
    tab.emulate_media(media="screen")
    return pymupdf.open(stream=content)


PRINT = """async (options) => { window.print = () => { window.asked = (window.asked || 0) + 1; };
    const { printPages } = await import("./viewer/print.js");
    const told = [];
    const found = await printPages(window.sidebooks.book, { ...options, onprogress: (done, all) => told.push([done, all]) });
    return [found, told]; }"""


def test_pages_are_printed_at_the_resolution_of_paper_and_without_the_screen(tab: Any) -> None:
    found, told = tab.evaluate(PRINT, {"first": 3, "last": 4})
    assert found == {"printed": [3, 4], "missing": []}
    assert told == [[0, 2], [1, 2], [2, 2]]
    assert tab.evaluate("window.asked") == 1
    with printed(tab) as made:
        assert [round(page.rect.width) > round(page.rect.height) for page in made] == [False, True]
        for page in made:
            assert page.get_text().strip() == ""
            [image] = page.get_image_info()
            assert max(image["width"], image["height"]) >= 1750
            covered = pymupdf.Rect(image["bbox"]).get_area() / page.rect.get_area()
            assert covered > 0.98
    assert tab.locator("#print").count() == 0, "nothing is left behind"


def test_printing_can_be_given_up_and_is_refused_where_it_is_not_allowed(tab: Any) -> None:
    name = """async (does) => { const { printPages } = await import("./viewer/print.js"); const { book } = window.sidebooks;
        const control = new AbortController(); if (does === "abort") control.abort(); else book.may_print = false;
        try { await printPages(book, { signal: control.signal }); return null; } catch (error) { return error.name; }
        finally { book.may_print = true; } }"""
    assert tab.evaluate(name, "abort") == "AbortError"
    assert tab.evaluate(name, "refuse") == "NotAllowedError"
    assert tab.locator("#print").count() == 0


def test_the_menu_prints_and_tells_of_no_missing_page_when_none_is(tab: Any) -> None:
    tab.evaluate("window.print = () => { window.asked = true; }")
    tab.click("#more-button")
    for name in ("Print", "This page"):
        tab.get_by_role("button", name=name, exact=True).click()
    tab.wait_for_function("() => window.asked && !document.querySelector('#side p[role=status]').textContent", timeout=10_000)


def test_pages_that_are_withheld_are_not_asked_for(tab: Any) -> None:
    found = tab.evaluate(
        """async () => { const { pagesToPrint, printedSize } = await import("./viewer/print.js");
        const { pages } = window.sidebooks.book;
        const small = { width_pt: 595, height_pt: 842, width_px: 300, height_px: 425 };
        return [pagesToPrint([{}, { is_withheld: true }, {}], 1, 9), printedSize(pages[0]), printedSize(small),
            printedSize({ width_pt: 842, height_pt: 1191, width_px: 9000, height_px: 12000 })]; }"""
    )
    assert found == [[1, 3], [1240, 1755], [301, 425], [1697, 2400]]


def test_the_browser_s_own_print_has_the_page_whole_and_no_bars(tab: Any) -> None:
    tab.evaluate(
        """async () => { const { watchPrinting } = await import("./viewer/print.js");
        watchPrinting(() => [Object.assign(document.createElement("canvas"), { width: 600, height: 849 })]);
        await new Promise((done) => { setTimeout(done, 300); }); }"""
    )
    with printed(tab) as made:
        assert made.page_count == 1
        assert made[0].get_text().strip() == ""
    assert tab.locator("#print").count() == 0


def test_the_original_can_be_had_where_access_allows(tab: Any) -> None:
    ask = """async () => { const { originalAddress, mayDownload } = await import("./viewer/print.js");
        return [await originalAddress(window.sidebooks.book), await mayDownload(window.sidebooks.book)]; }"""
    found, may = tab.evaluate(ask)
    assert re.fullmatch(r"/documents/\w+/original", found)
    assert may is True
    tab.evaluate("() => { window.sidebooks.book.paper = { id: 'x', may: ['read_document'] }; }")
    assert tab.evaluate(ask) == [None, False]
    tab.evaluate("() => { window.sidebooks.book.paper = null; }")
