"""A folder with two papers and a meeting about them, and browsers that take part: for the tests of meetings in the viewer."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from house import House, Visits, pdf
from viewer_screen import canvas_pixels

PATIENCE_MS = 30_000
PAGES = [f"予算の第{number}款" for number in range(1, 13)]
NAME = "令和8年第1回定例会"
TABLET = (820, 1100)
PHONE = (390, 844)
DESKTOP = (1440, 900)

CHAIR, MEMBER, CLERK = "係長", "議員", "事務局員"


def words(language: str) -> dict[str, str]:
    """All texts of the viewer by key."""
    viewer = ROOT / "sidebooks_core" / "server" / "viewer"
    texts = [
        (viewer / f"{name}-{language}.js").read_text(encoding="utf-8") for name in ("words", "words-meeting", "words-notes")
    ]
    return dict(re.findall(r'^  "?([\w ]+)"?: "(.*)",$', "\n".join(texts), re.M))


JA = words("ja")


def t(key: str, **values: object) -> str:
    """A text in Japanese."""
    return re.sub(r"{(\w+)}", lambda one: str(values[one[1]]), JA[key])


class Seat:
    """Somebody's browser in a meeting."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab

    def sees(self, page: int, paper: str | None = None) -> Seat:
        """Wait until a page is on the screen, sharp."""
        self.tab.wait_for_selector(f'#canvas[data-page="{page}"][data-sharp="true"]', timeout=PATIENCE_MS)
        if paper is not None:
            here = "id => window.sidebooks.book?.paper?.id === id"
            self.tab.wait_for_function(here, arg=paper, timeout=PATIENCE_MS)
        return self

    def says(self, text: str) -> Seat:
        """Wait until the bar of the meeting says something."""
        self.tab.locator("#meetingbar", has_text=text).wait_for(timeout=PATIENCE_MS)
        return self

    def is_told(self, text: str) -> Seat:
        self.tab.locator(".meeting-told", has_text=text).wait_for(timeout=PATIENCE_MS)
        return self

    def turns(self, key: str = "ArrowRight") -> Seat:
        self.tab.keyboard.press(key)
        return self

    @property
    def page(self) -> int:
        """That the reader is at."""
        return int(self.tab.evaluate("window.sidebooks.page"))

    def side(self, name: str) -> Any:
        """A side of the panel of the meeting: agenda, present, votes, course."""
        if not self.tab.locator("#meetingside").is_visible():
            self.tab.locator("#meetingbar").get_by_role("button", name=t("m_menu")).click()
        self.tab.locator(f"#meetingside [data-side={name}]").click()
        self.tab.wait_for_selector(f"#meetingside [data-side={name}][aria-pressed=true]")
        return self.tab.locator("#meetingside")

    def press(self, key: str, **values: object) -> None:
        """A button in the bar or the panel of the meeting."""
        self.tab.locator("#meetingbar, #meetingside").get_by_role("button", name=t(key, **values), exact=True).first.click()

    def hands_over_to(self, name: str) -> None:
        """Make somebody else the presenter."""
        row = self.side("present").get_by_role("listitem").filter(has_text=name)
        row.locator("summary").click()
        row.get_by_role("button", name=t("hand_over")).click()

    def mode(self, mode: str) -> None:
        self.side("course").locator(f"[data-choice={mode}]").click()
        self.tab.wait_for_selector(f"#meetingside [data-choice={mode}][aria-pressed=true]")


class Hall:
    """A meeting, and who takes part in it."""

    def __init__(self, house: House, visit: Visits) -> None:
        self.house, self.visit = house, visit
        self.folder = house.folder(NAME)
        self.budget = house.paper(self.folder, "予算書.pdf", pdf(*PAGES))
        self.petition = house.paper(self.folder, "請願書.pdf", pdf("請願の要旨", "請願の理由", "紹介議員"))
        self.meeting: str = house.ask("POST", f"folders/{self.folder}/meetings", {"name": NAME})["id"]

    @property
    def place(self) -> str:
        return f"#meeting={self.meeting}"

    def seat(self, who: str | None, place: str | None = None, screen: tuple[int, int] = TABLET, **options: Any) -> Seat:
        """Somebody comes to the meeting."""
        given = {"locale": "ja-JP", "viewport": {"width": screen[0], "height": screen[1]}, **options}
        return Seat(self.visit(who, self.place if place is None else place, **given))

    def end(self) -> None:
        """However far the test came: the next one has a list of meetings of its own."""
        state = self.house.ask("GET", f"meetings/{self.meeting}")
        if state["ended_s"] is None:
            self.house.ask("POST", f"meetings/{self.meeting}/end")


@pytest.fixture
def hall(house: House, visit: Visits) -> Hall:
    return Hall(house, visit)


def red(seat: Seat) -> int:
    """Pixels of a strong red among the tiles: of the pointer, or of a red pen."""
    pixels = canvas_pixels(seat.tab).astype(int)
    return int(np.count_nonzero((pixels[..., 0] > 180) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)))


def wait_for_red(seat: Seat, holds: Any) -> None:
    """Until their number is as `holds` wants it."""
    for _ in range(300):
        if holds(red(seat)):
            return
        seat.tab.wait_for_timeout(100)
    raise AssertionError(red(seat))
