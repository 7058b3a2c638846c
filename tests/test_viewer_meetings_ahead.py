"""What a meeting's screens ask for, and when: the next papers before they are shown, a coarse page before a sharp one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from house import NEEDS_CHROMIUM, browser, house, visit
from meeting_hall import CHAIR, MEMBER, PATIENCE_MS, Hall, Seat, hall, t
from viewer_node import NODE, run

pytest.importorskip("websockets", reason="needs the extra server")

__all__ = ["browser", "hall", "house", "visit"]

AT_ONCE = "Math.random = () => 0;"
"""Whatever takes a time of its own takes none."""


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_the_next_papers_of_an_agenda() -> None:
    items = (("a", "a"), ("heading", ""), ("b", "b"), ("c", "c"), ("a", "a"))
    agenda = [{"name": name, "paper": paper} for name, paper in items]
    found = run(
        """
        const { addressesOf, nextPapers } = await import("./ahead.js");
        const next = ["", "a", "b", "c", "elsewhere"].map((one) => nextPapers(given[0], one, 2));
        const inner = { width: 1000, height: 1400 };
        const all = addressesOf({ page_count: 40 }, "d", { width: 1, height: 1 });
        return [next, addressesOf({ page_count: 1 }, "d", inner), all];
        """,
        agenda,
    )
    assert found == [
        [["a", "b"], ["b", "c"], ["c"], [], ["a", "b"]],
        ["/documents/d/runs.json", "/documents/d/pages/1/1000x1400", "/documents/d/previews/1-1"],
        ["/documents/d/runs.json", "/documents/d/previews/1-16"],
    ]


def asked(seat: Seat) -> list[str]:
    """The paths that a browser asks for from now on."""
    paths: list[str] = []
    seat.tab.on("request", lambda request: paths.append(request.url.partition("/documents/")[2]))
    return paths


@NEEDS_CHROMIUM
def test_the_next_paper_is_here_before_it_is_shown(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER, place="")
    follower.tab.context.add_init_script(AT_ONCE)
    follower.tab.goto(f"{hall.house.address}{hall.place}")
    follower.tab.reload()
    document = hall.house.ask("GET", f"papers/{hall.petition}")["document"]["id"]
    with follower.tab.expect_response(lambda answer: f"{document}/previews/1-3" in answer.url, timeout=PATIENCE_MS):
        follower.sees(1, hall.budget)
    presenter.side("agenda").get_by_role("button", name=t("next_paper", name="請願書")).click()
    follower.sees(1, hall.petition)
    from_network = follower.tab.evaluate(
        """id => performance.getEntriesByType("resource")
            .filter(one => one.name.includes(`${id}/pages/1/`) && !one.name.endsWith("preview"))
            .map(one => one.transferSize)"""
        , document,
    )  # fmt: skip
    assert len(from_network) > 1, "it was asked for when it was shown, too"
    assert from_network[-1] == 0, "and came out of the browser's cache"


@NEEDS_CHROMIUM
def test_after_a_jump_a_coarse_page_comes_first(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER, place="")
    follower.tab.context.add_init_script("Math.random = () => 0.99;")
    follower.tab.goto(f"{hall.house.address}{hall.place}")
    follower.tab.reload()
    follower.sees(1, hall.budget)
    paths = asked(follower)
    presenter.turns("End")
    follower.sees(12)
    of_page = [path.partition("/")[2] for path in paths if "/pages/12/" in path]
    assert of_page[0] == "pages/12/preview"
    assert len(of_page) >= 2


WAITS = """Math.random = () => 0.99; window.waits = []; const { setTimeout } = window;
    window.setTimeout = (does, ms, ...given) => { window.waits.push(ms); return setTimeout(does, ms, ...given); };"""
"""A random time is nearly all of it, and waits are written down, in milliseconds."""


@NEEDS_CHROMIUM
def test_only_those_who_follow_wait_before_they_ask_for_the_sharp_page(hall: Hall) -> None:
    chair, member = hall.seat(CHAIR, place=""), hall.seat(MEMBER, place="")
    for seat in (chair, member):
        seat.tab.context.add_init_script(WAITS)
        seat.tab.goto(f"{hall.house.address}{hall.place}")
        seat.tab.reload()
        seat.sees(1, hall.budget)
    calm_ms = 0.99 * 20

    def has_waited(seat: Seat) -> bool:
        found: bool = seat.tab.evaluate("ms => window.waits.splice(0).includes(ms)", calm_ms)
        return found

    chair.says(t("m_you_present"))
    has_waited(chair), has_waited(member)
    chair.turns("End").sees(12)
    member.sees(12)
    assert (has_waited(chair), has_waited(member)) == (False, True)
    chair.hands_over_to(MEMBER)
    member.says(t("m_you_present"))
    has_waited(chair), has_waited(member)
    member.tab.evaluate(f"location.hash = 'paper={hall.budget}/6'")
    for seat in (chair, member):
        seat.sees(6)
    assert not has_waited(member), "whoever presents now"
    has_waited(chair)
    paths = asked(chair)
    member.tab.evaluate(f"location.hash = 'paper={hall.petition}'")
    for seat in (chair, member):
        seat.sees(1, hall.petition)
    assert (has_waited(chair), has_waited(member)) == (True, False)
    of_page = [path.partition("/")[2] for path in paths if "/pages/1/" in path]
    assert of_page[0] == "pages/1/preview", "of another paper, too"


def until_said(seat: Seat, said: list[Any], kind: str, count: int) -> list[Any]:
    """Wait until a browser has said so many messages of a kind."""
    for _ in range(300):
        found = [one for one in said if one["kind"] == kind]
        if len(found) >= count:
            return found
        seat.tab.wait_for_timeout(100)
    raise AssertionError(said)


@NEEDS_CHROMIUM
def test_a_finger_of_the_presenter_says_where_the_next_page_may_be(hall: Hall) -> None:
    presenter = hall.seat(CHAIR, place="")
    said: list[Any] = []
    presenter.tab.on("websocket", lambda socket: socket.on("framesent", lambda data: said.append(json.loads(data))))
    presenter.tab.evaluate(f"location.hash = '{hall.place}'")
    presenter.sees(1, hall.budget).says(t("m_you_present"))
    box = presenter.tab.locator("#stage").bounding_box()
    presenter.tab.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] / 2)
    presenter.tab.mouse.down()
    intents = until_said(presenter, said, "intent", 1)
    assert [(one["paper"], one["page"]) for one in intents] == [(hall.budget, 2)]
    assert not [one for one in said if one["kind"] == "show"]
    presenter.tab.mouse.up()
    presenter.sees(2)
    presenter.tab.locator("#pages-button").click()
    cell = presenter.tab.locator("[data-page='9']").last
    cell.wait_for()
    cell.focus()
    assert until_said(presenter, said, "intent", 2)[-1]["page"] == 9
    assert [one["page"] for one in said if one["kind"] == "show"] == [2]
