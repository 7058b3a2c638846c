"""Findings D2, D7, D14 to D16, D20, D25, D27, D28 and D30 of the review: the page, and the ways through a document."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reading_room import NEEDS_CHROMIUM, PAGES, Hand, Open, browser, open_at, room, shown
from viewer_screen import canvas_pixels, choose

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "open_at", "room"]

BOXES = """async () => { const { zoomed, fit, spreadOf } = await import("./viewer/layout.js"); const s = sidebooks;
    const c = document.getElementById("canvas"); const margin = innerWidth < 600 ? 0 : Math.round(8 * devicePixelRatio);
    const together = Boolean(document.getElementById("number").textContent.match(/–/));
    const spread = spreadOf(s.book.pages, s.direction, s.page, together, true);
    const view = { width: c.width, height: c.height };
    return fit(s.book.pages, spread, c.width - 2 * margin, c.height - 2 * margin)
        .map((one) => zoomed({ ...one, x: one.x + margin, y: one.y + margin }, view, s)); }"""


def place(tab: Any) -> dict[str, Any]:
    found: dict[str, Any] = tab.evaluate(
        "({ ...Object.fromEntries(['mode', 'zoom', 'x', 'y', 'page'].map(k => [k, sidebooks[k]])) })"
    )
    return found


def settled(tab: Any, page: int) -> None:
    """Shown, and in the address."""
    shown(tab, page)
    tab.wait_for_function("page => location.hash.endsWith(`/${page}`)", arg=page)


def letters_px(tab: Any) -> float:
    """How high a line of the text is on the screen."""
    tab.wait_for_function("() => !document.getElementById('text').hidden && document.querySelector('#text span')")
    height: float = tab.evaluate(
        """() => { const spans = [...document.querySelectorAll('#text span')];
        const all = spans.map(one => one.getBoundingClientRect().height).sort((a, b) => a - b);
        return all[Math.floor(all.length / 2)]; }"""
    )
    return height


# D2


def test_a_page_as_wide_as_the_screen_stays_so(open_at: Open) -> None:
    tab = open_at("予算書", 5, "android")
    choose(tab, "one")
    shown(tab, 5)
    small = letters_px(tab)
    choose(tab, "width")
    tab.wait_for_function("() => sidebooks.mode === 'width' && sidebooks.zoom > 2.5")
    wide = place(tab)
    shown(tab, 5)
    assert letters_px(tab) > 2 * small
    assert wide["y"] > 0, "the top of the page first"
    for press, page in (("#next", 6), ("#next", 7)):
        tab.click(press)
        shown(tab, page)
        assert place(tab) == {**wide, "page": page}
    tab.locator("#position").fill("20")
    shown(tab, 20)
    assert place(tab) == {**wide, "page": 20}
    tab.keyboard.press("PageDown")
    tab.wait_for_function("y => sidebooks.page === 20 && sidebooks.y < y - 100", arg=wide["y"])
    while place(tab)["page"] == 20:  # on by screens, and over the end to the next page's top
        tab.keyboard.press("PageDown")
        time.sleep(0.05)
    shown(tab, 21)
    assert place(tab) == {**wide, "page": 21}
    tab.keyboard.press("PageUp")
    shown(tab, 20)
    assert place(tab)["y"] == -wide["y"], "back at its end"
    tab.set_viewport_size({"width": 810, "height": 1080})
    tab.wait_for_function("zoom => sidebooks.mode === 'width' && sidebooks.zoom < zoom", arg=wide["zoom"])
    tab.wait_for_function("() => document.getElementById('canvas').width === 810")  # it is painted in its new size
    tab.wait_for_function("() => !document.getElementById('number').textContent.includes('–')")  # and one page is told
    [box] = tab.evaluate(BOXES)
    assert box["width"] == pytest.approx(810, abs=3)
    tab.reload()
    shown(tab, 20)
    assert place(tab)["mode"] == "width"


def test_a_zoom_is_kept_over_turns_jumps_and_rotation(open_at: Open) -> None:
    tab = open_at("予算書", 5)
    hand = Hand(tab)
    hand.both((350, 500), (450, 500), [(-10, 0, 10, 0)] * 6)
    tab.wait_for_function("() => sidebooks.zoom > 1.8")
    zoom = place(tab)["zoom"]
    hand.tap(795, 500)  # at the edge: turns, whatever the zoom
    shown(tab, 6)
    tab.click("#next")
    shown(tab, 7)
    tab.locator("#position").fill("15")
    shown(tab, 15)
    assert place(tab)["zoom"] == zoom
    tab.set_viewport_size({"width": 1080, "height": 810})
    tab.wait_for_function("() => document.getElementById('canvas').width === 2160")
    shown(tab, 15)
    assert place(tab)["zoom"] == zoom


def test_a_tap_in_the_middle_gives_the_whole_screen_to_the_page(open_at: Open) -> None:
    tab = open_at("予算書", 5, "android")
    choose(tab, "one")
    bars = "header, footer"
    [before] = tab.evaluate(BOXES)
    Hand(tab).tap(640, 400)
    tab.wait_for_function("() => document.getElementById('stage').clientHeight === innerHeight")
    assert not [one for one in tab.locator(bars).all() if one.is_visible()]
    tab.wait_for_function("() => document.getElementById('canvas').height === innerHeight")
    shown(tab, 5)
    [after] = tab.evaluate(BOXES)
    assert after["height"] > 1.15 * before["height"]
    tab.reload()
    shown(tab, 5)
    assert tab.locator("header").is_hidden(), "as it was left"
    tab.wait_for_selector("#reveal", state="attached")
    Hand(tab).tap(640, 400)
    tab.wait_for_selector("header", state="visible")


def test_a_double_tap_fills_the_screen_with_the_column(open_at: Open) -> None:
    tab = open_at("予算書", 5)
    tab.wait_for_selector("#text span", state="attached")
    hand = Hand(tab)
    for x in (250, 560):
        hand.double_tap(x, 400)
        tab.wait_for_function("() => sidebooks.mode === 'free'")
        tab.wait_for_function("() => document.getElementById('canvas').dataset.zoom === String(sidebooks.zoom)")
        shown(tab, 5)
        tab.wait_for_function("() => !document.getElementById('text').hidden")
        seen = tab.evaluate(
            """() => [...document.querySelectorAll('#text span')].map(one => one.getBoundingClientRect())
                .filter(one => one.left > -20 && one.right < innerWidth + 20 && one.width > 200)
                .filter(one => one.bottom > 60 && one.top < 900)
                .map(one => [one.left, one.right])"""
        )
        left, right = min(one[0] for one in seen), max(one[1] for one in seen)
        assert left >= 0, "each line is whole"
        assert right <= 810
        assert right - left > 0.85 * 810
        hand.double_tap(400, 400)
        tab.wait_for_function("() => sidebooks.zoom === 1")
        shown(tab, 5)


def test_two_fingers_move_an_enlarged_page_and_one_lets_it_run_on(open_at: Open) -> None:
    tab = open_at("予算書", 5)
    hand = Hand(tab)
    hand.both((300, 500), (500, 500), [(-15, 0, 15, 0)] * 10)
    tab.wait_for_function("() => sidebooks.zoom > 2")
    before = place(tab)
    hand.both((300, 500), (500, 500), [(12, 20, 12, 20)] * 8)
    tab.wait_for_function("x => sidebooks.x > x + 100", arg=before["x"])
    assert place(tab)["y"] > before["y"] + 150
    assert place(tab)["zoom"] == pytest.approx(before["zoom"], rel=0.1)
    hand.down(400, 800)
    for y in range(780, 500, -40):
        hand.move(400, y)
    let_go = tab.evaluate("sidebooks.y")
    hand.up()
    tab.wait_for_function("y => sidebooks.y < y - 60", arg=let_go)
    assert place(tab)["page"] == 5


# D7


def test_a_page_is_gone_to_by_its_number_its_label_or_what_is_printed(open_at: Open) -> None:
    tab = open_at("番号", 12)
    number = tab.locator("#number")
    assert number.text_content() == f"6 (12 of {PAGES})", "what the chair says, and the count"
    for typed, page in (("iii", 3), ("6", 12), ("#6", 6), ("第７ページ", 13)):
        number.click()
        field = tab.get_by_label("Go to page")
        field.wait_for()
        field.fill(typed)
        field.press("Enter")
        shown(tab, page)
        tab.wait_for_function("() => document.getElementById('side').hidden")
    tab.wait_for_function("text => document.getElementById('number').textContent === text", arg=f"7 (13 of {PAGES})")
    number.click()
    tab.get_by_label("Go to page").fill("900")
    tab.keyboard.press("Enter")
    tab.get_by_text(f"1 to {PAGES}").wait_for()
    assert place(tab)["page"] == 13


def test_a_document_without_labels_learns_which_number_is_printed(open_at: Open) -> None:
    tab = open_at("予算書", 12)
    tab.click("#number")
    tab.locator("#side summary").click()
    printed = tab.locator("#side details input")
    printed.fill("6")
    printed.press("Enter")
    tab.wait_for_function("text => document.getElementById('number').textContent === text", arg=f"6 (12 of {PAGES})")
    for typed, page in (("1", 7), ("#1", 1)):
        tab.locator("#side [data-first]").fill(typed)
        tab.locator("#side [data-first]").press("Enter")
        shown(tab, page)
        tab.click("#number")
        tab.wait_for_selector("#side [data-first]")
    settled(tab, 1)
    tab.reload()
    shown(tab, 1)
    tab.wait_for_selector("#number")
    tab.keyboard.press("End")
    tab.wait_for_function(
        "text => document.getElementById('number').textContent === text", arg=f"{PAGES - 6} ({PAGES} of {PAGES})"
    )


# D14, D15


def test_a_document_bound_on_the_right_has_everything_mirrored(open_at: Open) -> None:
    tab = open_at("右とじ", 3)
    left, right = tab.locator("#next").bounding_box(), tab.locator("#previous").bounding_box()
    assert left["x"] < right["x"], "the button at the left goes on, as a tap there does"
    tab.mouse.click(left["x"] + left["width"] / 2, left["y"] + left["height"] / 2)
    shown(tab, 4)
    Hand(tab).tap(15, 500)
    shown(tab, 5)
    slider = tab.locator("#position").bounding_box()
    tab.mouse.click(slider["x"] + 3, slider["y"] + slider["height"] / 2)
    shown(tab, 8)


def test_the_binding_can_be_chosen_and_is_remembered(open_at: Open) -> None:
    tab = open_at("予算書", 5)
    choose(tab, "rtl")
    tab.keyboard.press("ArrowLeft")
    settled(tab, 6)
    tab.reload()
    shown(tab, 6)
    tab.wait_for_selector("#places.rtl")
    tab.keyboard.press("ArrowLeft")
    shown(tab, 7)
    assert tab.locator("#next").bounding_box()["x"] < tab.locator("#previous").bounding_box()["x"]


def test_two_pages_lie_side_by_side_where_there_is_room(open_at: Open) -> None:
    tab = open_at("予算書", 3, "android")
    text = "() => document.getElementById('number')?.textContent"
    tab.wait_for_function(f"() => ({text})() === '2–3 of {PAGES}'")
    left, right = tab.evaluate(BOXES)
    assert left["x"] + left["width"] == pytest.approx(right["x"], abs=1)
    pixels = canvas_pixels(tab).astype(int)
    row = round(left["y"] + 0.03 * left["height"])
    between = pixels[row, round(right["x"]) - 2 : round(right["x"]) + 3, :3]
    assert between.min() < 160, "a line between them"
    assert contrast(between[between.sum(axis=1).argmin()], (255, 255, 255)) > 3
    tab.set_viewport_size({"width": 800, "height": 1280})
    tab.wait_for_function(f"() => ({text})() === '3 of {PAGES}'")
    shown(tab, 3)
    # The strip marks both: coloured frames right and left of the middle.
    choose(tab, "two")
    tab.wait_for_function(f"() => ({text})() === '2–3 of {PAGES}'")
    tab.reload()
    shown(tab, 3)
    tab.wait_for_function(f"() => ({text})() === '2–3 of {PAGES}'")
    tab.wait_for_function("() => document.getElementById('strip').dataset.painted > 3")
    accent = """() => { const c = document.getElementById('strip');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const isAccent = (i) => Math.abs(d[i] - 11) + Math.abs(d[i + 1] - 93) + Math.abs(d[i + 2] - 67) < 12;
        const found = new Set(); for (let i = 0; i < d.length; i += 4) if (isAccent(i)) found.add((i / 4) % c.width);
        return [Math.min(...found), Math.max(...found)]; }"""
    tab.wait_for_function(f"() => {{ const [from, to] = ({accent})(); return to - from > 90; }}")
    choose(tab, "no")
    tab.wait_for_function(f"() => ({text})() === '3–4 of {PAGES}'")


def contrast(one: Any, other: Any) -> float:
    def light(colour: Any) -> float:
        parts = [value / 255 for value in colour]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


# D16


def test_there_is_a_way_back_from_every_jump(open_at: Open) -> None:
    tab = open_at("予算書", 2)
    tab.click("#contents-button")
    tab.locator("#side .line", has_text="歳出").click()
    settled(tab, 21)
    tab.keyboard.press("Home")
    settled(tab, 1)
    tab.go_back()
    settled(tab, 21)
    tab.go_back()
    settled(tab, 2)
    tab.wait_for_function("() => !document.getElementById('text').hidden")
    tab.locator("#text a").first.click()
    settled(tab, 9)
    tab.keyboard.press("ArrowRight")
    settled(tab, 10)
    tab.get_by_role("button", name="Back to page 2").click()
    settled(tab, 2)
    assert tab.locator("#wayback").count() == 0
    slider = tab.locator("#position").bounding_box()
    tab.mouse.click(slider["x"] + slider["width"] - 4, slider["y"] + slider["height"] / 2)
    settled(tab, PAGES)
    tab.get_by_role("button", name="Back to page 2").click()
    settled(tab, 2)
    tab.click("#back")
    tab.wait_for_selector("#shelf a")


# D20


def test_keys_turn_after_the_slider_was_used(open_at: Open) -> None:
    tab = open_at("予算書", 2)
    slider = tab.locator("#position").bounding_box()
    tab.mouse.click(slider["x"] + slider["width"] / 2, slider["y"] + slider["height"] / 2)
    tab.wait_for_function("() => sidebooks.page > 10")
    page = place(tab)["page"]
    for key, step in (("PageDown", 1), ("PageUp", 0), ("ArrowRight", 1), (" ", 2)):
        tab.keyboard.press(key)
        shown(tab, page + step)
    for key, shows in (("?", "#side .keys"), ("/", "#query"), ("Escape", "")):
        tab.keyboard.press(key)
        if shows:
            tab.wait_for_selector(shows)
    tab.wait_for_selector("#side", state="hidden")
    tab.keyboard.press("f")
    tab.wait_for_selector("header", state="hidden")
    tab.keyboard.press("f")
    tab.keyboard.press("Control+f")
    tab.wait_for_selector("#query")


def test_a_mouse_pans_an_enlarged_page_over_its_text(open_at: Open) -> None:
    tab = open_at("予算書", 5, "desktop")
    for _ in range(3):
        tab.keyboard.press("+")
    shown(tab, 5)
    tab.wait_for_function("() => sidebooks.zoom > 3 && !document.getElementById('text').hidden")
    x, y = tab.wait_for_function(
        """() => [...document.querySelectorAll('#text span')].map(one => one.getBoundingClientRect())
            .map(one => [(one.left + one.right) / 2, (one.top + one.bottom) / 2])
            .find(([x, y]) => x > 160 && x < 1300 && y > 250 && y < 650)"""
    ).json_value()
    before = place(tab)
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x - 150, y - 100, steps=6)
    time.sleep(0.15)  # held still: it does not run on
    tab.mouse.up()
    assert tab.evaluate("String(getSelection())") == ""
    after = place(tab)
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((-150, -100), abs=8)
    assert after["page"] == 5


# D25, D27, D28, D30


@pytest.mark.parametrize("how", ["address", "reload", "key"])
def test_no_ring_is_around_the_page_of_who_only_reads(open_at: Open, how: str) -> None:
    tab = open_at("予算書", 5)
    if how == "reload":
        tab.reload()
        shown(tab, 5)
        tab.wait_for_function("() => document.querySelector('#tools span')?.textContent")
    if how == "key":
        tab.keyboard.press("ArrowRight")
        shown(tab, 6)
    assert tab.evaluate("document.activeElement.id") == "stage"
    assert tab.evaluate("getComputedStyle(document.getElementById('stage')).outlineStyle") == "none"
    tab.keyboard.press("Tab")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", (
        "who goes by keys sees where they are"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_an_edge_and_does_not_touch_the_bars(open_at: Open, scheme: str) -> None:
    tab = open_at("予算書", 5, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.hasAttribute('data-night')") == (scheme == "dark"), "as the system"
    [box] = tab.evaluate(BOXES)
    assert box["y"] >= 8
    pixels = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"))
    top = tab.locator("#stage").bounding_box()["y"] * 2 + box["y"]
    column = pixels[round(top) - 12 : round(top) + 12, 810]
    paper, ground, edges = column[-1], column[0], column[8:16]
    assert max(min(contrast(edge, paper), 99) for edge in edges) > 3, "the edge is seen on the paper"
    assert contrast(paper, ground) > 1.15


def test_the_strip_and_the_slider_are_seen_at_night(open_at: Open) -> None:
    tab = open_at("予算書", 5, color_scheme="dark")
    tab.wait_for_function("() => document.getElementById('strip').dataset.painted > 5")
    found = tab.evaluate(
        """() => { const c = document.getElementById('strip');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const seen = new Set(); let most = 0;
        for (let i = 0; i < d.length; i += 4) if (d[i + 3]) { seen.add(d[i] >> 3); most = Math.max(most, d[i]); }
        return [seen.size, most]; }"""
    )
    assert found[0] > 4, "pages, not grey boxes"
    assert tab.evaluate("getComputedStyle(document.getElementById('position')).colorScheme") == "dark"


def test_a_long_strip_can_be_read(open_at: Open) -> None:
    tab = open_at("帯", 1)
    for _ in range(14):
        tab.keyboard.press("+")
    tab.wait_for_function("() => document.getElementById('canvas').dataset.zoom === String(sidebooks.zoom)")
    [box] = tab.evaluate(BOXES)
    assert box["scale"] / 2 > 6, "six pixels of the screen for a point of the paper"
    shown(tab, 1)
