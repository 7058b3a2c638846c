"""Marks of papers in the viewer, on several devices and of several people: bookmarks, changed pages, sharing, searching."""

from __future__ import annotations

from typing import Any

from house import NEEDS_CHROMIUM, House, Visits, browser, house, pdf, visit
from test_viewer_marks import await_text, select
from viewer_screen import shown

__all__ = ["browser", "house", "visit"]
pytestmark = NEEDS_CHROMIUM
LATE_MS = 30_000
PAGES = [f"議案第{number}号 予算の説明" for number in range(1, 7)]


def open_paper(visit: Visits, who: str, paper: str, page: int = 1, size: str = "tablet") -> Any:
    tab = visit(who, f"#paper={paper}/{page}", size=size, locale="en-GB")
    shown(tab, page)
    await_text(tab)
    return tab


def marks_of(tab: Any, paper: str) -> list[Any]:
    """As the server tells them to whoever is at the tab."""
    found: list[Any] = tab.evaluate("async (paper) => (await (await fetch(`papers/${paper}/marks`)).json()).marks", paper)
    return found


def await_marks(tab: Any, paper: str, count: int) -> list[Any]:
    tab.wait_for_function(
        "async ([paper, count]) => (await (await fetch(`papers/${paper}/marks`)).json()).marks.filter(one => one.body).length === count",
        arg=[paper, count],
        timeout=LATE_MS,
    )
    return marks_of(tab, paper)


def panel(tab: Any, name: str) -> Any:
    """Open the list of bookmarks, or from there that of all marks."""
    tab.click("#bookmarks-button")
    tab.wait_for_selector("#side[data-panel=bookmarks]")
    if name == "marks":
        tab.locator("#side").get_by_role("button", name="All marks in this paper").click()
        tab.wait_for_selector("#side[data-panel=marks]")
    return tab.locator("#side")


def test_a_bookmark_is_on_all_devices_and_old_ones_are_taken_over(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("しおり"), "議案.pdf", pdf(*PAGES))
    tab = visit("議員", "", locale="en-GB")
    tab.evaluate(
        '(paper) => localStorage.setItem(`sidebooks bookmarks ${paper}`, \'{"revision":1,"pages":[2,5]}\')', f"paper={paper}"
    )
    tab.evaluate("(paper) => { location.hash = `paper=${paper}/3`; }", paper)
    shown(tab, 3)
    await_text(tab)
    assert {one["anchor"]["page"] for one in await_marks(tab, paper, 2)} == {1, 4}
    tab.wait_for_function(
        "() => !Object.keys(localStorage).some((key) => key.startsWith('sidebooks bookmarks'))", timeout=LATE_MS
    )
    panel(tab, "bookmarks").get_by_role("button", name="Mark this page").click()
    tab.wait_for_selector("#bookmarks-button.marked")
    await_marks(tab, paper, 3)
    other = open_paper(visit, "議員", paper)
    side = panel(other, "bookmarks")
    for page in (2, 3, 5):
        side.get_by_role("button", name=f"Page {page}", exact=True).wait_for(timeout=LATE_MS)
    side.get_by_role("button", name="Page 3", exact=True).click()
    shown(other, 3)
    panel(other, "bookmarks").get_by_role("button", name="Take the bookmark away").click()
    await_marks(other, paper, 2)
    tab.wait_for_selector("#bookmarks-button:not(.marked)", timeout=LATE_MS)


def test_the_page_has_changed_is_told_with_its_old_picture(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("差し替え"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper, 2)
    select(tab, "議案第2号", "説明")
    tab.locator("#wordbar").get_by_role("button", name="Underline").click()
    await_marks(tab, paper, 1)
    tab.evaluate("() => { location.hash = location.hash.replace(/\\/\\d+$/, '/5'); }")
    shown(tab, 5)
    await_text(tab)
    select(tab, "議案第5号")
    tab.locator("#wordbar").get_by_role("button", name="Highlight").click()
    await_marks(tab, paper, 2)
    changed = [PAGES[0], PAGES[1] + "（訂正）", *PAGES[2:4], PAGES[5]]
    house.ask("POST", f"papers/{paper}/revisions?filename=new.pdf", pdf(*changed))
    later = open_paper(visit, "議員", paper, 1)
    side = panel(later, "marks")
    row = side.locator("[data-fate=changed]")
    row.get_by_text("The page has changed since.").wait_for(timeout=LATE_MS)
    row.get_by_role("button", name="Show the page as it was").click()
    image = row.get_by_role("img", name="Page 2 as it was in revision 1")
    image.wait_for(timeout=LATE_MS)
    later.wait_for_function("() => document.querySelector('#side .old-page img').naturalWidth > 0", timeout=LATE_MS)
    gone = side.locator("section", has=later.get_by_role("heading", name="Pages that are gone"))
    gone.get_by_text("議案第5号").wait_for(timeout=LATE_MS)
    gone.get_by_role("button", name="Show the page as it was").wait_for()
    row.locator("button.line").click()
    shown(later, 2)
    later.locator("#side[data-panel=mark]").get_by_text("The page has changed since.").wait_for(timeout=LATE_MS)


def test_a_private_mark_is_seen_by_nobody_else_and_a_shared_one_with_a_name(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("共有"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper)
    select(tab, "議案第1号")
    tab.locator("#wordbar").get_by_role("button", name="Write a note").click()
    side = tab.locator("#side[data-panel=mark]")
    side.get_by_label("Note", exact=True).fill("前年度との差")
    side.get_by_text("Nobody else sees it").wait_for()
    await_marks(tab, paper, 1)
    other = open_paper(visit, "事務局員", paper)
    assert marks_of(other, paper) == []
    side.get_by_role("button", name="Readers of this paper").click()
    side.get_by_text("Everybody who may read this paper sees it, with your name.").wait_for()
    assert marks_of(other, paper) == [], "it is said before it is done"
    side.get_by_role("button", name="Let them see it").click()
    await_marks(other, paper, 1)
    list_ = panel(other, "marks")
    list_.get_by_text("From 議員").wait_for(timeout=LATE_MS)
    list_.get_by_text("前年度との差").click()
    sheet = other.locator("#side[data-panel=mark]")
    sheet.get_by_text("前年度との差").wait_for()
    assert sheet.get_by_role("button", name="Remove").count() == 0
    assert sheet.get_by_label("Note", exact=True).count() == 0
    side.get_by_role("button", name="Only you").click()
    await_marks(other, paper, 0)


def test_ones_own_notes_are_found_in_the_search_over_all_papers(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("検索"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper, 4)
    select(tab, "議案第4号")
    tab.locator("#wordbar").get_by_role("button", name="Write a note").click()
    tab.locator("#side").get_by_label("Note", exact=True).fill("起債の残高をたずねる")
    await_marks(tab, paper, 1)
    tab.locator("#side").get_by_role("button", name="Close").click()
    tab.wait_for_function(
        "async (paper) => (await (await fetch(`papers/${paper}/marks`)).json()).marks.some((one) => one.body.text)",
        arg=paper,
        timeout=LATE_MS,
    )
    tab.evaluate("() => { location.hash = '#search=' + encodeURIComponent('起債の残高'); }")
    tab.get_by_role("heading", name="In my notes").wait_for(timeout=LATE_MS)
    tab.get_by_role("link", name="起債の残高").click()
    shown(tab, 4)
    other = visit("事務局員", "#search=" + "起債の残高", locale="en-GB")
    other.get_by_text("Nothing found for").wait_for(timeout=LATE_MS)
    assert other.get_by_role("heading", name="In my notes").is_hidden()
