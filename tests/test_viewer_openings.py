"""What somebody no longer waits for does not come: documents, second panes, searches that were left."""

from __future__ import annotations

import re
from typing import Any

from reading_room import NEEDS_CHROMIUM, Open, Room, browser, open_at, room, shown

__all__ = ["browser", "open_at", "room"]
pytestmark = NEEDS_CHROMIUM


class Held:
    """Answers to requests of a kind, held back until they are let go."""

    def __init__(self, tab: Any, pattern: str) -> None:
        self.tab = tab
        self.pattern = re.compile(pattern)
        self.routes: list[Any] = []
        tab.route(self.pattern, lambda route: self.routes.append(route))

    def wait(self) -> None:
        for _ in range(200):
            if self.routes:
                return
            self.tab.wait_for_timeout(50)
        raise AssertionError("it was not asked for")

    def let_go(self) -> None:
        """They are there now, and so is what they bring."""
        for route in self.routes:
            route.continue_()
        self.tab.unroute(self.pattern)
        self.tab.wait_for_timeout(500)


def key_of(tab: Any) -> str:
    key: str = tab.evaluate("sidebooks.book.key")
    return key


def test_a_document_that_comes_when_somebody_is_back_on_the_shelf_stays_away(open_at: Open, room: Room) -> None:
    tab = open_at("右とじ", 1)
    other = room.documents()["予算書"]
    held = Held(tab, f"documents/{other}/runs.json")
    tab.evaluate(f"location.hash = '{other}'")
    held.wait()
    tab.evaluate("location.hash = ''")
    tab.get_by_text("予算書", exact=True).wait_for()
    held.let_go()
    assert tab.evaluate("[location.hash, sidebooks.book, document.getElementById('reader').hidden]") == ["", None, True]
    tab.get_by_text("予算書", exact=True).click()
    shown(tab, 1)
    assert key_of(tab) == other


def test_the_shelf_keeps_its_address_if_a_page_was_turned_a_moment_before(open_at: Open) -> None:
    tab = open_at("右とじ", 1)
    tab.wait_for_selector("#tools")
    tab.evaluate(
        """() => { document.querySelector("#next").click();
        const until_ms = performance.now() + 400; while (performance.now() < until_ms); // the page is looked at by now
        location.hash = "folder=top"; }"""
    )
    tab.wait_for_selector("#shelf h1")
    tab.wait_for_function("() => document.getElementById('reader').hidden")
    assert tab.evaluate("[location.hash, sidebooks.page]") == ["#folder=top", 2]


def test_while_a_document_is_on_its_way_the_one_before_is_read_and_one_may_stay(open_at: Open, room: Room) -> None:
    tab = open_at("右とじ", 1)
    first, other = key_of(tab), room.documents()["予算書"]
    held = Held(tab, f"documents/{other}/runs.json")
    tab.evaluate(f"location.hash = '{other}'")
    held.wait()
    tab.keyboard.press("PageDown")
    shown(tab, 2)
    tab.wait_for_timeout(400)
    assert tab.evaluate("location.hash") == f"#{other}", "where somebody goes to"
    tab.go_back()
    tab.wait_for_function("key => location.hash.startsWith(`#${key}`)", arg=first)
    shown(tab, 1)
    held.let_go()
    assert key_of(tab) == first
    tab.keyboard.press("PageDown")
    shown(tab, 2)


def test_a_second_paper_that_is_closed_while_it_comes_leaves_the_first_alone(open_at: Open, room: Room) -> None:
    tab = open_at("予算書", 1)
    held = Held(tab, f"documents/{room.documents()['右とじ']}/runs.json")
    tab.click("#more-button")
    tab.get_by_role("button", name="Two papers side by side").click()
    tab.locator("#side .lines button").filter(has_text="右とじ").click()
    held.wait()
    tab.locator(".pane-head button").click()
    held.let_go()
    assert tab.locator(".pane").count() == 0
    tab.click("#next")
    shown(tab, 2)
    assert not tab.locator("#message").is_visible()


def test_a_search_ends_with_the_paper_beside_in_which_it_was(open_at: Open, room: Room) -> None:
    tab = open_at("右とじ", 1)
    tab.click("#more-button")
    tab.get_by_role("button", name="Two papers side by side").click()
    tab.locator("#side .lines button").filter(has_text="予算書").click()
    tab.wait_for_selector(".pane .canvas[data-sharp=true]")
    tab.click("#find-button")
    tab.locator("#query").fill("水道")
    tab.keyboard.press("Enter")
    tab.locator("#hitbar").get_by_text("1 / 3").wait_for()
    tab.keyboard.press("Escape")
    tab.locator(".pane-head button").click()
    assert tab.locator("#hitbar").count() == 0
    tab.keyboard.press("n")
    tab.click("#next")
    shown(tab, 2)


def test_the_end_of_a_document_of_one_page_is_called_its_end(open_at: Open) -> None:
    tab = open_at("帯", 1)
    tab.keyboard.press("ArrowRight")
    tab.locator("#badge").get_by_text("last page").wait_for()
    tab.keyboard.press("ArrowLeft")
    tab.locator("#badge").get_by_text("first page").wait_for()
