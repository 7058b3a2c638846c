"""Meetings in real browsers: one presents, others follow on other screens."""

from __future__ import annotations

from typing import Any

import pytest
from house import NEEDS_CHROMIUM, House, Visits, browser, house, pdf, visit

pytest.importorskip("websockets", reason="needs the extra server")
pytestmark = NEEDS_CHROMIUM

__all__ = ["browser", "house", "visit"]

PAGES = [f"予算の第{number}款" for number in range(1, 13)]
PATIENCE_MS = 30_000


class Hall:
    """A folder with two papers, and a meeting about them."""

    def __init__(self, house: House, name: str = "令和8年第1回定例会") -> None:
        self.house = house
        self.folder = house.folder(name)
        self.budget = house.paper(self.folder, "予算書.pdf", pdf(*PAGES))
        self.petition = house.paper(self.folder, "請願書.pdf", pdf("請願の要旨", "請願の理由", "紹介議員"))
        self.meeting: str = house.ask("POST", f"folders/{self.folder}/meetings", {"name": name})["id"]

    @property
    def place(self) -> str:
        return f"#meeting={self.meeting}"


@pytest.fixture
def hall(house: House) -> Hall:
    return Hall(house)


def sees(tab: Any, page: int, paper: str | None = None) -> None:
    """Wait until a page is on the screen, sharp."""
    tab.wait_for_selector(f'#canvas[data-page="{page}"][data-sharp="true"]', timeout=PATIENCE_MS)
    if paper is not None:
        tab.wait_for_function("id => window.sidebooks.book?.paper?.id === id", arg=paper, timeout=PATIENCE_MS)


def says(tab: Any, text: str) -> None:
    """Wait until the bar of the meeting says something."""
    tab.locator("#meetingbar", has_text=text).wait_for(timeout=PATIENCE_MS)


def test_all_are_on_the_page_to_which_the_presenter_turns(hall: Hall, visit: Visits) -> None:
    presenter = visit("係長", hall.place, locale="ja-JP")
    sees(presenter, 1, hall.budget)
    follower = visit("議員", hall.place, locale="ja-JP")
    sees(follower, 1, hall.budget)
    says(follower, "係長さんのページを見ています")
    presenter.keyboard.press("ArrowRight")
    sees(follower, int(presenter.evaluate("window.sidebooks.page")), hall.budget)
