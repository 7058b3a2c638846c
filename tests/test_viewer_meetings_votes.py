"""Votes in the viewer, who is present, and guests who come by a code."""

from __future__ import annotations

import re
from typing import Any

import pytest
from house import NEEDS_CHROMIUM, browser, house, visit
from meeting_hall import CHAIR, CLERK, DESKTOP, MEMBER, PATIENCE_MS, PHONE, Hall, Seat, hall, t

pytest.importorskip("websockets", reason="needs the extra server")
pytestmark = NEEDS_CHROMIUM

__all__ = ["browser", "hall", "house", "visit"]


def open_vote(chair: Seat, **chosen: str) -> None:
    """As the chair: a vote with some answers of the form."""
    chair.side("votes")
    chair.press("open_vote")
    dialog = chair.tab.locator("dialog")
    for key, answer in chosen.items():
        dialog.get_by_label(t(key), exact=True).select_option(answer)
    dialog.locator("button[type=submit]").click()
    dialog.wait_for(state="detached")


def vote(seat: Seat, choice: str) -> None:
    ballot = seat.tab.locator(".ballot")
    ballot.locator(f"[data-choice={choice}]").click()
    ballot.get_by_role("button", name=t("vote_so", choice=t(f"vote_{choice}"))).click()
    ballot.wait_for(state="detached")


def sheet(seat: Seat, side: str) -> str:
    """The spreadsheet that a side of the panel offers."""
    answer = seat.tab.request.get(seat.side(side).locator("a[download]").evaluate("one => one.href"))
    assert answer.ok
    assert "text/csv" in answer.headers["content-type"]
    text: str = answer.body().decode()
    return text


def result(seat: Seat) -> Any:
    found = seat.tab.locator(".result")
    found.wait_for(timeout=PATIENCE_MS)
    return found


def loses_the_roll(seat: Seat) -> list[str]:
    """The line of a browser fails four times as it asks for the first vote. Returns what it asks for, from now on."""
    asked: list[str] = []

    def fails(route: Any) -> None:
        asked.append(route.request.url)
        route.abort() if len(asked) < 5 else route.continue_()

    seat.tab.route("**/meetings/*/votes/1", fails)
    return asked


def test_a_named_vote_with_a_tie_that_the_chair_decides(hall: Hall) -> None:
    chair = hall.seat(CHAIR).sees(1)
    member, clerk = hall.seat(MEMBER).sees(1), hall.seat(CLERK, screen=PHONE).sees(1)
    projector = hall.seat(CHAIR, f"{hall.place}&projector", screen=DESKTOP).sees(1)
    chair.says(t("n_there", n=3, m=3))
    failed = loses_the_roll(projector)
    open_vote(chair)
    vote(member, "yes")
    member.is_told(t("vote_counted"))
    vote(clerk, "no")
    chair.tab.locator("#meetingside", has_text=t("tally", n=2, m=3)).wait_for(timeout=PATIENCE_MS)
    assert chair.tab.locator(".ballot").count() == 0, "the chair decides ties"
    chair.press("close_vote")
    chair.press("tie_yes")
    chair.press("confirm_vote")
    for seat in (chair, member, clerk, projector):
        shown = result(seat)
        shown.get_by_text(t("result_carried")).wait_for()
        shown.get_by_text(t("casting_yes")).wait_for()
    assert len(failed) == 5, "the figures were asked for until they came"
    clerk.tab.locator(".result summary").click()
    assert clerk.tab.locator(".by-name").inner_text().split() == [t("vote_yes"), MEMBER, t("vote_no"), CLERK]
    for seat in (member, clerk):
        seat.tab.locator(".result").get_by_role("button", name=t("close")).click()
    chair.turns()
    chair.tab.evaluate("document.activeElement.blur()")
    chair.tab.keyboard.press("Escape")
    chair.tab.locator(".result").wait_for(state="detached")
    assert chair.page == 1, "nobody turns a page that is not to be seen"
    chair.tab.locator("#stage").focus()
    chair.turns()
    projector.sees(2)
    projector.tab.locator(".projector-result").wait_for(state="hidden", timeout=PATIENCE_MS)
    votes = hall.house.ask("GET", f"meetings/{hall.meeting}/votes")["votes"]
    assert [one["stage"] for one in votes] == ["confirmed"]
    assert sheet(chair, "votes").startswith("\ufeff")


def test_of_two_chairs_the_one_who_opened_the_vote_presides_and_the_other_votes(hall: Hall) -> None:
    chair, member = hall.seat(CHAIR).sees(1), hall.seat(MEMBER).sees(1)
    clerk = hall.seat(CLERK).sees(1)
    chair.says(t("n_there", n=3, m=3))
    row = chair.side("present").get_by_role("listitem").filter(has_text=MEMBER)
    row.locator("summary").click()
    row.get_by_role("button", name=t("make_chair")).click()
    member.side("votes").get_by_role("button", name=t("open_vote")).wait_for(timeout=PATIENCE_MS)
    open_vote(chair)
    vote(member, "yes")
    vote(clerk, "no")
    chair.press("close_vote")
    chair.tab.locator("#meetingside").get_by_role("button", name=t("tie_yes")).wait_for(timeout=PATIENCE_MS)
    there = member.tab.locator("#meetingside li", has_text=t("stage_closed"))
    there.get_by_text(t("presides", name=CHAIR)).wait_for(timeout=PATIENCE_MS)
    assert there.get_by_role("button", name=t("tie_yes")).count() == 0, "only whoever presides decides it"
    chair.press("tie_yes")
    member.press("confirm_vote")
    result(clerk).get_by_text(t("casting_yes")).wait_for()


def test_a_secret_vote_is_not_told_by_name_and_nobody_votes_twice(hall: Hall) -> None:
    chair, member = hall.seat(CHAIR).sees(1), hall.seat(MEMBER).sees(1)
    chair.says(t("n_there", n=2, m=2))
    open_vote(chair, vote_ballot="secret", vote_rule="two thirds")
    vote(member, "yes")
    vote(chair, "yes")
    member.tab.reload()
    member.sees(1).says(t("m_following", name=CHAIR))
    member.side("votes").locator("li", has_text=t("stage_open")).wait_for()
    assert member.tab.locator(".ballot").count() == 0
    chair.press("close_vote")
    chair.press("confirm_vote")
    shown = result(member)
    shown.get_by_text(t("result_carried")).wait_for()
    assert shown.locator("details").count() == 0


def test_a_vote_on_nothing_or_with_a_long_name_sends_nobody_away(hall: Hall) -> None:
    chair = hall.seat(CHAIR).sees(1)
    hall.house.ask("PATCH", f"papers/{hall.petition}", {"name": "請願書" * 80})
    chair.side("votes")
    chair.press("open_vote")
    dialog = chair.tab.locator("dialog")
    title = dialog.get_by_label(t("vote_title"), exact=True)
    title.fill(" 　")
    dialog.locator("button[type=submit]").click()
    assert title.evaluate("one => one.matches(':invalid')")
    title.evaluate("(one, text) => { one.value = text; }", "議案" * 150)
    dialog.locator("button[type=submit]").click()
    dialog.wait_for(state="detached")
    chair.tab.locator("#meetingside li", has_text=t("stage_open")).wait_for(timeout=PATIENCE_MS)
    chair.press("break_off")
    chair.tab.locator("dialog").get_by_role("button", name=t("break_off")).click()
    agenda = chair.side("agenda")
    agenda.get_by_role("button", name="請願書").first.click()
    chair.sees(1, hall.petition)
    chair.press("agenda_edit")
    remove = agenda.get_by_role("button", name=f"{t('take_off')}: 請願書")
    remove.click()
    remove.wait_for(state="detached")
    agenda.get_by_role("button", name="請願書").click()
    remove.wait_for(timeout=PATIENCE_MS)
    chair.says(t("m_you_present"))


def test_whoever_leaves_the_room_has_no_part_and_a_vote_can_be_broken_off(hall: Hall) -> None:
    chair, member = hall.seat(CHAIR).sees(1), hall.seat(MEMBER).sees(1)
    chair.says(t("n_there", n=2, m=2))
    open_vote(chair)
    member.tab.locator(".ballot").get_by_role("button", name=t("leave_room")).click()
    member.is_told(t("room_left"))
    chair.tab.locator("#meetingside", has_text=t("tally", n=0, m=1)).wait_for(timeout=PATIENCE_MS)
    chair.side("course")
    chair.press("end_meeting")
    chair.tab.locator("dialog").get_by_role("button", name=t("end_meeting")).click()
    chair.is_told(t("m_other_vote"))
    chair.side("votes")
    chair.press("break_off")
    chair.tab.locator("dialog").get_by_role("button", name=t("break_off")).click()
    chair.tab.locator("#meetingside li", has_text=t("stage_broken off")).wait_for(timeout=PATIENCE_MS)


def test_whose_line_fails_is_asked_all_the_same_and_a_second_chair_votes(hall: Hall) -> None:
    chair, member = hall.seat(CHAIR).sees(1), hall.seat(MEMBER).sees(1)
    row = chair.side("present").get_by_role("listitem").filter(has_text=MEMBER)
    row.wait_for(timeout=PATIENCE_MS)
    row.locator("summary").click()
    row.get_by_role("button", name=t("make_chair")).click()
    row.get_by_text(t("role_chair")).wait_for(timeout=PATIENCE_MS)
    chair.says(t("n_there", n=2, m=2))
    failed = loses_the_roll(member)
    open_vote(chair)
    vote(member, "yes")
    member.is_told(t("vote_counted"))
    assert len(failed) == 5, "the roll was asked for until it came"
    member.side("votes")
    member.press("to_ballot")
    member.is_told(t("voted_before"))


def test_whoever_left_the_room_and_is_back_votes_and_a_late_vote_is_told(hall: Hall) -> None:
    chair, member = hall.seat(CHAIR).sees(1), hall.seat(MEMBER).sees(1)
    chair.says(t("n_there", n=2, m=2))
    open_vote(chair)
    member.tab.locator(".ballot").get_by_role("button", name=t("leave_room")).click()
    member.is_told(t("room_left"))
    member.side("votes")
    member.press("to_ballot")
    member.is_told(t("why_not in the room"))
    chair.press("who_left")
    chair.tab.locator("dialog").get_by_label(MEMBER).click()
    chair.tab.locator("#meetingside", has_text=t("tally", n=0, m=2)).wait_for(timeout=PATIENCE_MS)
    chair.tab.keyboard.press("Escape")
    member.press("to_ballot")
    ballot = member.tab.locator(".ballot")
    ballot.locator("[data-choice=no]").click()
    cast = ballot.get_by_role("button", name=t("vote_so", choice=t("vote_no")))
    cast.evaluate("one => { window.late = one; }")
    chair.press("close_vote")
    ballot.wait_for(state="detached")
    member.tab.evaluate("window.late.click()")
    member.is_told(t("why_not open"))


def test_who_is_present_is_seen_by_the_chair(hall: Hall) -> None:
    chair = hall.seat(CHAIR).sees(1)
    side = chair.side("present")
    side.get_by_text(t("present_count", n=1)).wait_for(timeout=PATIENCE_MS)
    member = hall.seat(MEMBER).sees(1)
    row = side.get_by_role("listitem").filter(has_text=MEMBER)
    row.wait_for(timeout=PATIENCE_MS)
    row.locator("summary").click()
    row.get_by_role("button", name=t("make_speaker")).click()
    row.get_by_text(t("role_speaker")).wait_for(timeout=PATIENCE_MS)
    member.tab.locator("#meetingbar").get_by_role("button", name=t("point")).wait_for(timeout=PATIENCE_MS)
    assert MEMBER in sheet(chair, "present")
    member.side("present").get_by_text(t("present_for_chair")).wait_for(timeout=PATIENCE_MS)


def test_a_guest_types_a_code_follows_and_is_out_at_the_end(hall: Hall) -> None:
    chair = hall.seat(CHAIR).sees(1)
    chair.side("course")
    chair.press("guest_code")
    dialog = chair.tab.locator("dialog")
    dialog.get_by_role("button", name=t("make_code"), exact=True).click()
    code = dialog.locator("p.code").inner_text()
    address = dialog.locator("input.address").input_value()
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}", code)
    guest = hall.seat(None, "#code=", screen=PHONE)
    guest.tab.locator("input[name=code]").fill("２２２２ ２２２２")
    guest.tab.locator("input[name=name]").fill("傍聴 花子")
    guest.tab.get_by_role("button", name=t("join_in"), exact=True).click()
    guest.tab.locator("[role=alert]", has_text=t("code_wrong")).wait_for(timeout=PATIENCE_MS)
    guest.tab.locator("input[name=code]").fill(code.lower().replace("-", " "))
    guest.tab.get_by_role("button", name=t("join_in"), exact=True).click()
    guest.sees(1, hall.budget).says(t("m_following", name=CHAIR))
    other = hall.seat(None, f"#{address.partition('#')[2]}", screen=PHONE)
    assert other.tab.locator("input[name=code]").input_value() == code
    chair.tab.keyboard.press("Escape")
    row = chair.side("present").get_by_role("listitem").filter(has_text="傍聴 花子")
    row.get_by_text(t("guest")).wait_for(timeout=PATIENCE_MS)
    chair.side("course")
    chair.press("end_meeting")
    chair.tab.locator("dialog").get_by_role("button", name=t("end_meeting")).click()
    guest.tab.reload()
    guest.tab.wait_for_selector(".entry", timeout=PATIENCE_MS)


def test_a_meeting_begins_from_a_folder_and_is_found_on_the_shelf(hall: Hall) -> None:
    clerk = hall.seat(CLERK, f"#folder={hall.folder}")
    clerk.tab.get_by_role("button", name=t("begin_meeting")).click()
    dialog = clerk.tab.locator("dialog")
    dialog.get_by_label(t("meeting_name")).fill("全員協議会")
    dialog.get_by_role("button", name=t("begin"), exact=True).click()
    clerk.sees(1, hall.budget).says(t("m_you_present"))
    agenda = clerk.side("agenda")
    assert agenda.locator("ol.agenda li").count() == 2
    clerk.press("agenda_edit")
    agenda.get_by_role("button", name=f"{t('move_up')}: 請願書").click()
    agenda.locator("ol.agenda li").first.get_by_text("請願書").wait_for(timeout=PATIENCE_MS)
    member = hall.seat(MEMBER, "")
    member.tab.get_by_role("link", name=t("join_one", name="全員協議会")).click()
    member.sees(1, hall.budget).says(t("m_following", name=CLERK))
