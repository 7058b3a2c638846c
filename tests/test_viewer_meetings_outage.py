"""Meetings in the viewer when networks and tablets fail: connections that are cut, dead, or not allowed."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
from house import NEEDS_CHROMIUM, House, browser, house, visit
from meeting_hall import CHAIR, CLERK, MEMBER, PATIENCE_MS, Hall, Seat, hall, t

pytest.importorskip("websockets", reason="needs the extra server")
pytestmark = NEEDS_CHROMIUM

__all__ = ["browser", "hall", "house", "visit"]


class Line:
    """What lies between a browser and the server: it can be cut, or go dead without anybody being told."""

    def __init__(self, seat: Seat) -> None:
        self.sockets: list[Any] = []
        self.is_dead = False
        self.held: list[tuple[Any, Any]] | None = None
        """What the server said meanwhile, and to which socket; None: it passes."""
        seat.tab.context.route_web_socket("**/live?**", self.connect)

    def connect(self, socket: Any) -> None:
        self.sockets.append(socket)
        server = socket.connect_to_server()
        mine = len(self.sockets)

        def passes() -> bool:
            return not (self.is_dead and mine == 1)

        socket.on_message(lambda message: server.send(message) if passes() else None)
        server.on_message(lambda message: self.tell(socket, message) if passes() else None)

    def tell(self, socket: Any, message: Any) -> None:
        if self.held is None:
            socket.send(message)
        else:
            self.held.append((socket, message))

    def hold(self) -> None:
        """What the server says waits."""
        self.held = []

    def release(self) -> None:
        held, self.held = self.held or [], None
        for socket, message in held:
            socket.send(message)

    def cut(self) -> None:
        self.sockets[-1].close()


def on_a_line(hall: Hall) -> tuple[Seat, Line]:
    """A follower whose line is ours."""
    seat = hall.seat(MEMBER, place="")
    line = Line(seat)
    seat.tab.wait_for_selector("#shelf h1")
    seat.tab.evaluate(f"location.hash = '{hall.place}'")
    return seat.sees(1, hall.budget), line


def test_whoever_was_cut_off_comes_back_to_the_present_page(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower, line = on_a_line(hall)
    for key, page in (("ArrowRight", 2), ("End", 12)):
        line.cut()
        presenter.turns(key)
        follower.sees(page).says(t("m_following", name=CHAIR))


def test_a_tablet_that_slept_replaces_its_dead_connection_when_it_is_seen_again(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower, line = on_a_line(hall)
    line.is_dead = True
    presenter.turns()
    presenter.sees(2)
    assert follower.page == 1
    follower.tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    follower.sees(2)
    assert len(line.sockets) > 1


def test_where_no_upgrade_passes_events_and_requests_do_the_same(hall: Hall) -> None:
    refuses = """window.WebSocket = class { constructor() { this.readyState = 0; setTimeout(() => this.onclose?.({}), 0); }
        close() {} };"""
    presenter = hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER, place="")
    follower.tab.context.add_init_script(refuses)
    follower.tab.goto(f"{hall.house.address}{hall.place}")
    follower.tab.reload()
    follower.sees(1, hall.budget).says(t("m_second_way"))
    presenter.turns()
    follower.sees(2)
    presenter.says(t("n_there", n=2, m=2))
    presenter.hands_over_to(MEMBER)
    follower.says(t("m_you_present")).turns()
    presenter.sees(3)


def test_a_presenter_who_was_cut_off_shows_where_they_are_then(hall: Hall) -> None:
    follower = hall.seat(CHAIR).sees(1)
    presenter, line = on_a_line(hall)
    follower.hands_over_to(MEMBER)
    presenter.says(t("m_you_present"))
    line.cut()
    for _ in range(3):
        presenter.turns()
    presenter.sees(4)
    follower.sees(4)


def test_a_paper_that_does_not_come_holds_nobody_up(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower, line = on_a_line(hall)
    held: list[Any] = []

    def holds(route: Any) -> None:
        held.append(route)
        if len(held) == 3:
            route.continue_()

    follower.tab.route(f"**/papers/{hall.petition}", holds)
    agenda = presenter.side("agenda")
    for asked in (1, 2):
        with follower.tab.expect_request(f"**/papers/{hall.petition}", timeout=PATIENCE_MS):
            agenda.get_by_role("button", name="請願書").first.click()
        presenter.sees(1, hall.petition)
        if asked == 1:  # it never comes, and something else is shown
            agenda.get_by_role("button", name="予算書").first.click()
            presenter.sees(1, hall.budget)
            presenter.tab.locator("#stage").focus()
            presenter.turns()
            follower.sees(2, hall.budget)
    follower.tab.evaluate("() => { const now = performance.now.bind(performance); performance.now = () => now() + 60_000; }")
    line.cut()
    follower.sees(1, hall.petition).says(t("m_following", name=CHAIR))


def test_of_two_who_present_at_once_the_later_one_is_told_who_does(hall: Hall) -> None:
    chair = hall.seat(CHAIR).sees(1)
    slow, line = on_a_line(hall)
    quick = hall.seat(CLERK).sees(1)
    chair.side("course").locator("[data-choice=viewer]").click()
    for seat in (slow, quick):
        seat.side("course").get_by_role("button", name=t("take"), exact=True).wait_for(timeout=PATIENCE_MS)
    line.hold()
    quick.press("take")
    quick.says(t("m_you_present"))
    slow.press("take")  # it knows nothing of the other one
    line.release()
    slow.is_told(t("overtaken", name=CLERK)).says(t("m_following", name=CLERK))
    quick.says(t("m_you_present"))


def test_a_shelf_that_changes_meanwhile_is_told_by_the_same_connection(hall: Hall) -> None:
    hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER).sees(1)
    follower.tab.locator("#back").click()
    follower.tab.wait_for_selector("#shelf h1")
    hall.house.ask("PATCH", f"papers/{hall.petition}", {"name": "請願書（訂正後）"})
    follower.tab.get_by_text("請願書（訂正後）").first.wait_for(timeout=PATIENCE_MS)
    asked = "performance.getEntriesByType('resource').filter(one => one.name.includes('/events?'))"
    streams = follower.tab.evaluate(f"{asked}.length")
    follower.tab.reload()
    follower.tab.wait_for_selector("#meetingbar")
    assert streams <= 1, "one before the meeting, and none beside it"


def test_the_page_may_connect_to_its_own_server_only(house: House) -> None:
    with urllib.request.urlopen(house.address, timeout=60) as answer:
        rules = answer.headers["Content-Security-Policy"].split("; ")
    host = house.address.removeprefix("http://").rstrip("/")
    assert f"connect-src 'self' ws://{host}" in rules


def test_whose_rights_have_changed_takes_part_still_and_whose_login_has_ended_logs_in(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER).sees(1)
    [member] = [one for one in hall.house.ask("GET", "people")["people"] if one["name"] == MEMBER]
    hall.house.ask("PATCH", f"people/{member['id']}", {"groups": ["財政", "総務"]})
    presenter.turns()
    follower.sees(2).says(t("m_following", name=CHAIR))
    hall.house.ask("DELETE", f"people/{member['id']}/sessions")
    follower.tab.wait_for_selector(".entry input[type=password]", timeout=PATIENCE_MS)
    follower.says(t("m_revoked"))


def test_a_page_that_the_server_does_not_understand_is_loaded_again(hall: Hall) -> None:
    hall.seat(CHAIR).sees(1)
    follower, line = on_a_line(hall)
    line.sockets[-1].send('{"kind": "farewell", "why": "protocol", "return_s": null}')
    follower.says(t("m_load_again")).press("again")
    follower.sees(1, hall.budget).says(t("m_following", name=CHAIR))


def test_whoever_never_logged_in_is_not_told_that_a_login_has_ended(hall: Hall) -> None:
    hall.house.ask("PUT", f"folders/{hall.folder}/access", {"grants": [{"kind": "role", "subject": "citizen"}]})
    hall.seat(CHAIR).sees(1)
    citizen = hall.seat(None).sees(1, hall.budget).says(t("m_following", name=CHAIR))
    hall.house.ask("PUT", f"folders/{hall.folder}/access", {"grants": []})
    citizen.says(t("m_closed"))
    citizen.tab.get_by_text(t("closed_now")).wait_for(timeout=PATIENCE_MS)
