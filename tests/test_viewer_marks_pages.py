"""Pages on which somebody has marks of their own have a sign, in the strip of thumbnails and in the list of pages."""

from __future__ import annotations

from typing import Any

import pymupdf
import pytest
from house import NEEDS_CHROMIUM, House, Visits, browser, house, pdf, visit
from ink_hand import LATE_MS, Stylus, begin, middle
from marks_node import played
from viewer_node import NODE
from viewer_screen import picture, shown

__all__ = ["browser", "house", "visit"]
PAGES = [f"議案第{number}号" for number in range(1, 8)]


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_pages_with_own_marks_are_kept_with_each_change() -> None:
    found = played("""
      const { OwnPages } = await import("./marks_pages.js");
      const server = new Server();
      server.put(ofTheChair);
      const marks = made({ api: server });
      const first = marks.add(2, stroke());
      const own = new OwnPages(marks);
      const told = [];
      marks.subscribe((change) => { told.push(own.note(change)); });
      const there = () => [1, 2, 3].filter((page) => own.has(page)).join();
      const seen = [there()];
      const look = (does) => {
        const before = told.length;
        const made = does();
        seen.push(there(), told.slice(before));
        return made;
      };
      await marks.flush();
      seen.push(there()); // the chair's is on page 1
      const second = look(() => marks.add(3, stroke()));
      const third = look(() => marks.add(3, stroke()));
      look(() => marks.remove([second.id]));
      look(() => marks.remove([third.id, first.id]));
      look(() => marks.undo());
      return { seen, count: own.count };
    """)
    assert found["seen"] == ["2", "2", "2,3", [True], "2,3", [False], "2,3", [False], "", [True], "2,3", [True]]
    assert found["count"] == 2


@NEEDS_CHROMIUM
def test_pages_with_own_marks_have_a_sign(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("印"), "議案.pdf", pdf(*PAGES))
    tab = visit("議員", f"#paper={paper}/3", viewport={"width": 900, "height": 1100}, locale="en-GB")
    shown(tab, 3)
    tab.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)
    tab.wait_for_selector("#strip[data-marked='']", timeout=LATE_MS)
    begin(tab)
    x, y = middle(tab)
    Stylus(tab).line([(x - 50, y), (x, y + 20), (x + 50, y)])
    tab.wait_for_selector("#strip[data-marked='3']", timeout=LATE_MS)
    tab.click("[data-ink=done]")
    picture(tab, "strip-marked")
    tab.keyboard.press("ArrowRight")
    shown(tab, 4)
    tab.click("#pages-button")
    grid = tab.locator(".page-grid")
    grid.get_by_role("button", name="3 You have written on this page", exact=True).wait_for()
    assert grid.locator(".own").count() == 1
    picture(tab, "pages-marked")
    tab.keyboard.press("Escape")
    other = visit("事務局員", f"#paper={paper}/3", viewport={"width": 900, "height": 1100}, locale="en-GB")
    shown(other, 3)
    other.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)
    other.wait_for_selector("#strip[data-marked='']", timeout=LATE_MS)
    tab.keyboard.press("ArrowLeft")
    shown(tab, 3)
    begin(tab)
    tab.click("[data-ink=eraser]")
    Stylus(tab).line([(x, y - 60), (x, y + 60)])
    tab.wait_for_selector("#strip[data-marked='']", timeout=LATE_MS)


@NEEDS_CHROMIUM
def test_who_removes_a_mark_of_the_file_is_told_that_the_page_shows_it_still(visit: Visits, house: House) -> None:
    with pymupdf.open(stream=pdf(*PAGES)) as document:
        document[0].add_underline_annot((50, 60, 200, 80))
        paper = house.paper(house.folder("元の線"), "線.pdf", document.tobytes())
    tab = visit("議員", f"#paper={paper}/1", viewport={"width": 900, "height": 1100}, locale="en-GB")
    shown(tab, 1)
    tab.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)
    imported = "async (paper) => (await fetch(`papers/${paper}/marks/import`, { method: 'POST' })).status"
    assert tab.evaluate(imported, paper) == 200
    tab.wait_for_selector("#strip[data-marked='1']", timeout=LATE_MS)
    tab.click("#bookmarks-button")
    tab.locator("#side").get_by_role("button", name="All marks in this paper").click()
    tab.locator("#side[data-panel=marks] [data-kind=underline] button.line").click()
    tab.locator("#side[data-panel=mark]").get_by_role("button", name="Remove").click()
    tab.locator("#news").get_by_text("the page still shows it").wait_for(timeout=LATE_MS)


def tab_to(tab: Any, name: str) -> None:
    """Press Tab until something of that name has the focus."""
    said = """() => {
        const { ariaLabel, labels, textContent } = document.activeElement;
        if (document.activeElement === document.body) return '';
        return ariaLabel || labels?.[0]?.textContent || textContent;
    }"""
    for _ in range(60):
        tab.keyboard.press("Tab")
        if name in tab.evaluate(said):
            return
    raise AssertionError(f"{name} is not reached")


@NEEDS_CHROMIUM
def test_notes_are_written_searched_and_gone_to_by_the_keyboard_alone(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("鍵盤だけ"), "議案.pdf", pdf(*PAGES))
    tab = visit("議員", f"#paper={paper}/3", viewport={"width": 900, "height": 1100}, locale="en-GB")
    shown(tab, 3)
    tab.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)
    for page, text in ((3, "起債の残高"), (4, "工事の期間")):
        shown(tab, page)
        tab_to(tab, "Bookmark")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#side[data-panel=bookmarks]")
        tab_to(tab, "All marks in this paper")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#side[data-panel=marks]")
        tab_to(tab, "Note on this page")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#side[data-panel=mark] textarea:focus")
        tab.keyboard.insert_text(text)
        tab.keyboard.press("Escape")
        tab.wait_for_selector("#side", state="hidden")
        tab.keyboard.press("ArrowRight")
    shown(tab, 5)
    tab_to(tab, "Bookmark")
    tab.keyboard.press("Enter")
    tab_to(tab, "All marks in this paper")
    tab.keyboard.press("Enter")
    tab_to(tab, "Search in my notes")
    tab.keyboard.insert_text("残高")
    side = tab.locator("#side[data-panel=marks]")
    side.get_by_text("1 mark", exact=True).wait_for()
    tab_to(tab, "起債の残高")
    tab.keyboard.press("Enter")
    shown(tab, 3)
    tab.locator("#side[data-panel=mark]").get_by_label("Note", exact=True).wait_for()
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#side", state="hidden")
