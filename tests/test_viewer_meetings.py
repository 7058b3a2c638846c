"""Meetings in real browsers: one presents, others follow on other screens, leave, come back, and are called."""

from __future__ import annotations

import json
import time

import pytest
from house import NEEDS_CHROMIUM, browser, house, pdf, visit
from meeting_hall import CHAIR, CLERK, DESKTOP, MEMBER, NAME, PATIENCE_MS, PHONE, Hall, Seat, hall, red, t, wait_for_red

pytest.importorskip("websockets", reason="needs the extra server")
pytestmark = NEEDS_CHROMIUM

__all__ = ["browser", "hall", "house", "visit"]


SPOKEN = """() => { const told = document.querySelector(".meeting-told"); window.spoken = window.shown = 0;
    new MutationObserver((all) => { for (const one of all) window[one.type === "childList" ? "spoken" : "shown"] += 1; })
        .observe(told, { childList: true, attributes: true, attributeFilter: ["hidden"] }); }"""
"""Counts how often a notice is put in anew, and how often it comes or goes."""


def zoom_of(seat: Seat) -> float:
    return float(seat.tab.evaluate("window.sidebooks.zoom"))


def test_all_are_where_the_presenter_is(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1, hall.budget)
    follower = hall.seat(MEMBER, screen=PHONE).sees(1, hall.budget).says(t("m_following", name=CHAIR))
    presenter.turns()
    follower.sees(2)
    presenter.says(t("n_there", n=2, m=2))
    presenter.turns("End")
    late = hall.seat(CLERK).sees(12, hall.budget)
    follower.sees(12)
    presenter.side("agenda").get_by_role("button", name=t("next_paper", name="請願書")).click()
    for seat in (presenter, follower, late):
        seat.sees(1, hall.petition)
    follower.tab.reload()
    follower.sees(1, hall.petition).says(t("m_following", name=CHAIR))
    presenter.tab.reload()
    presenter.sees(1, hall.petition).says(t("m_you_present"))
    presenter.turns()
    follower.sees(2, hall.petition)
    late.sees(2, hall.petition)


def test_an_enlarged_part_is_fitted_to_each_screen(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    same, phone = hall.seat(MEMBER).sees(1), hall.seat(CLERK, screen=PHONE).sees(1)
    for _ in range(4):
        presenter.turns("+")
    presenter.turns("ArrowDown")
    presenter.turns("ArrowRight")
    presenter.says(t("n_there", n=3, m=3))
    place = "[window.sidebooks.zoom, window.sidebooks.x, window.sidebooks.y]"
    shown = presenter.tab.evaluate(place)
    assert shown[0] > 4
    near = f"shown => {place}.every((one, at) => Math.abs(one - shown[at]) < 2)"
    same.tab.wait_for_function(near, arg=shown, timeout=PATIENCE_MS)
    phone.tab.wait_for_function("() => window.sidebooks.zoom > 2 && window.sidebooks.x < 0", timeout=PATIENCE_MS)
    for key in ("0", "+", "0", "+", "+", "0"):  # back where the meeting still is, while another place is under way to it
        presenter.turns(key)
    for seat in (same, phone):
        seat.tab.wait_for_function("() => window.sidebooks.zoom === 1 && window.sidebooks.mode === 'page'", timeout=PATIENCE_MS)


def test_two_pages_of_the_presenter_are_two_pages_on_every_screen(hall: Hall) -> None:
    presenter = hall.seat(CHAIR, screen=DESKTOP).sees(1)
    follower = hall.seat(MEMBER, screen=PHONE).sees(1)
    presenter.turns()
    follower.tab.locator("#number", has_text="2–3 / 12").wait_for(timeout=PATIENCE_MS)
    follower.turns()  # by themselves: on a phone, one page
    follower.says(t("m_away", name=CHAIR)).tab.locator("#number", has_text="4 / 12").wait_for(timeout=PATIENCE_MS)
    follower.press("to_presenter")
    follower.tab.locator("#number", has_text="2–3 / 12").wait_for(timeout=PATIENCE_MS)


def test_a_gesture_of_ones_own_leaves_and_a_button_and_a_call_bring_back(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER).sees(1)
    follower.tab.locator("#next").click()
    follower.sees(2).says(t("m_away", name=CHAIR))
    presenter.turns("End")
    presenter.says(t("n_there", n=1, m=2))
    assert follower.page == 2
    follower.press("to_presenter")
    follower.sees(12).says(t("m_following", name=CHAIR))
    follower.tab.locator("#back").click()
    follower.tab.wait_for_selector("#shelf h1")
    follower.says(t("m_away", name=CHAIR))
    presenter.side("course")
    presenter.press("call_all")
    follower.sees(12, hall.budget)


def test_the_list_of_meetings_outlives_a_server_that_is_busy(hall: Hall) -> None:
    seat = hall.seat(MEMBER, place="")
    seat.tab.context.add_init_script(
        """const { setInterval } = window; window.looks = [];
        window.setInterval = (does, ms) => { if (ms > 10_000) window.looks.push(does); return setInterval(does, ms); };"""
    )
    with seat.tab.expect_response(lambda reply: "/events?" in reply.url, timeout=PATIENCE_MS):
        seat.tab.reload()
    row = seat.tab.locator(".meetings li", has_text="定例会").first
    row.wait_for(timeout=PATIENCE_MS)
    statuses = [503, 404]

    def begins() -> None:
        hall.house.ask("POST", f"folders/{hall.folder}/meetings", {"name": "打合せ"})

    def looks_again() -> None:
        seat.tab.evaluate("for (const look of window.looks) look()")

    seat.tab.route("**/meetings", lambda route: route.fulfill(status=statuses[0], json={}) if statuses else route.continue_())
    for state, happens in (("visible", begins), ("hidden", looks_again), ("visible", begins)):
        with seat.tab.expect_response("**/meetings", timeout=PATIENCE_MS):
            happens()
        row.wait_for(state=state, timeout=PATIENCE_MS)
        statuses = statuses[1:]


def test_whoever_reads_until_a_meeting_begins_is_led_to_its_first_page(hall: Hall) -> None:
    empty = hall.house.folder("全員協議会")
    place = f"#meeting={hall.house.ask('POST', f'folders/{empty}/meetings', {'name': '全員協議会'})['id']}"
    presenter = hall.seat(CHAIR, place).says(t("m_open_something"))
    member = hall.seat(MEMBER, place).says(t("m_nothing_open"))
    member.tab.evaluate(f"location.hash = 'paper={hall.budget}'")
    member.sees(1, hall.budget).turns().sees(2).says(t("m_nothing_open"))
    presenter.tab.evaluate(f"location.hash = 'paper={hall.petition}'")
    member.sees(1, hall.petition).says(t("m_following", name=CHAIR))


@pytest.mark.parametrize("way", ["agenda", "address"])
def test_a_paper_that_somebody_opens_for_themselves_stays_whatever_the_presenter_does(hall: Hall, way: str) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower, heard, held = hall.seat(MEMBER, place=""), [], []
    follower.tab.on("websocket", lambda socket: socket.on("framereceived", lambda data: heard.append(json.loads(data))))
    follower.tab.evaluate(f"location.hash = '{hall.place}'")
    follower.sees(1, hall.budget).says(t("m_following", name=CHAIR))
    document = hall.house.ask("GET", f"papers/{hall.petition}")["document"]["id"]
    follower.tab.route(f"**/documents/{document}/runs.json", lambda route: held.append(route))
    with follower.tab.expect_request(f"**/documents/{document}/runs.json", timeout=PATIENCE_MS):
        if way == "agenda":
            follower.side("agenda").get_by_role("button", name="請願書").first.click()
        else:
            follower.tab.evaluate(f"location.hash = 'paper={hall.petition}'")
    presenter.turns().sees(2)
    for _ in range(300):
        if any(one["kind"] == "state" and one["page"] == 2 for one in heard):
            break
        follower.tab.wait_for_timeout(100)
    for route in held:
        route.continue_()
    follower.sees(1, hall.petition).says(t("m_away", name=CHAIR))


def test_nobody_leaves_a_locked_page(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER).sees(1)
    follower.tab.locator("#next").click()
    follower.sees(2)
    presenter.mode("locked")
    follower.sees(1).says(t("m_locked", name=CHAIR))
    for key in ("ArrowRight", "+", "End"):
        follower.turns(key)
        follower.is_told(t("is_locked"))
    follower.tab.evaluate(SPOKEN)
    for _ in range(3):
        follower.turns()
    spoken, shown = follower.tab.evaluate("[window.spoken, window.shown]")
    assert spoken <= shown, "what can be read is not read out again"
    follower.tab.evaluate("location.hash = ''")
    presenter.turns()
    follower.sees(2, hall.budget)
    assert zoom_of(follower) == 1
    presenter.mode("follow")
    follower.says(t("m_following", name=CHAIR)).turns().says(t("m_away", name=CHAIR))


def test_the_presentation_is_handed_over_and_taken_back(hall: Hall) -> None:
    chair = hall.seat(CHAIR).sees(1)
    member = hall.seat(MEMBER).sees(1)
    chair.hands_over_to(MEMBER)
    member.says(t("m_you_present")).is_told(t("you_present"))
    member.turns()
    chair.sees(2).says(t("m_following", name=MEMBER))
    chair.side("course")
    chair.press("take_back")
    chair.says(t("m_you_present")).turns()
    member.sees(3).says(t("m_following", name=CHAIR))
    assert member.side("course").get_by_role("button", name=t("take")).count() == 0, "speakers and the chair may"
    chair.tab.locator("#meetingside [data-choice=viewer]").click()
    member.turns()
    member.sees(4).says(t("m_away", name=CHAIR))
    member.press("take")
    member.says(t("m_you_present"))
    chair.sees(4).says(t("m_following", name=MEMBER))


def test_of_two_devices_of_the_presenter_one_leads_and_the_other_follows(hall: Hall) -> None:
    first, second = hall.seat(CHAIR).sees(1), hall.seat(CHAIR, screen=DESKTOP).sees(1)
    follower = hall.seat(MEMBER).sees(1)
    first.turns()
    for seat in (second, follower):
        seat.sees(2)
    second.turns("End")
    for seat in (first, follower):
        seat.sees(12)
    first.turns("Home")
    for seat in (second, follower):
        seat.sees(1)
    second.turns("End")
    for seat in (first, follower):
        seat.sees(12)


def test_a_pointer_is_seen_by_others_and_fades(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER).sees(1)
    follower.tab.wait_for_function("() => !document.querySelector('#text').hidden")
    assert follower.tab.locator("#meetingbar").get_by_role("button", name=t("point")).count() == 0
    before = red(follower)
    presenter.press("point")
    box = presenter.tab.locator("#stage").bounding_box()
    presenter.tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    presenter.tab.mouse.move(box["x"] + box["width"] / 2 + 8, box["y"] + box["height"] / 2)
    wait_for_red(follower, lambda count: count > before + 100)
    wait_for_red(follower, lambda count: count <= before)
    page = presenter.page
    presenter.tab.mouse.click(box["x"] + box["width"] - 5, box["y"] + box["height"] / 2)
    assert presenter.page == page, "fingers point, and turn no page"
    presenter.press("pointing_ends")
    presenter.tab.mouse.click(box["x"] + box["width"] - 5, box["y"] + box["height"] / 2)
    follower.sees(2)


def test_whoever_may_not_point_any_more_turns_pages_again(hall: Hall) -> None:
    chair, member = hall.seat(CHAIR).sees(1), hall.seat(MEMBER).sees(1)
    chair.hands_over_to(MEMBER)
    member.says(t("m_you_present")).press("point")
    member.tab.wait_for_selector("#stage.pointing")
    chair.side("course")
    chair.press("take_back")
    member.says(t("m_following", name=CHAIR))
    member.tab.wait_for_selector("#stage:not(.pointing)")
    box = member.tab.locator("#stage").bounding_box()
    member.tab.mouse.click(box["x"] + box["width"] - 5, box["y"] + box["height"] / 2)
    member.sees(2).says(t("m_away", name=CHAIR))


def test_the_screen_stays_on_while_somebody_takes_part(hall: Hall) -> None:
    seat = hall.seat(MEMBER, place="")
    seat.tab.wait_for_selector("#shelf h1")
    seat.tab.evaluate(
        """() => { window.locks = 0; navigator.wakeLock.request = async () => { window.locks += 1;
            const lock = new EventTarget(); lock.release = async () => { window.locks -= 1; }; return lock; }; }"""
    )
    seat.tab.locator(".meetings li", has_text="定例会").get_by_role("link").first.click()
    seat.sees(1, hall.budget)
    assert seat.tab.evaluate("window.locks") == 1
    seat.side("course")
    seat.press("leave_meeting")
    seat.tab.wait_for_function("() => window.locks === 0")
    assert seat.tab.locator("#meetingbar").count() == 0
    seat.tab.reload()
    seat.sees(1)
    seat.tab.wait_for_selector("#tools")
    assert seat.tab.locator("#meetingbar").count() == 0, "it was left"


def test_a_projector_shows_the_page_and_nothing_else(hall: Hall) -> None:
    presenter = hall.seat(CHAIR).sees(1)
    projector = hall.seat(CHAIR, f"{hall.place}&projector", screen=DESKTOP).sees(1)
    presenter.mode("free")
    presenter.turns()
    projector.sees(2)
    projector.turns("ArrowRight")
    projector.turns("+")
    controls = "button, header, footer, #strip, #meetingbar"
    visible = projector.tab.evaluate(
        "controls => [...document.querySelectorAll(controls)].filter(one => one.checkVisibility()).length", controls
    )
    assert visible == 0
    assert (projector.page, zoom_of(projector)) == (2, 1)
    presenter.says(t("n_there", n=1, m=1))
    presenter.turns("End")
    projector.sees(12).tab.wait_for_timeout(300)  # a reader's address would name the page by now
    projector.tab.reload()
    projector.tab.wait_for_selector("[data-projector]", timeout=PATIENCE_MS)
    projector.sees(12)


def test_the_end_is_the_end_for_all(hall: Hall) -> None:
    chair, said = hall.seat(CHAIR, place=""), []
    chair.tab.on("websocket", lambda socket: socket.on("framesent", lambda data: said.append(json.loads(data)["kind"])))
    chair.tab.evaluate(f"location.hash = '{hall.place}'")
    chair.sees(1, hall.budget)
    member = hall.seat(MEMBER).sees(1)
    chair.side("course")
    chair.press("end_meeting")
    chair.tab.locator("dialog").get_by_role("button", name=t("end_meeting")).click()
    for seat in (chair, member):
        seat.says(t("m_ended"))
    chair.turns()
    chair.sees(2)
    assert "show" not in said, "nobody is there to be shown it"
    member.turns()
    member.sees(2)
    member.press("close")
    assert member.tab.locator("#meetingbar").count() == 0
    member.tab.wait_for_function("() => location.hash.endsWith('/2')")  # it names the page that was turned to
    member.tab.evaluate(f"location.hash = '{hall.place}'")
    member.tab.wait_for_selector("#message:not([hidden])")


def test_a_paper_that_is_closed_to_somebody_is_told(hall: Hall) -> None:
    closed = hall.house.folder("秘密会")
    hall.house.ask("PUT", f"folders/{closed}/access", {"grants": []})
    paper = hall.house.paper(closed, "人事案件.pdf", pdf("人事案件"))
    presenter = hall.seat(CHAIR).sees(1)
    follower = hall.seat(MEMBER).sees(1)
    presenter.tab.evaluate(f"location.hash = 'paper={paper}'")
    presenter.sees(1, paper)
    follower.says(t("paper_closed")).sees(1, hall.budget)
    follower.turns().sees(2).says(t("m_away", name=CHAIR))
    follower.press("to_presenter")
    follower.says(t("paper_closed"))
    presenter.side("agenda").get_by_role("button", name="予算書").first.click()
    follower.says(t("m_following", name=CHAIR)).sees(1, hall.budget)


def test_a_meeting_that_begins_or_ends_is_told_to_who_looks_at_the_shelf(hall: Hall) -> None:
    """The list does not ask now and then as long as there is a stream of events."""
    seat = hall.seat(MEMBER, place="")
    seat.tab.context.add_init_script(
        "const every = setInterval; window.setInterval = (does, ms, ...more) => (ms > 10_000 ? 0 : every(does, ms, ...more));"
    )
    with seat.tab.expect_response(lambda reply: "/events?" in reply.url, timeout=PATIENCE_MS):
        seat.tab.reload()
    listed = seat.tab.locator(".meetings li")
    listed.filter(has_text=NAME).first.wait_for(timeout=PATIENCE_MS)
    made = hall.house.ask("POST", f"folders/{hall.folder}/meetings", {"name": "臨時会"})
    listed.filter(has_text="臨時会").wait_for(timeout=PATIENCE_MS)
    hall.house.ask("POST", f"meetings/{made['id']}/end")
    listed.filter(has_text="臨時会").wait_for(state="detached", timeout=PATIENCE_MS)
    assert listed.filter(has_text=NAME).count() >= 1


def test_a_meeting_about_a_draft_is_not_named_after_it_unless_the_chair_wants_it(hall: Hall) -> None:
    draft = hall.house.paper(hall.folder, "人事案.pdf", pdf("人事"))
    hall.house.ask("PATCH", f"papers/{draft}", {"from_s": time.time() + 86_400})
    for paper, named in ((draft, NAME), (hall.budget, "予算書")):
        clerk = hall.seat(CLERK, f"#paper={paper}").sees(1, paper)
        clerk.tab.get_by_role("button", name=t("menu"), exact=True).click()
        clerk.tab.get_by_role("button", name=t("begin_meeting")).click()
        dialog = clerk.tab.locator("dialog")
        assert dialog.get_by_label(t("meeting_name")).input_value() == named
        assert dialog.get_by_text(t("begin_about_draft")).count() == (paper == draft)
