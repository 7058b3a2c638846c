"""The search over all papers in a real browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from house import (
    NEEDS_CHROMIUM,
    House,
    Visits,
    browser,
    house,
    pdf,
    picture,
    visit,
)
from viewer_screen import canvas_pixels, shown

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "house", "visit"]


def test_a_hit_of_the_search_opens_its_page_with_the_hit_marked(visit: Visits, house: House) -> None:
    folder = house.folder("検索")
    house.paper(folder, "水道.pdf", pdf("はじめに", "水道管の耐震化", "おわりに"))
    house.paper(folder, "道路.pdf", pdf("道路", "水道管の横の道路"))
    tab = visit("議員")
    tab.wait_for_selector("input[type=search]")
    for _ in range(40):  # the words of a paper follow its pages
        tab.get_by_label("Search in all papers").fill("水道管")
        tab.get_by_role("button", name="Search").click()
        tab.wait_for_function("() => /^Found on|^Nothing/.test(document.querySelector('[role=status]').textContent)")
        if tab.locator(".found > li").count() == 2:
            break
        tab.wait_for_timeout(250)
        tab.reload()
    assert sorted(tab.locator(".found h2").all_text_contents()) == ["水道", "道路"]
    assert tab.locator(".found mark").first.text_content() == "水道管"
    picture(tab, "search")
    tab.locator(".found > li").filter(has=tab.get_by_role("heading", name="水道")).get_by_role("link").click()
    shown(tab, 2)
    tab.wait_for_timeout(300)
    pixels = canvas_pixels(tab).astype(int)
    marked = (pixels[..., 0] > 230) & (pixels[..., 2] < 190) & (pixels[..., 3] == 255)
    assert np.count_nonzero(marked) > 100
    tab.go_back()
    tab.get_by_role("heading", name="Search: 水道管").wait_for()
    tab.get_by_label("Search in all papers").fill("どこにもない言葉")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("text=Nothing found for")


def test_a_search_says_how_many_papers_are_still_being_read(visit: Visits) -> None:
    tab = visit("議員")
    tab.wait_for_selector("input[type=search]")
    counts = [3, 1, 0]

    def answer(route: Any) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)["q"][0]
        route.fulfill(json={"query": asked, "pages": [], "next": None, "unindexed": int(asked[-1])})

    tab.route("**/search?*", answer)
    for count, text in zip(counts, ("3 papers are still being read", "1 paper is still being read", ""), strict=True):
        tab.get_by_label("Search in all papers").fill(f"言葉{count}")
        tab.keyboard.press("Enter")
        tab.wait_for_selector(f"text=Nothing found for “言葉{count}”")
        assert tab.locator(".unindexed").inner_text().startswith(text) if text else tab.locator(".unindexed").is_hidden()


def test_a_search_that_found_nothing_goes_on_when_a_paper_has_been_read(visit: Visits, house: House) -> None:
    tab = visit("議員")
    tab.wait_for_selector("input[type=search]")
    unread = [True]

    def answer(route: Any) -> None:
        hit = {
            "paper": "p",
            "name": "水道",
            "page": 2,
            "preview": None,
            "hits": [{"page": 2, "boxes": [], "text": "水道管の耐震化"}],
        }
        is_read = not unread[0]
        route.fulfill(json={"query": "水道管", "pages": [hit] * is_read, "next": None, "unindexed": int(not is_read)})

    tab.route("**/search?*", answer)
    tab.get_by_label("Search in all papers").fill("水道管")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("text=1 paper is still being read")
    unread[0] = False
    house.folder("何かが変わった")
    tab.wait_for_selector("text=Found on 1 page")
    assert tab.locator(".unindexed").is_hidden()


def test_a_search_over_all_papers_is_stopped_by_its_button_and_by_who_leaves(visit: Visits, house: House) -> None:
    house.folder("どこか")
    tab = visit("議員")
    tab.wait_for_selector("input[type=search]")
    hit = {
        "paper": "p",
        "name": "水道",
        "page": 2,
        "preview": None,
        "hits": [{"page": 2, "boxes": [], "text": "水道管の耐震化"}],
    }
    held: list[Any] = []

    def answer(route: Any) -> None:
        if "before=7" in route.request.url:
            held.append(route)  # the next step takes long
        else:
            route.fulfill(json={"query": "水道管", "pages": [hit], "next": 7, "unindexed": 0})

    tab.route("**/search?*", answer)
    tab.get_by_label("Search in all papers").fill("水道管")
    tab.keyboard.press("Enter")
    told = tab.locator("#shelf .told")
    told.get_by_text("Found on 1 page – Searching").wait_for()
    with tab.expect_event("requestfailed", lambda one: "before=7" in one.url):
        tab.get_by_role("button", name="Stop").click()
    told.get_by_text("Found on 1 page so far").wait_for()
    assert tab.get_by_role("button", name="Stop").count() == 0
    assert tab.get_by_role("button", name="Search further").evaluate("one => one === document.activeElement")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="Stop").wait_for()
    with tab.expect_event("requestfailed", lambda one: "before=7" in one.url):
        tab.locator(".way a").click()
    tab.get_by_role("link", name="どこか").wait_for()
    assert len(held) == 2
