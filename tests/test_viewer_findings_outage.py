"""Findings D1, D3, D5, D6, D13, D17, D18, D21, D22, D26, D29 and D34 of the review: outages, changes, search, words, sizes."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from reading_room import LONG_NAME, NEEDS_CHROMIUM, Hand, Open, Room, browser, open_at, room, shown
from test_viewer_findings_page import contrast, settled
from viewer_screen import choose

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "open_at", "room"]

JAPANESE = {"locale": "ja-JP"}
ENGLISH_WORDS = re.compile(r"[A-Za-z]{3,}")


def own_words(tab: Any) -> str:
    """What the viewer says, without names of files and of the other language."""
    told: str = tab.inner_text("body")
    return told.replace("English", "").replace(".pdf", "")


# D1, D6


def test_papers_have_the_names_of_their_files(open_at: Open) -> None:
    tab = open_at()
    tab.wait_for_selector("#shelf a")
    assert tab.get_by_role("link", name="予算書").count() == 1
    assert "Microsoft" not in tab.inner_text("body")
    tab.get_by_role("link", name="予算書").click()
    shown(tab, 1)
    tab.wait_for_function("() => document.querySelector('#title')?.textContent.startsWith('予算書')")
    assert tab.title().startswith("予算書")


def test_a_cover_that_cannot_be_drawn_is_a_sign_and_no_broken_image(open_at: Open) -> None:
    tab = open_at()
    tab.route("**/preview", lambda route: route.fulfill(status=500, json={"status": 500, "detail": "broken"}))
    tab.reload()
    tab.wait_for_selector("#shelf .cover[data-plain] svg")
    tab.wait_for_function("() => ![...document.querySelectorAll('#shelf img')].some(one => one.complete && !one.naturalWidth)")
    box = tab.locator("#shelf .cover").first.bounding_box()
    assert min(box["width"], box["height"]) > 40, "it keeps its place"


# D3


def test_after_an_outage_of_the_server_everything_comes_by_itself(open_at: Open, room: Room) -> None:
    tab = open_at("予算書", 2, service_workers="block", **JAPANESE)
    tab.wait_for_function("() => sidebooks.book.preview(25)")
    time.sleep(1.6)  # its stream of events
    room.stop()
    try:
        tab.locator("#position").fill("25")
        notice = tab.locator(".stage .failed")
        notice.wait_for()
        assert "サーバーに接続できません" in notice.inner_text()
        assert [one.inner_text() for one in notice.get_by_role("button").all()] == ["もう一度"]
        assert tab.evaluate("document.getElementById('canvas').dataset.shown") == "coarse", (
            "what there is stays under the notice"
        )
        lost = tab.get_by_text("再接続しています")
        lost.wait_for(timeout=30_000)
        assert not ENGLISH_WORDS.search(own_words(tab))
        tab.click("#back")
        tab.locator("#shelf h1, #shelf h2").first.wait_for()
        assert tab.locator("#shelf").inner_text().strip(), "no blank page"
        assert not ENGLISH_WORDS.search(own_words(tab))
        tab.go_back()
        tab.wait_for_selector("#reader", state="visible")
    finally:
        room.start()
    shown(tab, 25)
    tab.wait_for_selector(".stage .failed", state="detached")
    lost.wait_for(state="hidden", timeout=30_000)


def test_the_shelf_that_was_opened_in_an_outage_comes_by_itself(open_at: Open, room: Room) -> None:
    tab = open_at("予算書", 2, service_workers="block", **JAPANESE)
    time.sleep(1.6)
    room.stop()
    try:
        tab.click("#back")
        tab.get_by_role("button", name="もう一度").wait_for()
        assert "サーバーに接続できません" in tab.locator("#shelf").inner_text()
    finally:
        room.start()
    tab.get_by_role("link", name="予算書").first.wait_for(timeout=40_000)
    tab.get_by_text("再接続しています").wait_for(state="hidden", timeout=30_000)


def test_a_device_without_a_connection_goes_on_when_it_has_one(open_at: Open) -> None:
    tab = open_at("予算書", 2, service_workers="block", **JAPANESE)
    tab.context.set_offline(True)
    tab.locator("#position").fill("14")
    tab.locator(".stage .failed").wait_for()
    tab.context.set_offline(False)
    shown(tab, 14)
    tab.wait_for_selector(".stage .failed", state="detached")


# D5


def test_a_file_that_is_replaced_leads_its_reader_to_the_same_page(open_at: Open, room: Room) -> None:
    room.put("差替", [f"古い紙 {number}" for number in range(1, 9)])
    room.await_document("差替")
    tab = open_at("差替", 5, **JAPANESE)
    before = tab.url
    time.sleep(1.6)  # its stream of events
    room.put("差替", [f"新しい紙 {number}" for number in range(1, 10)])
    tab.locator("#news").get_by_text("差し替え").wait_for(timeout=30_000)
    assert "取り下げ" not in tab.inner_text("body")
    shown(tab, 5)
    assert tab.evaluate("sidebooks.book.pages.length") == 9
    settled(tab, 5)
    tab.wait_for_function("before => location.href !== before", arg=before)
    after = tab.evaluate("location.href")
    tab.goto("about:blank")
    tab.goto(before)  # a bookmark: the browser still has those pages
    tab.wait_for_function("address => location.href === address", arg=after)
    shown(tab, 5)
    (room.folder / "差替.pdf").unlink()
    tab.wait_for_selector("#shelf a", timeout=30_000)
    tab.get_by_text("取り下げられました").wait_for()
    tab.context.new_cdp_session(tab).send("Network.clearBrowserCache")
    tab.goto("about:blank")
    tab.goto(before)
    tab.get_by_text("アドレスが途中で切れているか").wait_for()
    assert not ENGLISH_WORDS.search(own_words(tab).replace("jlreq", ""))


# D13


def test_hits_are_counted_and_gone_through(open_at: Open) -> None:
    tab = open_at("予算書", 1)
    tab.keyboard.press("/")
    tab.locator("#query").fill("水道")
    tab.keyboard.press("Enter")
    count = "() => document.querySelector('#hitbar [role=status]').textContent"
    tab.wait_for_selector("#hitbar:visible")
    tab.wait_for_function(f"() => ({count})() === '1 / 3'")
    settled(tab, 3)
    tab.locator("#side .hits .line").nth(2).wait_for()
    assert tab.locator("#side .hits mark").all_text_contents() == ["水道"] * 3
    tab.locator("#side .hits .line").first.click()
    tab.wait_for_selector("#side", state="hidden")  # it does not cover the hit
    for press, place, page in (("Next", "2 / 3", 7), ("Next", "3 / 3", 20), ("Next", "1 / 3", 3), ("Previous", "3 / 3", 20)):
        tab.locator("#hitbar").get_by_role("button", name=press).click()
        tab.wait_for_function(f"text => ({count})() === text", arg=place)
        settled(tab, page)
    for key, page in (("n", 3), ("n", 7), ("p", 3)):
        tab.keyboard.press(key)
        settled(tab, page)
    assert "3" in tab.inner_text("#said"), "it is said, too"
    tab.locator("#hitbar").get_by_role("button", name="List").click()
    tab.locator("#side .hits .line").nth(2).wait_for()  # the list can be had again
    assert tab.locator("#side .hits [aria-current=true]").count() == 1
    tab.click("#side .head button")
    tab.locator("#hitbar").get_by_role("button", name="End").click()
    tab.wait_for_selector("#hitbar", state="detached")
    tab.wait_for_timeout(100)
    assert coloured(tab) == 0, "nothing is marked any more"
    tab.keyboard.press("Control+f")
    assert tab.locator("#side .hits .line").count() == 0


def coloured(tab: Any, test: str = "d[i] - d[i + 2] > 60") -> int:
    found: int = tab.evaluate(
        f"""() => {{ const c = document.getElementById('canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 0; i < d.length; i += 4) if ({test}) n += 1; return n; }}"""
    )
    return found


def test_more_than_five_hundred_hits_and_the_present_one_in_another_colour(open_at: Open) -> None:
    tab = open_at("多い", 1)
    tab.click("#find-button")
    tab.locator("#query").fill("the")
    tab.keyboard.press("Enter")
    tab.wait_for_function("() => /^1 \\/ 800$/.test(document.querySelector('#hitbar [role=status]').textContent)")
    for count in (200, 400, 600):
        tab.wait_for_function(f"() => document.querySelectorAll('#side .hits .line').length === {count}")
        tab.locator("#side").get_by_role("button", name="Show more").click()
    tab.wait_for_function("() => document.querySelectorAll('#side .hits .line').length === 800")
    amber, yellow = "d[i] > 240 && d[i + 1] < 160 && d[i + 2] < 80", "d[i] > 240 && d[i + 1] > 200 && d[i + 2] < 120"
    tab.wait_for_timeout(100)
    assert 0 < coloured(tab, amber) < coloured(tab, yellow)
    dark = "d[i] < 60 && d[i + 1] < 60 && d[i + 2] < 60"
    assert coloured(tab, dark) > 500, "the ink is as dark as it was"
    choose(tab, "night")
    tab.wait_for_timeout(100)
    night = "d[i] > 190 && d[i] < 225 && d[i + 1] > 130 && d[i + 1] < 170 && d[i + 2] < 40"
    assert coloured(tab, night) > 1000, "marks of their own at night"


def test_a_slow_search_says_that_it_works_and_can_be_stopped(open_at: Open) -> None:
    tab = open_at("予算書", 1)
    tab.route(re.compile(r"/search/"), lambda route: None)  # no answer
    tab.click("#find-button")
    tab.locator("#query").fill("水道")
    tab.keyboard.press("Enter")
    tab.locator("#side").get_by_text("Searching").wait_for()
    tab.locator("#side").get_by_role("button", name="Stop").click()
    tab.locator("#side").get_by_text("Searching").wait_for(state="hidden")
    assert tab.locator("#side").get_by_role("button", name="Stop").count() == 0


# D17, D18, D29


@pytest.mark.parametrize("locale", ["ja-JP", "en-GB"])
def test_every_button_has_words_that_are_seen(open_at: Open, locale: str) -> None:
    tab = open_at("予算書", 5, locale=locale)
    for one in tab.locator("header button, footer button").all():
        words = one.inner_text().strip()
        assert words, one.get_attribute("id")
        assert one.locator("span").count() == 0 or one.locator("span").bounding_box()["width"] > 8
    for panel in ("find", "contents", "pages", "bookmarks", "display", "more"):
        tab.click(f"#tools [data-panel={panel}]")
        tab.wait_for_selector(f"#side[data-panel={panel}] h2")
        assert tab.locator("#side h2").inner_text()
        assert all(
            one.inner_text().strip() or one.get_attribute("aria-label") for one in tab.locator("#side button:visible").all()
        )
        tab.locator("#side .head button").first.click()
        tab.wait_for_selector("#side", state="hidden")
    tab.click("#find-button")
    assert tab.locator("#query").get_attribute("placeholder")


def test_the_contents_show_pages_and_where_one_is(open_at: Open) -> None:
    tab = open_at("予算書", 10, **JAPANESE)
    tab.click("#contents-button")
    tab.locator("#side .line").first.wait_for()
    assert tab.locator("#side h2").inner_text() == "目次"
    assert tab.locator("#side [aria-current=location]").inner_text().split() == ["市税", "9"]
    assert [one.split()[-1] for one in tab.locator("#side .line").all_inner_texts()] == ["1", "5", "9", "21"]
    tab.goto(f"{tab.url.split('#')[0]}#")
    tab.get_by_role("link", name="右とじ").first.click()
    shown(tab, 1)
    tab.click("#contents-button")
    tab.get_by_text("目次がありません").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_borders_of_controls_are_seen(open_at: Open, scheme: str) -> None:
    tab = open_at("予算書", 5, color_scheme=scheme)
    tab.click("#find-button")
    tab.wait_for_selector("#query")
    found = tab.evaluate(
        """() => { const ground = (one) => { for (let at = one; at; at = at.parentElement) {
                const colour = getComputedStyle(at).backgroundColor; if (!/, 0\\)$/.test(colour)) return colour; } };
            return ["#query", "#find-button", "#number", "#side .head button"].map(name => document.querySelector(name))
                .map(one => [one.id, getComputedStyle(one).borderTopColor, ground(one.parentElement)]); }"""
    )
    for name, border, ground in found:
        colours = [[int(part) for part in re.findall(r"\d+", one)[:3]] for one in (border, ground)]
        assert contrast(*colours) >= 3, (name, border, ground)


@pytest.mark.parametrize("device", ["phone", "small"])
@pytest.mark.parametrize("locale", ["ja-JP", "en-GB"])
def test_on_a_phone_everything_is_on_the_screen(open_at: Open, device: str, locale: str) -> None:
    tab = open_at(LONG_NAME, 1, device, locale=locale)
    width, height = tab.viewport_size["width"], tab.viewport_size["height"]
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= width
    for one in tab.locator("#reader button:visible, #reader input:visible").all():
        box = one.bounding_box()
        assert box["x"] >= 0, one.get_attribute("id")
        assert box["x"] + box["width"] <= width, one.get_attribute("id")
        assert box["y"] + box["height"] <= height
        assert min(box["width"], box["height"]) >= 44
    title = tab.locator("#title").bounding_box()
    assert title["width"] >= 120
    tab.click("#more-button")
    name = tab.locator("#side .name")
    name.wait_for()
    assert name.inner_text() == f"{LONG_NAME}.pdf"
    assert name.evaluate("one => one.scrollWidth <= one.clientWidth && one.getBoundingClientRect().right <= innerWidth")


def test_the_size_of_the_browser_s_text_is_followed(open_at: Open) -> None:
    tab = open_at("予算書", 5)
    size = "name => parseFloat(getComputedStyle(document.querySelector(name)).fontSize)"
    names = ["#title", "#tools span", "#number", "#back span"]
    before = [tab.evaluate(size, name) for name in names]
    tab.evaluate("document.documentElement.style.fontSize = '150%'")
    assert [tab.evaluate(size, name) for name in names] == pytest.approx([1.5 * one for one in before])


# D21


@pytest.mark.parametrize("place", ["#0123456789abcdef0123456789abcdef/3", "#paper=nothing", "#what=ever", "#%E0%A4%A", "#/12"])
def test_an_address_that_names_nothing_says_so_in_japanese(open_at: Open, place: str) -> None:
    tab = open_at(place=place, **JAPANESE)
    tab.wait_for_selector(":text('アドレス')")
    assert "アドレス" in tab.inner_text("body")
    said = " ".join(tab.locator(".entry, #message, .shelf-notice").all_inner_texts())
    assert not ENGLISH_WORDS.search(said), said
    assert tab.locator("#reader").is_hidden()


def test_a_page_that_is_no_whole_number_is_the_first(open_at: Open, room: Room) -> None:
    tab = open_at(place=f"#{room.documents()['予算書']}/1.5", **JAPANESE)
    shown(tab, 1)
    tab.wait_for_selector("#tools button")
    assert not tab.locator("#message").is_visible()


def test_a_page_that_cannot_be_drawn_says_so_in_japanese(open_at: Open) -> None:
    tab = open_at("予算書", 1, **JAPANESE)
    problem = {"type": "about:blank", "status": 500, "detail": "…, page 12: cannot be read (code=7: cycle in page tree)"}
    tab.route(re.compile(r"/pages/12/"), lambda route: route.fulfill(status=500, json=problem))
    tab.locator("#position").fill("12")
    notice = tab.locator(".stage .failed")
    notice.wait_for()
    assert "表示できません" in notice.inner_text()
    assert not ENGLISH_WORDS.search(notice.inner_text())


# D22, D26, D34


def test_news_can_be_closed_and_go_by_themselves(open_at: Open, room: Room) -> None:
    tab = open_at("予算書", 5, **JAPANESE)
    time.sleep(1.6)  # its stream of events
    news = tab.locator("#news")
    try:
        for number, name in enumerate(("緊急一", "緊急二")):
            room.put(name, ["緊急"])
            news.get_by_text(name).wait_for(timeout=30_000)
            page, told = tab.locator("#stage").bounding_box(), news.bounding_box()
            assert told["y"] > page["y"] + page["height"] / 2, "the first lines of the page stay free"
            if number == 0:
                news.get_by_role("button", name="閉じる").click()
                assert news.is_hidden()
                tab.clock.install()
            else:
                tab.clock.fast_forward(20_000)
                news.wait_for(state="hidden")
    finally:
        for name in ("緊急一", "緊急二"):
            (room.folder / f"{name}.pdf").unlink(missing_ok=True)


def test_a_slow_opening_has_its_cover_and_never_moves_about(open_at: Open, room: Room) -> None:
    tab = open_at()
    tab.wait_for_selector("#shelf .cover img[data-here], #shelf .cover[data-here]")
    held: list[Any] = []
    is_slow = [True]
    tab.route(
        re.compile(r"/runs\.json$|/pages/1/\d+x\d+$"), lambda route: held.append(route) if is_slow[0] else route.continue_()
    )
    tab.get_by_role("link", name="予算書").first.click()
    tab.wait_for_selector("#reader", state="visible")
    tab.wait_for_function("() => /予算書/.test(document.getElementById('title')?.textContent)", timeout=5000)
    tab.wait_for_selector("#early", timeout=5000)
    is_slow[0] = False
    for one in held:
        one.continue_()
    shown(tab, 1)
    assert tab.locator("#early").count() == 0


def test_the_stage_keeps_its_size_while_the_buttons_come(open_at: Open, room: Room) -> None:
    tab = open_at(service_workers="block")
    tab.route("**/reader.css*", lambda route: (time.sleep(0.3), route.continue_()))
    tab.add_init_script(
        """window.sizes = []; addEventListener("DOMContentLoaded", () => {
            const stage = document.getElementById("stage");
            const note = ([one]) => { if (one.contentRect.height) window.sizes.push(one.contentRect.height); };
            if (stage) new ResizeObserver(note).observe(stage); });"""
    )
    address = f"{tab.url}#{room.documents()['予算書']}/3"
    tab.goto("about:blank")
    tab.goto(address)
    shown(tab, 3)
    tab.wait_for_function("() => document.querySelector('#tools span')?.textContent")
    tab.wait_for_timeout(200)
    assert len(set(tab.evaluate("window.sizes"))) == 1


def test_the_last_of_two_tabs_to_move_is_where_one_goes_on(open_at: Open, room: Room) -> None:
    first = open_at("予算書", 3)
    second = first.context.new_page()
    second.goto(first.url)
    shown(second, 3)
    first.locator("#position").fill("8")
    settled(first, 8)
    second.locator("#position").fill("12")
    settled(second, 12)
    assert first.evaluate("sidebooks.page") == 8, "each reads on by itself"
    third = first.context.new_page()
    third.goto(f"{room.address}#{room.documents()['予算書']}")
    shown(third, 12)


def test_a_finger_reaches_the_whole_title_of_a_paper(open_at: Open) -> None:
    """D18, on the tablet: the title is cut after two lines, and the menu has all of it."""
    tab = open_at(LONG_NAME, 1)
    Hand(tab).tap(*(tab.locator("#more-button").bounding_box()[side] + 20 for side in "xy"))
    tab.locator("#side .name").wait_for()
    assert tab.locator("#side .name").inner_text() == f"{LONG_NAME}.pdf"


# D33


def test_an_empty_shelf_says_what_it_is_for(open_at: Open) -> None:
    tab = open_at(**JAPANESE)
    tab.route(re.compile(r"/documents$"), lambda route: route.fulfill(json={"documents": [], "problems": []}))
    tab.reload()
    tab.wait_for_selector("#shelf .empty:visible")
    told = tab.locator("#shelf .empty")
    assert len(told.inner_text().replace("まだ何もありません", "").strip()) > 10, "more than one grey sentence"
    assert told.locator("svg").count() == 1
