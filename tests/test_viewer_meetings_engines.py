"""Meetings in the browsers that the viewer is for: Firefox, WebKitGTK, and those that are as old as may be."""

from __future__ import annotations

import json

import pytest
from engines import Engine
from house import NEEDS_CHROMIUM, PASSWORD, browser, house, visit
from meeting_hall import CHAIR, MEMBER, Hall, Seat, hall, t
from test_viewer_reach import AS_OLD_AS_MAY_BE, engine, page_is

pytest.importorskip("websockets", reason="needs the extra server")
pytestmark = NEEDS_CHROMIUM

__all__ = ["browser", "engine", "hall", "house", "visit"]

LOG_IN = """const headers = { "Content-Type": "application/json" };
fetch("login", { method: "POST", headers, body: arguments[0] }).then(({ status }) => { window.loggedIn = status; });"""


def hand_over(chair: Seat) -> None:
    row = chair.side("present").get_by_role("listitem").filter(has_text=MEMBER)
    row.locator("summary").click()
    row.get_by_role("button", name=t("hand_over")).click()


def test_one_follows_and_presents_in_other_engines(hall: Hall, engine: Engine) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    engine.open(hall.house.address)
    engine.run(LOG_IN, json.dumps({"name": MEMBER, "password": PASSWORD}))
    assert engine.until("window.loggedIn") < 300
    engine.run("location.hash = arguments[0]", hall.place)
    engine.until(f"window.sidebooksStarted && {page_is(1)}")
    engine.until("document.getElementById('meetingbar')")
    presenter.turns()
    engine.until(page_is(2))
    presenter.says(t("n_there", n=2, m=2))
    presenter.turns("+")
    presenter.turns("+")
    engine.until("window.sidebooks.zoom > 1.5")
    presenter.turns("0")
    engine.until("window.sidebooks.zoom === 1")
    hand_over(presenter)
    presenter.says(t("m_following", name=MEMBER))
    engine.until("document.querySelector('#meetingbar [aria-pressed]:not([hidden])')")  # who presents may point
    engine.run("document.getElementById('stage').focus()")
    engine.press("ArrowRight")
    engine.until(page_is(3))
    presenter.sees(3)
    assert engine.faults() == []


def test_one_takes_part_without_anything_newer_than_the_oldest_browsers(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    old = hall.seat(MEMBER, place="")
    old.tab.context.add_init_script(f"{AS_OLD_AS_MAY_BE}; delete Navigator.prototype.wakeLock;")
    old.tab.goto(f"{hall.house.address}{hall.place}")
    old.tab.reload()
    old.sees(1, hall.budget).says(t("m_following", name=CHAIR))
    presenter.turns()
    old.sees(2)
    old.side("agenda")
    hand_over(presenter)
    old.says(t("m_you_present"))
    old.tab.keyboard.press("Escape")
    old.tab.locator("#stage").focus()
    old.turns()
    presenter.sees(3)
