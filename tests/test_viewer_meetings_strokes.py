"""Handwriting of a meeting in real browsers: those who follow see a stroke while it is drawn, and its mark after that."""

from __future__ import annotations

import pytest
from house import NEEDS_CHROMIUM, browser, house, visit
from meeting_hall import CHAIR, MEMBER, PATIENCE_MS, Hall, Seat, hall, red, wait_for_red

pytest.importorskip("websockets", reason="needs the extra server")
pytestmark = NEEDS_CHROMIUM

__all__ = ["browser", "hall", "house", "visit"]

MARKS_RED = """() => {
    const canvas = document.querySelector('canvas.marks');
    if (!canvas || canvas.hidden) return 0;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 128 && data[at] > 180 && data[at + 1] < 90) count += 1;
    return count;
}"""


def begin(seat: Seat) -> None:
    """Draw with a thick red pen from now on."""
    seat.tab.wait_for_function("() => document.querySelector('canvas.marks')", timeout=PATIENCE_MS)
    seat.tab.click("#draw-button")
    seat.tab.wait_for_selector("#inkbar", timeout=PATIENCE_MS)
    for choice in ("red", "thick"):
        seat.tab.click(f"#inkbar [data-ink={choice}]")


def line(seat: Seat, share: float) -> None:
    """Draw a line across the page, and keep the pen down. share: of the height of the stage."""
    box = seat.tab.locator("#stage").bounding_box()
    y = box["y"] + box["height"] * share
    seat.tab.mouse.move(box["x"] + box["width"] * 0.35, y)
    seat.tab.mouse.down()
    for step in range(1, 9):
        seat.tab.mouse.move(box["x"] + box["width"] * (0.35 + 0.03 * step), y + step)


def marks(seat: Seat, paper: str) -> int:
    """Those that somebody sees of a paper."""
    asked = "async paper => (await (await fetch(`papers/${paper}/marks`)).json()).marks.length"
    return int(seat.tab.evaluate(asked, paper))


def test_a_stroke_is_seen_while_it_is_drawn_and_then_its_mark(hall: Hall) -> None:
    presenter, follower = hall.seat(CHAIR).sees(1, hall.budget), hall.seat(MEMBER).sees(1, hall.budget)
    follower.tab.wait_for_function("() => document.querySelector('canvas.marks')", timeout=PATIENCE_MS)
    before = red(follower)
    begin(presenter)
    line(presenter, 0.4)
    presenter.tab.mouse.up()  # for oneself
    show = presenter.tab.locator("#inkbar [data-ink=show]")
    assert show.get_attribute("aria-pressed") == "false", "nobody shows what they write without meaning to"
    show.click()
    presenter.tab.wait_for_selector("#inkbar [data-ink=show][aria-pressed=true]")
    line(presenter, 0.6)
    wait_for_red(follower, lambda count: count > before + 100)
    assert follower.tab.evaluate(MARKS_RED) == 0, "there is no mark yet"
    presenter.tab.mouse.up()
    follower.tab.wait_for_function(f"() => ({MARKS_RED})() > 100", timeout=PATIENCE_MS)
    wait_for_red(follower, lambda count: count <= before)
    assert marks(follower, hall.budget) == 1, "what was written before that is the presenter's own"
    assert marks(presenter, hall.budget) == 2


def test_what_is_shown_ends_with_its_paper_and_its_meeting(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1, hall.budget)
    begin(presenter)
    show = presenter.tab.locator("#inkbar [data-ink=show]")
    pressed = "#inkbar [data-ink=show][aria-pressed={}]"
    show.click()
    presenter.tab.wait_for_selector(pressed.format("true"))
    presenter.tab.evaluate("paper => { location.hash = `paper=${paper}/1`; }", hall.petition)
    presenter.sees(1, hall.petition)
    presenter.tab.wait_for_selector(pressed.format("false"), timeout=PATIENCE_MS)
    show.click()
    presenter.tab.wait_for_selector(pressed.format("true"))
    hall.end()
    show.wait_for(state="detached", timeout=PATIENCE_MS)


def test_whoever_joins_a_meeting_while_drawing_may_show_it(hall: Hall) -> None:
    chair = hall.seat(CHAIR).sees(1, hall.budget)
    chair.tab.evaluate("sessionStorage.removeItem('sidebooks meeting')")
    chair.tab.goto("about:blank")
    chair.tab.goto(f"{hall.house.address}#paper={hall.budget}/1")
    chair.sees(1, hall.budget)
    begin(chair)
    assert chair.tab.locator("#inkbar [data-ink=show]").count() == 0
    chair.tab.evaluate("place => { location.hash = place; }", hall.place)
    chair.tab.wait_for_selector("#inkbar [data-ink=show]", timeout=PATIENCE_MS)


def test_whoever_may_show_nothing_is_not_asked_to(hall: Hall) -> None:
    hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER).sees(1)
    begin(follower)
    assert follower.tab.locator("#inkbar [data-ink=show]").count() == 0
    line(follower, 0.5)
    follower.tab.mouse.up()
    follower.tab.wait_for_function(f"() => ({MARKS_RED})() > 100", timeout=PATIENCE_MS)
