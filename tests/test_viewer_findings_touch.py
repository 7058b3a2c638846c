"""Findings D4 and D24 of the review: what fingers mean, with the browser's own touch events."""

from __future__ import annotations

import time
from typing import Any

import pytest
from reading_room import NEEDS_CHROMIUM, Hand, Open, browser, open_at, room, shown

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "open_at", "room"]

STAYS_S = 0.5  # longer than a slide, or than a tap waits for a second one


@pytest.fixture
def tab(open_at: Open) -> Any:
    return open_at("予算書", 5)


def stays(tab: Any, page: int = 5) -> None:
    time.sleep(STAYS_S)
    assert tab.evaluate("[sidebooks.page, sidebooks.slide]") == [page, 0]


def test_scrolling_with_a_drift_sideways_turns_nothing(tab: Any) -> None:
    Hand(tab).drag((400, 300), (445, 800))
    Hand(tab).drag((400, 800), (355, 300))
    stays(tab)


def test_a_slanting_drag_turns_nothing(tab: Any) -> None:
    Hand(tab).drag((300, 300), (600, 600))
    Hand(tab).drag((600, 600), (300, 350))
    stays(tab)


@pytest.mark.parametrize("x", [20, 790])
def test_a_thumb_that_rests_at_an_edge_turns_nothing(tab: Any, x: int) -> None:
    hand = Hand(tab)
    hand.down(x, 500)
    hand.rest(0.8)
    hand.up()
    stays(tab)


@pytest.mark.parametrize("x", [180, 640])
def test_a_long_press_on_text_turns_nothing(tab: Any, x: int) -> None:
    tab.wait_for_selector("#text span", state="attached")
    hand = Hand(tab)
    hand.down(x, 300)
    hand.rest(0.8)
    hand.up()
    stays(tab)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_tap_or_two_away_from_the_edges_turn_nothing(tab: Any, share: float) -> None:
    hand = Hand(tab)
    shown(tab, 5)
    hand.double_tap(810 * share, 400)
    tab.wait_for_function("() => sidebooks.zoom > 1.2")
    stays(tab)
    assert not tab.evaluate("document.documentElement.hasAttribute('data-bare')"), "two taps are not one"
    shown(tab, 5)
    hand.double_tap(810 * share, 400)
    tab.wait_for_function("() => sidebooks.zoom === 1")
    hand.tap(810 * share, 400)  # a finger that points at a number
    stays(tab)


def test_a_tap_beside_an_open_panel_closes_it_and_turns_nothing(tab: Any) -> None:
    tab.click("#contents-button")
    tab.wait_for_selector("#side .line")
    Hand(tab).tap(20, 500)
    tab.wait_for_selector("#side", state="hidden")
    stays(tab)


@pytest.mark.parametrize(("axis", "sign"), [("x", 1), ("y", 1), ("y", -1)])
def test_a_flick_of_a_trackpad_with_its_inertia_turns_one_page(tab: Any, axis: str, sign: int) -> None:
    session = tab.context.new_cdp_session(tab)
    began_s = time.time()
    for index in range(60):
        moved = {"deltaX": 0, "deltaY": 0, f"delta{axis.upper()}": sign * 60 * 0.94**index}
        event = {"type": "mouseWheel", "x": 400, "y": 500, "timestamp": began_s + 0.016 * index, **moved}
        session.send("Input.dispatchMouseEvent", event)
    shown(tab, 5 + sign)
    stays(tab, 5 + sign)


def test_a_thumb_that_rests_leaves_the_other_hand_free(tab: Any) -> None:
    hand = Hand(tab)
    hand.down(15, 900, finger=1)
    hand.rest(0.5)
    for page in (6, 7):
        hand.drag((600, 500), (250, 500))
        shown(tab, page)
        stays(tab, page)
    hand.up(finger=1)


def test_a_tap_that_trembles_is_a_tap(tab: Any) -> None:
    hand = Hand(tab)
    hand.down(785, 500)
    hand.move(779, 505)
    hand.move(777, 506)
    hand.up()
    shown(tab, 6)
    hand.down(400, 500)
    hand.move(406, 507)
    hand.up()
    tab.wait_for_selector("header", state="hidden")


def test_there_is_nothing_between_a_tap_and_a_swipe(tab: Any) -> None:
    """From 15 px on the page follows, so that one sees that it was understood."""
    hand = Hand(tab)
    hand.down(400, 500)
    hand.move(370, 500)
    tab.wait_for_function("() => sidebooks.slide < -20")
    hand.move(310, 500)
    hand.up()
    shown(tab, 6)


def test_a_swipe_that_begins_on_a_link_turns_and_a_tap_follows_it(open_at: Open) -> None:
    tab = open_at("予算書", 2)
    link = tab.locator("#text a").first
    link.wait_for()
    tab.wait_for_function("() => !document.getElementById('text').hidden")
    box = link.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    Hand(tab).drag((x + 50, y), (x - 250, y))
    shown(tab, 3)
    Hand(tab).drag((x - 150, y), (x + 150, y))
    shown(tab, 2)
    tab.wait_for_function("([x, y]) => document.elementFromPoint(x, y).closest('a')", arg=[x, y])
    time.sleep(1)  # the browser takes a tap right after a swipe for the end of it
    tab.touchscreen.tap(x, y)
    shown(tab, 9)
