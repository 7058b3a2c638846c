"""Marks of papers in the viewer, on several devices and of several people: bookmarks, changed pages, sharing, searching."""

from __future__ import annotations

from typing import Any

import pymupdf
import pytest
from house import NEEDS_CHROMIUM, House, Visits, browser, house, pdf, picture, visit
from meeting_hall import CHAIR, CLERK, MEMBER, NAME, Hall, hall, t
from test_viewer_axe import RUN, axe
from test_viewer_marks import await_text, select
from viewer_screen import shown

__all__ = ["axe", "browser", "hall", "house", "visit"]
pytestmark = NEEDS_CHROMIUM
LATE_MS = 30_000
UPRIGHT: dict[str, Any] = {"viewport": {"width": 820, "height": 1100}, "locale": "en-GB"}
"""Of a tablet that shows one page."""
PAGES = [f"議案第{number}号 予算の説明" for number in range(1, 7)]


def open_paper(visit: Visits, who: str, paper: str, page: int = 1) -> Any:
    tab = visit(who, f"#paper={paper}/{page}", **UPRIGHT)
    shown(tab, page)
    await_text(tab)
    return tab


def marks_of(tab: Any, paper: str) -> list[Any]:
    """As the server tells them to whoever is at the tab."""
    found: list[Any] = tab.evaluate("async (paper) => (await (await fetch(`papers/${paper}/marks`)).json()).marks", paper)
    return found


AWAITED = """async ([paper, late_ms, wanted]) => {
    const isThere = (marks) => (wanted === 'a text' ? marks.some((one) => one.body.text) : marks.length === wanted);
    for (const from_ms = performance.now(); ;) {
        const { marks } = await (await fetch(`papers/${paper}/marks`)).json();
        const there = marks.filter((one) => one.body);
        if (isThere(there) || performance.now() - from_ms > late_ms) return there;
        await new Promise((done) => { setTimeout(done, 100); });
    }
}"""


def await_marks(tab: Any, paper: str, count: int) -> list[Any]:
    """The marks that the server tells whoever is at the tab, when there are so many."""
    found: list[Any] = tab.evaluate(AWAITED, [paper, LATE_MS, count])
    assert len(found) == count, found
    return found


def panel(tab: Any, name: str, language: str = "en") -> Any:
    """Open the list of bookmarks, or from there that of all marks."""
    tab.click("#bookmarks-button")
    tab.wait_for_selector("#side[data-panel=bookmarks]")
    if name == "marks":
        words = "All marks in this paper" if language == "en" else "書き込みをすべて見る"
        tab.locator("#side").get_by_role("button", name=words).click()
        tab.wait_for_selector("#side[data-panel=marks]")
    return tab.locator("#side")


def test_a_bookmark_is_on_all_devices_and_old_ones_are_taken_over(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("しおり"), "議案.pdf", pdf(*PAGES))
    tab = visit("議員", "", **UPRIGHT)
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
    picture(later, "marks-list")
    row.locator("button.line").click()
    shown(later, 2)
    later.locator("#side[data-panel=mark]").get_by_text("The page has changed since.").wait_for(timeout=LATE_MS)
    picture(later, "mark-changed")


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
    picture(tab, "mark-sharing")
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
    assert tab.evaluate(AWAITED, [paper, LATE_MS, "a text"])[0]["body"]["text"]
    tab.evaluate("() => { location.hash = '#search=' + encodeURIComponent('起債の残高'); }")
    tab.get_by_role("heading", name="In my notes").wait_for(timeout=LATE_MS)
    tab.get_by_role("link", name="起債の残高").click()
    shown(tab, 4)
    other = visit("事務局員", "#search=" + "起債の残高", locale="en-GB")
    other.get_by_text("Nothing found for").wait_for(timeout=LATE_MS)
    assert other.get_by_role("heading", name="In my notes").is_hidden()


def note_at(tab: Any, words: str, text: str) -> Any:
    """Write a note about words of the page."""
    select(tab, words)
    tab.locator("#wordbar button").nth(2).click()
    side = tab.locator("#side[data-panel=mark]")
    side.locator("textarea").fill(text)
    return side


def test_a_text_that_another_one_replaced_is_taken_back(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("別の版"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper)
    note_at(tab, "議案第1号", "甲案で質問する")
    tab.locator("#side").get_by_text("Saved", exact=True).wait_for(timeout=LATE_MS)
    tab.evaluate(AWAITED, [paper, LATE_MS, "a text"])
    other = open_paper(visit, "議員", paper)
    side = panel(other, "marks")
    side.get_by_text("甲案で質問する").click()
    sheet = other.locator("#side[data-panel=mark]")
    sheet.get_by_label("Note", exact=True).fill("乙案に賛成")
    tab.wait_for_function("() => document.querySelector('#side textarea').value === '乙案に賛成'", timeout=LATE_MS)
    sheet.get_by_text("Other versions of the text").click()
    sheet.get_by_text("甲案で質問する").wait_for(timeout=LATE_MS)
    sheet.get_by_role("button", name="Use this text").click()
    tab.wait_for_function("() => document.querySelector('#side textarea').value === '甲案で質問する'", timeout=LATE_MS)


def test_what_is_written_in_a_note_that_another_device_deletes_can_be_copied(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("消えた付箋"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper)
    note_at(tab, "議案第1号", "甲案で質問する")
    tab.evaluate(AWAITED, [paper, LATE_MS, "a text"])
    other = open_paper(visit, "議員", paper)
    panel(other, "marks").get_by_text("甲案で質問する").click()
    other.locator("#side[data-panel=mark]").get_by_role("button", name="Remove", exact=True).click()
    tab.locator("#side").get_by_text("This mark is not there any more.").wait_for(timeout=LATE_MS)
    field = tab.locator("#side textarea")
    assert (field.input_value(), field.is_editable()) == ("甲案で質問する", False)


def test_a_mark_is_shared_with_a_meeting_and_given_to_its_chair(hall: Hall) -> None:
    chair, member, clerk = (hall.seat(one).sees(1, hall.budget) for one in (CHAIR, MEMBER, CLERK))
    await_text(member.tab)
    side = note_at(member.tab, "予算の第1款", "議場で聞く")
    side.get_by_role("button", name=t("sees_chair"), exact=True).click()
    side.get_by_text(t("sees_chair_about", name=NAME)).wait_for()
    side.get_by_role("button", name=t("share_do")).click()
    [mark] = await_marks(chair.tab, hall.budget, 1)
    assert (mark["visibility"], mark["owner"]) == ("collected", MEMBER)
    assert marks_of(clerk.tab, hall.budget) == []
    side.get_by_role("button", name=t("sees_meeting"), exact=True).click()
    side.get_by_role("button", name=t("share_do")).click()
    await_marks(clerk.tab, hall.budget, 1)
    side.get_by_role("button", name=t("sees_private"), exact=True).click()
    await_marks(clerk.tab, hall.budget, 0)
    await_marks(chair.tab, hall.budget, 0)
    hall.end()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_no_rule_of_an_accessibility_checker_is_broken(visit: Visits, house: House, axe: str, language: str) -> None:
    paper = house.paper(house.folder(f"検査 {language}"), "議案.pdf", pdf(*PAGES))
    tab = visit(
        "議員", f"#paper={paper}/2", viewport={"width": 820, "height": 1100}, locale="ja-JP" if language == "ja" else "en-GB"
    )
    shown(tab, 2)
    await_text(tab)
    tab.evaluate(axe)
    found: dict[str, Any] = {}

    def check(where: str) -> None:
        found[where] = tab.evaluate(RUN)

    select(tab, "議案第2号")
    check("bar at words")
    tab.locator("#wordbar button").nth(0).click()
    note_at(tab, "予算", "質問する")
    tab.locator("#side summary").click()
    check("mark")
    tab.locator("#side .sharing .choice button").nth(1).click()
    check("mark that is about to be shared")
    tab.locator("#side .head button").click()
    house.ask("POST", f"papers/{paper}/revisions?filename=new.pdf", pdf(PAGES[0], "別のページ", *PAGES[3:]))
    tab.reload()
    shown(tab, 2)
    await_text(tab)
    tab.evaluate(axe)
    side = panel(tab, "marks", language)
    side.locator(".old-page button").first.click()
    side.locator(".old-page img").first.wait_for()
    check("list")
    side.locator("[data-tool=stamp]").click()
    check("stamps")
    tab.keyboard.press("Escape")
    tab.evaluate("document.documentElement.setAttribute('data-night', '')")
    panel(tab, "marks", language)
    check("list at night")
    assert {where: one for where, one in found.items() if one} == {}


def test_ones_notes_are_downloaded_as_a_pdf(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("書き出し"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper)
    note_at(tab, "議案第1号", "書き出す")
    tab.locator("#side").get_by_text("Saved", exact=True).wait_for(timeout=LATE_MS)
    tab.locator("#side").get_by_role("button", name="Close").click()
    tab.evaluate(AWAITED, [paper, LATE_MS, "a text"])
    tab.click("#more-button")
    with tab.expect_download(timeout=LATE_MS) as download:
        tab.locator("#side").get_by_role("link", name="My notes as PDF").click()
    with pymupdf.open(download.value.path()) as made:
        [annotation] = list(made[0].annots())
        assert annotation.info["content"] == "書き出す"


def test_a_mark_of_a_page_that_is_replaced_while_it_is_read_is_flagged_at_once(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("読んでいる間"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper, 2)
    note_at(tab, "議案第2号", "確かめる")
    tab.evaluate(AWAITED, [paper, LATE_MS, "a text"])
    tab.locator("#side").get_by_role("button", name="Close").click()
    house.ask("POST", f"papers/{paper}/revisions?filename=new.pdf", pdf(PAGES[0], PAGES[1] + "（訂正）", *PAGES[2:]))
    tab.wait_for_function("() => sidebooks.book?.paper?.revision === 2", timeout=LATE_MS)
    tab.wait_for_selector("#stage[data-marks]", timeout=LATE_MS)
    side = panel(tab, "marks")
    side.locator("[data-fate=changed]").get_by_text("確かめる").wait_for(timeout=LATE_MS)


def test_a_note_that_is_written_without_a_connection_is_kept_and_sent_later(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("圏外のメモ"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper)
    await_marks(tab, paper, 0)
    tab.route("**/marks", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    side = note_at(tab, "議案第1号", "圏外で書いた")
    side.get_by_text("It is sent as soon as there is a connection.").wait_for(timeout=LATE_MS)
    tab.reload()
    shown(tab, 1)
    await_text(tab)
    panel(tab, "marks").get_by_text("圏外で書いた").wait_for(timeout=LATE_MS)
    tab.unroute("**/marks")
    tab.evaluate("dispatchEvent(new Event('online'))")
    assert tab.evaluate(AWAITED, [paper, LATE_MS, "a text"])[0]["body"]["text"] == "圏外で書いた"


def test_marks_are_reached_by_the_keyboard_alone(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("キー"), "議案.pdf", pdf(*PAGES))
    tab = open_paper(visit, "議員", paper)
    select(tab, "議案第1号")
    tab.locator("#wordbar button").nth(1).focus()
    tab.keyboard.press("Enter")
    await_marks(tab, paper, 1)
    assert tab.evaluate("document.activeElement.id") == "stage"
    tab.locator("#bookmarks-button").focus()
    tab.keyboard.press("Enter")
    tab.locator("#side").get_by_role("button", name="All marks in this paper").focus()
    tab.keyboard.press("Enter")
    tab.locator("#side[data-panel=marks] [data-kind=underline] button.line").focus()
    tab.keyboard.press("Enter")
    tab.locator("#side[data-panel=mark]").get_by_role("button", name="Blue").focus()
    tab.keyboard.press(" ")
    tab.wait_for_selector("#side [data-colour='#0b57c2'][aria-pressed=true]")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#side", state="hidden")
