"""The reference viewer in a real browser: every way to turn, zoom and find, on a real document."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
from viewer_screen import NEEDS_CHROMIUM, PAGES, address, browser, canvas_pixels, choose, folder, ink, picture, shown, tab

pytestmark = NEEDS_CHROMIUM
__all__ = ["address", "browser", "folder", "tab"]


def test_keys_turn(tab: Any) -> None:
    assert ink(tab) > 0.001
    for key, page in (
        ("ArrowRight", 2),
        ("PageDown", 3),
        (" ", 4),
        ("ArrowLeft", 3),
        ("PageUp", 2),
        ("End", PAGES),
        ("Home", 1),
    ):
        tab.keyboard.press(key)
        shown(tab, page)
    tab.keyboard.press("ArrowLeft")
    shown(tab, 1)


def test_neighbours_are_decoded_before_the_turn(tab: Any) -> None:
    tab.wait_for_timeout(1500)
    for _ in range(4):
        sharp = tab.evaluate(
            """async () => { const c = document.getElementById('canvas'); const before = c.dataset.turn;
            document.getElementById('next').click();
            while (c.dataset.turn === before) await new Promise(requestAnimationFrame); return c.dataset.sharp; }"""
        )
        assert sharp == "true", "the first frame after the turn"
        tab.wait_for_timeout(1000)


def test_fingers_turn(tab: Any) -> None:
    tab.touchscreen.tap(780, 500)
    shown(tab, 2)
    tab.touchscreen.tap(40, 500)
    shown(tab, 1)
    session = tab.context.new_cdp_session(tab)
    for start, end, page in ((600, 300, 2), (300, 600, 1)):
        for kind, x in (("touchStart", start), ("touchMove", (start + end) / 2), ("touchMove", end), ("touchEnd", None)):
            points = [] if x is None else [{"x": x, "y": 500, "id": 0}]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        shown(tab, page)
    for start, end, page in ((600, 300, 2), (300, 600, 1)):
        # In the page's upper margin: on a word a mouse selects.
        y = tab.locator("#stage").bounding_box()["y"] + 12
        tab.mouse.move(start, y)
        tab.mouse.down()
        tab.mouse.move(end, y + 5, steps=5)
        tab.mouse.up()
        shown(tab, page)


def test_pinching_and_double_tapping_zoom(tab: Any) -> None:
    plain = ink(tab)
    tab.mouse.dblclick(410, 400)
    tab.wait_for_function("() => window.sidebooks.zoom > 1.2")
    shown(tab, 1)
    assert abs(ink(tab) - plain) > 1e-4
    tab.mouse.dblclick(410, 400)
    tab.wait_for_function("() => window.sidebooks.zoom === 1")
    session = tab.context.new_cdp_session(tab)
    for kind, spread in (("touchStart", 50), ("touchMove", 100), ("touchMove", 150), ("touchEnd", None)):
        points = [] if spread is None else [{"x": 410 - spread, "y": 500, "id": 0}, {"x": 410 + spread, "y": 500, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    tab.wait_for_function("() => window.sidebooks.zoom > 2")
    shown(tab, 1)


def test_the_strip_riffles(tab: Any) -> None:
    tab.locator("#position").fill("15")
    shown(tab, 15)
    tab.wait_for_function(f"() => document.getElementById('number').textContent === '15 of {PAGES}'")


def test_the_outline_leads_to_its_pages(tab: Any) -> None:
    tab.click("#contents-button")
    entries = tab.locator("#side .line:visible")
    entries.nth(5).wait_for()
    entries.nth(entries.count() - 1).click()
    tab.wait_for_function("() => window.sidebooks.page > 5")


def test_search_finds_and_highlights(tab: Any) -> None:
    yellow = """() => { const c = document.getElementById('canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0;
        for (let i = 0; i < d.length; i += 4) if (d[i] > 200 && d[i + 2] < 190 && d[i + 1] > 100) n += 1;
        return n; }"""
    tab.click("#find-button")
    tab.fill("#query", "ルビ")
    tab.press("#query", "Enter")
    shown(tab, 4)
    tab.wait_for_function(f"() => ({yellow})() > 100")
    assert tab.locator("#side .hits .line").count() >= 1


def test_two_pages_and_night_and_japanese(tab: Any) -> None:
    tab.click("#next")
    shown(tab, 2)
    choose(tab, "two")
    shown(tab, 2)
    tab.keyboard.press("ArrowRight")
    shown(tab, 4)
    tab.wait_for_function(f"() => document.getElementById('number').textContent === '4–5 of {PAGES}'")
    choose(tab, "one")
    choose(tab, "night")
    assert tab.evaluate("document.documentElement.hasAttribute('data-night')")
    tab.click("#more-button")
    tab.get_by_role("button", name="日本語").click()
    tab.wait_for_function("() => document.documentElement.lang === 'ja'")
    tab.wait_for_selector("text=本棚")
    assert tab.locator("#next").get_attribute("aria-label") == "次へ"


def test_a_book_bound_on_the_right_turns_the_other_way(tab: Any, folder: Path, sample: Path) -> None:
    with pymupdf.open(sample) as book:
        book.xref_set_key(book.pdf_catalog(), "ViewerPreferences", "<</Direction/R2L>>")
        book.set_metadata({"title": "Bound on the right"})
        book.save(folder / ".rtl.pdf")
    (folder / ".rtl.pdf").rename(folder / "rtl.pdf")
    try:
        tab.wait_for_selector("#news:visible", timeout=20_000)
        tab.click("#news button")
        tab.wait_for_function("() => document.getElementById('title').textContent === 'rtl'")
        shown(tab, 1)
        tab.keyboard.press("ArrowLeft")
        shown(tab, 2)
        tab.touchscreen.tap(40, 500)
        shown(tab, 3)
        tab.keyboard.press("ArrowRight")
        shown(tab, 2)
        tab.mouse.move(200, 90)
        tab.mouse.down()
        tab.mouse.move(500, 95, steps=5)
        tab.mouse.up()
        shown(tab, 3)
        choose(tab, "two")
        shown(tab, 3)
        right = tab.evaluate("async () => (await import('./viewer/layout.js')).spreadOf(sidebooks.book.pages, 'rtl', 2, true)")
        assert right == [3, 2], "the later page on the left"
        picture(tab, "rtl")
        tab.keyboard.press("PageDown")
        shown(tab, 4)
    finally:
        (folder / "rtl.pdf").unlink()
        tab.wait_for_selector("#shelf a", timeout=20_000)


def test_a_paper_beside_another_turns_as_its_reader_has_chosen(tab: Any) -> None:
    choose(tab, "rtl")
    tab.evaluate("location.hash += `&beside=${sidebooks.book.id}/1`")
    beside = tab.locator(".pane .canvas")
    beside.and_(tab.locator("[data-page='1'][data-sharp='true']")).wait_for()
    tab.keyboard.press("ArrowLeft")
    beside.and_(tab.locator("[data-page='2']")).wait_for(timeout=5000)


def test_progress_and_choices_are_kept(tab: Any, address: str) -> None:
    tab.locator("#position").fill("9")
    shown(tab, 9)
    choose(tab, "night")
    tab.click("#back")
    tab.wait_for_selector("#shelf a")
    tab.click("#shelf a")
    shown(tab, 9)
    tab.reload()
    shown(tab, 9)
    assert tab.evaluate("document.documentElement.hasAttribute('data-night')")


def test_controls_have_names_and_fingers_reach_them(tab: Any) -> None:
    for button in tab.locator("#reader button:visible").all():
        assert button.get_attribute("aria-label") or button.text_content().strip()
        box = button.bounding_box()
        assert box["width"] >= 44
        assert box["height"] >= 44


def test_the_page_follows_the_finger(tab: Any) -> None:
    tab.click("#next")
    shown(tab, 2)
    tab.wait_for_function("() => document.getElementById('strip').dataset.painted > 3")  # previews, and neighbours on their way
    tab.wait_for_timeout(800)
    before = canvas_pixels(tab)
    tab.mouse.move(420, 90)
    tab.mouse.down()
    tab.mouse.move(300, 90, steps=4)
    tab.wait_for_timeout(100)
    during = canvas_pixels(tab)
    assert tab.evaluate("[window.sidebooks.page, window.sidebooks.slide]") == [2, -180]
    assert np.array_equal(during[:, 200:600], before[:, 380:780]), "120 CSS pixels to the left at 1.5"
    assert during[:, -100:, 3].any(), "the next page comes in"
    tab.mouse.move(415, 90)
    tab.mouse.up()
    tab.wait_for_function("() => window.sidebooks.slide === 0")
    assert tab.evaluate("window.sidebooks.page") == 2, "let go where it began: no turn"


def test_text_can_be_selected_and_links_lead_on(tab: Any) -> None:
    tab.wait_for_selector("#text span")
    words = tab.locator("#text span")
    first = words.first.bounding_box()
    heading = words.first.text_content()
    tab.mouse.move(first["x"] + 2, first["y"] + first["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(first["x"] + first["width"] - 1, first["y"] + first["height"] / 2, steps=6)
    tab.mouse.up()
    selected = tab.evaluate("String(getSelection())")
    assert len(selected) >= 3
    assert selected in heading
    assert tab.evaluate("window.sidebooks.page") == 1, "selecting is no swipe"
    picture(tab, "selected")
    lefts = tab.evaluate("[...document.querySelectorAll('#text span')].map(one => one.getBoundingClientRect().x)")
    assert max(lefts) - min(lefts) > 100, "words lie where they are drawn"
    tab.locator("#position").fill("2")
    shown(tab, 2)
    tab.wait_for_function("() => document.getElementById('text').hidden")
    link = tab.locator("#text a").first
    link.wait_for(state="attached")
    assert link.get_attribute("href").startswith("https://")
    assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener noreferrer")


def test_the_strip_shows_thumbnails_and_riffles(tab: Any) -> None:
    tab.wait_for_function("() => document.getElementById('strip').dataset.painted > 3")
    box = tab.locator("#strip").bounding_box()
    picture(tab, "strip")
    middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(middle, y)
    tab.mouse.down()
    tab.mouse.move(middle - 300, y, steps=12)
    tab.mouse.up()
    page = tab.evaluate("window.sidebooks.page")
    assert 4 <= page <= 9
    shown(tab, page)
    tab.mouse.click(middle + 70, y)
    shown(tab, page + 1)


def test_documents_that_come_and_go_are_seen_at_once(tab: Any, folder: Path) -> None:
    other = pymupdf.open()
    other.new_page().insert_text((72, 72), "water supply")
    other.new_page()
    for number, place in ((0, 300), (1, 100)):
        target = {"from": pymupdf.Rect(100, place, 400, place + 100), "kind": pymupdf.LINK_GOTO, "page": 1 - number}
        other[number].insert_link({**target, "to": pymupdf.Point(0, 0)})
    other.set_metadata({"title": "Emergency paper"})
    other.save(folder / ".new.pdf")
    shutil.copy(folder / ".new.pdf", folder / ".copy.pdf")
    (folder / ".copy.pdf").rename(folder / "new.pdf")
    tab.wait_for_selector("#news:visible", timeout=20_000)
    assert "new.pdf" in tab.inner_text("#news")
    tab.click("#news button")
    tab.wait_for_function("() => document.getElementById('title').textContent === 'new'")
    shown(tab, 1)
    tab.locator('#text a[href^="#"]').click()
    shown(tab, 2)
    tab.wait_for_function("() => !document.getElementById('text').hidden")
    tab.locator('#text a[href^="#"]').click()
    shown(tab, 1)
    (folder / "new.pdf").unlink()
    tab.wait_for_selector("#shelf a", timeout=20_000)
    assert tab.locator("#shelf a").count() == 1
    assert "This paper was withdrawn." in tab.inner_text("#news")
    (folder / ".new.pdf").rename(folder / "new.pdf")
    tab.wait_for_function("() => document.querySelectorAll('#shelf a').length === 2")
    (folder / "new.pdf").unlink()
    tab.wait_for_function("() => document.querySelectorAll('#shelf a').length === 1")


def test_less_motion_for_who_asks_for_it(browser: Any, address: str) -> None:
    tab = browser.new_context(viewport={"width": 820, "height": 1100}, reduced_motion="reduce").new_page()
    tab.goto(address)
    tab.click("#shelf a")
    shown(tab, 1)
    tab.mouse.move(600, 90)
    tab.mouse.down()
    tab.mouse.move(300, 90, steps=5)
    assert tab.evaluate("window.sidebooks.slide") == 0
    tab.mouse.up()
    shown(tab, 2)
    assert tab.evaluate("window.sidebooks.slide") == 0
    tab.context.close()


def test_an_outage_is_told_and_a_stream_that_ends_in_its_time_is_not(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 820, "height": 1100})
    tab = context.new_page()
    is_down, asked = [False], [0]

    def answer(route: Any) -> None:
        asked[0] += 1
        if is_down[0]:
            route.abort("connectionrefused")
        else:
            route.fulfill(status=200, content_type="text/event-stream", body="retry: 100\n\n")

    tab.route("**/events?*", answer)
    tab.add_init_script(
        """window.told = [];
        addEventListener("DOMContentLoaded", () => new MutationObserver(
            () => window.told.push(document.getElementById("message").textContent),
        ).observe(document.getElementById("message"), { childList: true, characterData: true, subtree: true }));"""
    )
    tab.goto(address)
    tab.click("#shelf a")
    shown(tab, 1)
    for _ in range(200):
        if asked[0] >= 10:
            break
        tab.wait_for_timeout(100)
    assert asked[0] >= 10, "it comes again"
    lost = "No connection to the server"
    assert not [one for one in tab.evaluate("window.told") if lost in one]
    is_down[0] = True
    tab.get_by_text(lost).wait_for(timeout=30_000)
    is_down[0] = False
    tab.get_by_text(lost).wait_for(state="hidden", timeout=30_000)
    context.close()
