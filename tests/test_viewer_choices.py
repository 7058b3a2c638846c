"""What a reader chooses, and how it is kept: keys, turned pages, the grid of pages, files that change under their name."""

from __future__ import annotations

from typing import Any

from reading_room import NEEDS_CHROMIUM, Open, Room, browser, open_at, room, shown

__all__ = ["browser", "open_at", "room"]
pytestmark = NEEDS_CHROMIUM
LATE_MS = 30_000


def panel(tab: Any, name: str) -> Any:
    tab.click(f"#{name}-button")
    tab.wait_for_selector(f"#side[data-panel={name}]")
    return tab.locator("#side")


def test_keys_of_one_character_are_switched_off_for_good(open_at: Open) -> None:
    tab = open_at("予算書", 1, device="desktop")
    panel(tab, "display").get_by_role("group", name="Keys of one character").get_by_role("button", name="Off").click()
    tab.locator("#side").get_by_role("button", name="Close").click()
    tab.locator("#stage").focus()
    tab.keyboard.press("b")
    tab.keyboard.press("g")
    tab.keyboard.press("/")
    tab.keyboard.press("PageDown")
    shown(tab, 2)
    assert tab.locator("#side").is_hidden()
    assert not tab.evaluate("Object.keys(localStorage).some(key => key.startsWith('sidebooks bookmarks'))")
    tab.wait_for_function("() => location.hash.endsWith('/2')")
    tab.reload()
    shown(tab, 2)
    tab.wait_for_selector("#tools button")
    tab.keyboard.press("Control+f")
    tab.wait_for_selector("#query:focus")
    tab.keyboard.press("Escape")
    panel(tab, "more").get_by_role("button", name="Help").click()
    tab.locator("#side").get_by_text("They are switched off").wait_for()
    tab.locator("#side").get_by_role("button", name="View").click()
    tab.locator("#side").get_by_role("group", name="Keys of one character").get_by_role("button", name="On").click()
    tab.locator("#side").get_by_role("button", name="Close").click()
    tab.locator("#stage").focus()
    tab.keyboard.press("b")
    tab.wait_for_selector("#bookmarks-button.marked")


UPRIGHT = """() => {
    const canvas = document.getElementById('canvas');
    const [x, y] = [canvas.width / 2, 20]; // the upper end of the view, in its middle
    return canvas.getContext('2d').getImageData(x, y, 1, 1).data[3] > 0;
}"""
"""Whether the page that is shown is as high as the view: there is paper at its upper end."""


def test_a_page_that_was_scanned_sideways_is_turned_alone_and_stays_so(open_at: Open) -> None:
    tab = open_at("右とじ", 2)
    tab.wait_for_function(UPRIGHT)
    side = panel(tab, "display")
    side.get_by_role("button", name="Turn page 2 alone").click()
    tab.wait_for_function("() => sidebooks.book.turns[2] === 1")
    tab.wait_for_selector("#canvas[data-page='2'][data-sharp='true']")
    tab.wait_for_function(f"() => !({UPRIGHT})()")
    assert tab.locator("#side").get_by_role("button", name="Turn page 2 alone").is_visible()
    side.get_by_role("button", name="Close").click()
    tab.keyboard.press("PageDown")
    shown(tab, 3)
    tab.wait_for_function(UPRIGHT)
    tab.keyboard.press("PageUp")
    shown(tab, 2)
    tab.wait_for_function("() => location.hash.endsWith('/2')")
    tab.reload()
    shown(tab, 2)
    tab.wait_for_function(f"() => !({UPRIGHT})()")
    tab.wait_for_selector("#text .page")
    box = tab.locator("#text .page").bounding_box()
    assert box["width"] > box["height"], "its text lies on it"
    tab.keyboard.press("r")
    tab.wait_for_function(UPRIGHT)
    tab.keyboard.press("PageDown")
    shown(tab, 3)
    tab.wait_for_function(f"() => !({UPRIGHT})()")


def test_the_grid_of_pages_follows_the_width_that_it_has(open_at: Open) -> None:
    tab = open_at("予算書", 1, device="phone")
    panel(tab, "pages")
    cell = tab.locator(".page-grid button")
    cell.first.wait_for()

    def columns() -> int:
        found: int = tab.evaluate("document.querySelector('.page-grid li').children.length")
        return found

    def focused() -> str | None:
        found: str | None = tab.evaluate("document.activeElement.dataset.page")
        return found

    before = columns()
    tab.locator(".page-grid [data-page='2']").focus()
    tab.keyboard.press("ArrowDown")
    assert focused() == str(2 + before)
    tab.set_viewport_size({"width": 320, "height": 640})
    tab.wait_for_function("before => document.querySelector('.page-grid li').children.length !== before", arg=before)
    now = columns()
    assert focused() == str(2 + before), "the focus stays on its page"
    tab.keyboard.press("ArrowDown")
    assert focused() == str(2 + before + now)
    tab.keyboard.press("ArrowLeft")
    assert focused() == str(1 + before + now)
    tab.keyboard.press("End")
    assert focused() == "30"
    tab.keyboard.press("ArrowRight")
    assert focused() == "30"
    assert tab.evaluate("sidebooks.page") == 1, "the page beside stays"
    tab.keyboard.press("Enter")
    shown(tab, 30)


def test_what_is_kept_of_a_file_stays_when_the_file_is_another_one(open_at: Open, room: Room) -> None:
    room.put("書き換え", [f"古い紙 {number}" for number in range(1, 9)])
    before = room.await_document("書き換え")
    tab = open_at("", device="phone")
    tab.get_by_text("書き換え", exact=True).click()
    shown(tab, 1)
    tab.locator("#position").fill("5")
    shown(tab, 5)
    tab.keyboard.press("b")
    tab.wait_for_selector("#bookmarks-button.marked")
    tab.wait_for_function("() => location.hash.endsWith('/5')")
    tab.goto("about:blank")  # nobody sees it
    room.put("書き換え", [f"新しい紙 {number}" for number in range(1, 9)])
    while room.documents().get("書き換え") in {None, before}:
        tab.wait_for_timeout(100)
    now = room.documents()["書き換え"]
    tab.context.new_cdp_session(tab).send("Network.clearBrowserCache")
    tab.goto(f"{room.address}#{before}/5")  # an address of before
    tab.wait_for_function("now => location.hash === `#${now}/5`", arg=now, timeout=LATE_MS)
    shown(tab, 5)
    tab.wait_for_selector("#bookmarks-button.marked")
    tab.click("#back")
    tab.locator(f"[data-document='{now}'] a").click()
    shown(tab, 5)
    (room.folder / "書き換え.pdf").unlink()


def test_the_file_of_the_second_pane_is_watched_too(open_at: Open, room: Room) -> None:
    room.put("二枚目", [f"古い紙 {number}" for number in range(1, 5)])
    other = room.await_document("二枚目")
    tab = open_at("右とじ", 1)
    tab.evaluate(f"location.hash += '&beside={other}/3'")
    second, news = tab.locator(".pane .canvas"), tab.locator(".pane .pane-news")
    second.and_(tab.locator("[data-page='3'][data-sharp='true']")).wait_for(timeout=LATE_MS)
    room.put("二枚目", [f"新しい紙 {number}" for number in range(1, 5)])
    news.get_by_text("replaced").wait_for(timeout=LATE_MS)
    second.and_(tab.locator("[data-page='3'][data-sharp='true']")).wait_for(timeout=LATE_MS)
    (room.folder / "二枚目.pdf").unlink()
    news.get_by_text("This paper was withdrawn.").wait_for(timeout=LATE_MS)
    assert tab.locator(".pane-head strong").all_text_contents() == ["右とじ", "二枚目"]
    shown(tab, 1)
